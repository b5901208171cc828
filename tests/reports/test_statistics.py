"""What is more than chance: the formulas at numbers worked out by hand, and the spike test on simulated weeks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.statistics import change, dispersion, parts, ratio, significance, spike_test

WEEK = 168
HISTORY = 5 * WEEK + 1
COUNTS = st.integers(0, 10**9)


def weeks(rate: np.ndarray, fano: float, series: int, seed: int) -> np.ndarray:
    """Simulate six weeks of hours with a daily and weekly rhythm, as chance would have them."""
    random = np.random.default_rng(seed)
    hour = np.arange(HISTORY + WEEK)
    rhythm = 1 + 0.5 * np.sin(2 * np.pi * hour / 24) + 0.2 * np.sin(2 * np.pi * hour / WEEK)
    mean = np.broadcast_to(rate * rhythm, (series, len(hour)))
    if fano == 1:
        return random.poisson(mean)
    return random.negative_binomial(mean / (fano - 1), 1 / fano)


def begins(series: int, at: int = 0) -> np.ndarray:
    return np.full(series, at, dtype=np.int64)


def test_a_change_is_measured_in_standard_deviations() -> None:
    # 2 (√100.375 - √50.375) / √2 = 2 (10.01873 - 7.09754) / 1.41421
    assert significance(100, 50) == pytest.approx(4.1312, abs=1e-4)
    assert significance(100, 50, dispersion=4) == pytest.approx(4.1312 / 2, abs=1e-4)
    # as long again was looked at now: 100 in two hours are 50 an hour
    assert significance(100, 50, exposure=2) == pytest.approx(0, abs=0.05)
    assert significance(0, 0) == 0
    assert ratio(0, 0) == 1
    assert ratio(100, 50, exposure=2) == pytest.approx(100.5 / 101)


def test_a_percentage_of_few_events_is_not_told() -> None:
    assert np.isnan(change([5, 100, 1], [0, 19, 1])).all()
    assert change([30, 0], [20, 20]).tolist() == [0.5, -1]
    assert np.isnan(parts(3, 0))
    assert parts([1, 3], 4).tolist() == [0.25, 0.75]


@given(COUNTS, COUNTS)
def test_more_is_up_less_is_down_and_both_ways_are_equally_far(now: int, before: int) -> None:
    z = float(significance(now, before))
    assert z == pytest.approx(-float(significance(before, now)))
    assert np.sign(z) == np.sign(now - before)
    assert 0 < float(ratio(now, before)) < np.inf


def test_dispersion_is_the_mean_of_variance_by_mean_and_one_at_least() -> None:
    # columns 2, 4, 6: mean 4, variance 4; 10, 30, 50: mean 30, variance 400
    assert dispersion(np.array([[2.0, 10], [4, 30], [6, 50]])) == pytest.approx((1 + 400 / 30) / 2)
    assert dispersion(np.full((15, 168), 7.0)) == 1
    assert dispersion(np.zeros((0, 5))) == dispersion(np.zeros((1, 5))) == 1


def test_a_spike_in_an_even_series_has_the_z_of_its_formula() -> None:
    counts = np.full((1, HISTORY + WEEK), 16.0)
    counts[0, -3] = 100
    found = spike_test(counts, WEEK, begins(1))
    assert np.flatnonzero(found.is_spike).tolist() == [WEEK - 3]
    # Φ is 1: 2 √100.375 - 2 √16.375 = 20.03747 - 8.09321
    assert found.z[0, -3] == pytest.approx(11.9443, abs=1e-4)
    assert found.expected[0, -3] == 16
    assert not found.is_low_confidence.any()


def test_a_spike_of_the_past_neither_hides_nor_makes_one() -> None:
    counts = np.full((1, HISTORY + WEEK), 16.0)
    counts[0, -3] = 100
    counts[0, -3 - WEEK] = 100_000  # cut to five medians, 80: the mean is (14 · 16 + 80) / 15
    found = spike_test(counts, WEEK, begins(1))
    assert found.is_spike[0, -3]
    assert found.expected[0, -3] == pytest.approx((14 * 16 + 80) / 15)
    assert found.is_spike.sum() == 1


def test_few_events_and_less_than_twice_the_median_are_no_spike() -> None:
    counts = np.zeros((2, HISTORY + WEEK))
    counts[0, -3] = 9
    counts[1] = 10_000
    counts[1, -3] = 19_999
    found = spike_test(counts, WEEK, begins(2))
    assert found.z[1, -3] > 4
    assert not found.is_spike.any()


def test_with_less_than_two_weeks_the_median_of_the_last_week_decides_and_with_less_than_a_day_nothing() -> None:
    counts = np.full((3, 200), 10.0)
    counts[:, -1] = 20
    found = spike_test(counts, 1, np.array([0, 199 - 24, 199 - 23]))
    assert found.is_low_confidence.all()
    assert np.isnan(found.z).all()
    assert found.is_spike[:, 0].tolist() == [True, True, False]
    assert found.expected[:2, 0].tolist() == [10, 10]


def test_between_two_and_five_weeks_only_what_is_known_is_compared_with() -> None:
    counts = np.full((1, HISTORY + WEEK), 1000.0)
    counts[0, 2 * WEEK :] = 16  # before the series begins, nothing counts
    counts[0, -1] = 100
    found = spike_test(counts, 1, begins(1, 2 * WEEK + 10))
    assert not found.is_low_confidence.any()
    assert found.expected[0, 0] == 16
    assert found.is_spike[0, 0]


@pytest.mark.parametrize(
    ("rate", "fano", "most_alarms", "found_of_ten"), [(20, 1, 0.02, 0.95), (20, 5, 0.06, 0.7), (200, 20, 0.06, 0.72)]
)
def test_chance_is_seldom_taken_for_a_spike_and_ten_times_as_many_are_found(
    rate: int, fano: float, most_alarms: float, found_of_ten: float
) -> None:
    series = 200
    counts = weeks(np.array(rate), fano, series, seed=rate + int(fano)).astype(float)
    assert spike_test(counts, WEEK, begins(series)).is_spike.sum() / series <= most_alarms
    places = np.random.default_rng(1).integers(HISTORY, HISTORY + WEEK, series)
    counts[np.arange(series), places] *= 10
    found = spike_test(counts, WEEK, begins(series)).is_spike
    assert found[np.arange(series), places - HISTORY].mean() >= found_of_ten


def test_series_are_tested_alike_alone_and_among_many(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = weeks(np.array(5), 5, 30, seed=4).astype(float)
    starts = np.arange(30, dtype=np.int64) * 25
    together = spike_test(counts, WEEK, starts)
    monkeypatch.setattr("reports.statistics.CELLS_AT_ONCE", 1000)
    apart = spike_test(counts, WEEK, starts)
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_array_equal(one, other)
    none = spike_test(np.zeros((0, HISTORY)), WEEK, begins(0))
    assert none.is_spike.shape == (0, WEEK)
