"""
What is more than chance: whether a change is, and which hours are spikes (pure, numpy only).

Counts are made comparable by Anscombe's transform 2 √(n + 3/8), whose variance is about 1 for Poisson counts and about
the dispersion Φ (variance / mean) for burstier ones.
Source: Anscombe, Biometrika 35 (1948), 246; tests/reports/test_statistics.py simulates how often it is wrong.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reports.period import BASELINE_WEEKS

REAL_Z = 3.0
LEAST_FOR_PERCENT = 20
"""A percentage of fewer events says more about chance than about change."""

HOURS_OF_WEEK = 168
LEAST_WEEKS = 2
LEAST_HOURS = 24
"""History without which not even the ratio to the median is looked at."""
SPIKE_Z = 4.0
SPIKE_EVENTS = 10
SPIKE_RATIO = 2.0
WINSOR = 5.0
"""Counts of the baseline beyond so many medians are taken for spikes of the past, and cut."""
CELLS_AT_ONCE = 100_000  # of a baseline, each of 15 counts

Floats = NDArray[np.float64]


class Tested(NamedTuple):
    """
    What the spike test says, one row per series, one column per hour tested.

    `z` is missing (NaN) where there are less than two weeks of history: `is_low_confidence`, and the ratio to the
    median alone decided. `expected` is the mean of the baseline, or that median.
    """

    is_spike: NDArray[np.bool_]
    z: Floats
    expected: Floats
    is_low_confidence: NDArray[np.bool_]


def anscombe(counts: Any) -> Floats:
    """Give counts on a scale on which chance has a standard deviation of 1."""
    return np.asarray(2 * np.sqrt(np.asarray(counts, dtype=np.float64) + 0.375))


def significance(now: Any, before: Any, dispersion: float = 1.0, exposure: Any = 1.0) -> Floats:
    """
    Give z of a change: how many standard deviations it is; more than REAL_Z, either way, is more than chance.

    `exposure`: how many times longer was looked at now than before.
    """
    more = np.asarray(exposure, dtype=np.float64)
    expected = more * (np.asarray(before, dtype=np.float64) + 0.375)
    return np.asarray((anscombe(now) - 2 * np.sqrt(expected)) / np.sqrt(dispersion * (1 + more)))


def ratio(now: Any, before: Any, exposure: Any = 1.0) -> Floats:
    """Give how many times as many, or as frequent, there are now; never infinite."""
    expected = np.asarray(exposure, dtype=np.float64) * (np.asarray(before, dtype=np.float64) + 0.5)
    return (np.asarray(now, dtype=np.float64) + 0.5) / expected


def change(now: Any, before: Any) -> Floats:
    """Give the difference as a part of what was before, NaN where that is fewer than LEAST_FOR_PERCENT."""
    was = np.asarray(before, dtype=np.float64)
    return np.where(was >= LEAST_FOR_PERCENT, np.asarray(now, dtype=np.float64) / np.maximum(was, 1) - 1, np.nan)


def parts(values: Any, whole: Any) -> Floats:
    """Give each value as a part of a whole, NaN where the whole is 0."""
    of = np.asarray(whole, dtype=np.float64)
    return np.where(of == 0, np.nan, np.asarray(values, dtype=np.float64) / np.where(of == 0, 1, of))


def dispersion(pool: Floats, axis: int = 0) -> float:
    """Give Φ of counts that are alike along an axis, such as the same hour of several weeks; at least 1."""
    if pool.shape[axis] < LEAST_WEEKS or not pool.size:
        return 1.0
    return max(1.0, float(np.mean(np.var(pool, axis=axis, ddof=1) / np.maximum(np.mean(pool, axis=axis), 0.2))))


def spike_test(counts: Floats, tested: int, begins: NDArray[np.int64]) -> Tested:
    """
    Test the last hours of series for spikes, against the same hour of the week, ±1 h, of the five weeks before.

    Takes: counts, one row per series and one column per hour, without a gap; `tested`, how many of the last columns to
           test; `begins`, the column in which each series' history begins.
    Gives: spikes, where z > 4, with 10 events or more and twice the median or more.
    """
    series = len(counts)
    step = max(1, CELLS_AT_ONCE // max(tested, 1))
    if series <= step:
        return _tested(counts.astype(np.float64), tested, begins)
    chunks = [
        _tested(counts[at : at + step].astype(np.float64), tested, begins[at : at + step])
        for at in range(0, series, step)
    ]
    return Tested(*(np.concatenate(each) for each in zip(*chunks, strict=True)))


def _tested(counts: Floats, tested: int, begins: NDArray[np.int64]) -> Tested:
    width = counts.shape[1]
    at = np.arange(width - tested, width)
    actual = counts[:, width - tested :]
    weeks = np.clip((at[None, :] - 1 - begins[:, None]) // HOURS_OF_WEEK, 0, BASELINE_WEEKS)
    is_low = weeks < LEAST_WEEKS
    pool, known = _pool(counts, at, weeks)
    middle = _median(pool, known)
    pool = np.minimum(pool, WINSOR * np.maximum(middle, 1))
    size = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, pool, 0).sum(axis=0) / size
    variance = np.where(known, (pool - mean) ** 2, 0).sum(axis=0) / np.maximum(size - 1, 1)
    fano = np.where(is_low, 0, variance / np.maximum(mean, 0.2))
    phi = np.maximum(1, fano.sum(axis=1) / np.maximum((~is_low).sum(axis=1), 1))
    z = np.where(is_low, np.nan, (anscombe(actual) - anscombe(mean)) / np.sqrt(phi)[:, None])
    recent, has_some = _recent(counts, at, begins, (actual >= SPIKE_EVENTS) & is_low)
    middle = np.where(is_low, recent, middle)
    gate = (actual >= SPIKE_EVENTS) & (actual >= SPIKE_RATIO * np.maximum(middle, 1))
    is_spike = gate & np.where(is_low, has_some, np.nan_to_num(z) > SPIKE_Z)
    return Tested(is_spike, z, np.where(is_low, recent, mean), is_low)


def _pool(counts: Floats, at: NDArray[np.int64], weeks: NDArray[np.int64]) -> tuple[Floats, NDArray[np.bool_]]:
    """Give the baseline of every hour, fifteen counts, and which of them are known."""
    width = counts.shape[1]
    pool, known = [], []
    for back in range(1, BASELINE_WEEKS + 1):
        for beside in (-1, 0, 1):
            places = np.clip(at - back * HOURS_OF_WEEK + beside, 0, width - 1)
            pool.append(counts[:, places])
            known.append(weeks >= back)
    return np.stack(pool), np.stack(known)


def _median(pool: Floats, known: NDArray[np.bool_]) -> Floats:
    if known.all():
        return np.asarray(np.median(pool, axis=0))
    ordered = np.sort(np.where(known, pool, np.inf), axis=0)
    size = known.sum(axis=0)
    lower, upper = np.maximum(size - 1, 0) // 2, size // 2
    picked = [np.take_along_axis(ordered, each[None], axis=0)[0] for each in (lower, np.minimum(upper, len(pool) - 1))]
    return np.where(size > 0, (picked[0] + np.where(size > 0, picked[1], 0)) / 2, 0)


def _recent(
    counts: Floats, at: NDArray[np.int64], begins: NDArray[np.int64], wanted: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Give the median of the week before each wanted hour, as far as history goes, and where it goes far enough."""
    middle = np.zeros(wanted.shape)
    has_some = (at[None, :] - begins[:, None]) >= LEAST_HOURS
    rows, columns = np.nonzero(wanted & has_some)
    step = max(1, CELLS_AT_ONCE // 10)
    for first in range(0, len(rows), step):
        row, column = rows[first : first + step], columns[first : first + step]
        places = at[column] - np.arange(1, HOURS_OF_WEEK + 1)[:, None]
        middle[row, column] = _median(counts[row, np.maximum(places, 0)], places >= begins[row])
    return middle, has_some
