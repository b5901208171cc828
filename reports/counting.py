"""How often, how much of the whole, and how much more than before: what every table of frequencies shares (pure)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.columns import COUNTED
from reports.filters import words
from reports.grouping import (
    NEVER,
    Groups,
    Ints,
    as_instants,
    first_of,
    grouped,
    last_of,
    ranking,
    summed,
    weighed,
)
from reports.statistics import REAL_Z, change, parts, ratio, significance

__all__ = ["compared", "counted", "events", "shown", "users", "words"]

Columns = dict[str, Any]
"""Columns of a frame that is still to be made, each an array."""


def counted(
    now: pd.DataFrame,
    before: pd.DataFrame,
    by: Sequence[str],
    *,
    hours: float,
    dispersion: float = 1.0,
    top: int | None = None,
    only_now: bool = False,
) -> pd.DataFrame:
    """
    Count by groups, most frequent first, ties by name.

    Takes:  frames of COUNTS; `hours`, the period's real length; `dispersion`, Φ of reports.statistics; `top`, after
            which number of groups the others become one row; `only_now`, to leave out what is in `before` alone.
    Gives:  the columns of `by` and those of reports.columns.COUNTED. What is in `before` alone has 0 events.
    """
    groups = grouped(by, now, before)
    here, count = groups.numbers[0], groups.count
    sums = {
        **events(groups, now, before),
        "weighted_events": weighed(here, now["weighted_events"], count),
        "unhandled_events": summed(here, now["unhandled_events"], count),
        "users": users(groups, now),
        "first_seen_at": first_of(here, now["first_seen_at"], count),
        "last_seen_at": last_of(here, now["last_seen_at"], count),
    }
    order = ranking(sums["events"])
    if only_now:
        order = order[np.bincount(here, minlength=count)[order] > 0]
    made = shown(groups, sums, order, top)
    now_, first, last = made["events"], made["first_seen_at"], made["last_seen_at"]
    told = {
        "events_per_hour": parts(now_, hours),
        "share": parts(now_, now_.sum()),
        **compared(now_, made["previous_events"], dispersion),
        "first_seen_at": as_instants(first, first == NEVER),
        "last_seen_at": as_instants(last, last == -NEVER),
    }
    return pd.DataFrame({name: told.get(name, made.get(name)) for name in (*by, *(column.name for column in COUNTED))})


def events(groups: Groups, now: pd.DataFrame, before: pd.DataFrame) -> Columns:
    """Sum the events of both periods by groups: `events`, `previous_events`, and `groups`, which is 1."""
    (here, there), count = groups.numbers, groups.count
    return {
        "events": summed(here, now["events"], count),
        "previous_events": summed(there, before["events"], count),
        "groups": np.ones(count, dtype=np.int64),
    }


def users(groups: Groups, frame: pd.DataFrame, number: int = 0) -> Any:
    """Give the users of each group, missing where it has several rows: the same user may be in both."""
    rows = np.bincount(groups.numbers[number], minlength=groups.count)
    return pd.arrays.IntegerArray(summed(groups.numbers[number], frame["users"], groups.count), rows > 1)


def shown(groups: Groups, sums: Mapping[str, Any], order: NDArray[np.intp], top: int | None) -> Columns:
    """
    Put groups in an order, and all after the first `top` into one, so that what is shown adds up to the whole.

    Takes: `sums`, a column of numbers each, one for each group; instants in microseconds.
    Gives: the names, those columns, and `is_other` (bool).
    """
    if top is None or len(order) <= top:
        made = {name: values[order] for name, values in sums.items()}
        return {**groups.told(order), **made, "is_other": np.zeros(len(order), dtype=bool)}
    first, rest = order[:top], order[top:]
    made = {name: _and(values[first], _together(name, values[rest])) for name, values in sums.items()}
    others: Columns = {name: 0 if name == "issue" else "" for name in groups.by}
    if texts := [name for name in others if name != "issue"]:
        others[texts[-1]] = f"other ({len(rest):,} {_plural(list(others), len(rest))})"
    names = {name: _and(values, others[name]) for name, values in groups.told(first).items()}
    return {**names, **made, "is_other": np.arange(top + 1) == top}


def compared(now: Ints, before: Ints, dispersion: float = 1.0) -> Columns:
    """Give the columns of reports.columns.COMPARED."""
    z = significance(now, before, dispersion)
    return {
        "previous_events": before,
        "difference": now - before,
        "change": change(now, before),
        "ratio": ratio(now, before),
        "z": z,
        "is_significant": np.abs(z) > REAL_Z,
        "is_new": (before == 0) & (now > 0),
    }


def _together(name: str, rest: Any) -> Any:
    """Give what one column has for all that is left."""
    if name == "users":
        return rest[0] if len(rest) == 1 else pd.NA
    if name in {"first_seen_at", "last_seen_at"}:
        return rest.min() if name == "first_seen_at" else rest.max()
    return round(rest.sum(), 3) if name == "weighted_events" else rest.sum()


def _and(values: Any, one: Any) -> Any:
    """Give an array with one more value."""
    return np.append(values, one) if isinstance(values, np.ndarray) else pd.array([*values, one], dtype=values.dtype)


def _plural(by: Sequence[str], count: int) -> str:
    word = by[-1] if len(by) == 1 or (len(by) == 2 and by[0] == "project") else "combination"
    return word if count == 1 else f"{word}s"
