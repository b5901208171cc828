"""How often, how much of the whole, and how much more than before: what every table of frequencies shares (pure)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from reports.filters import words
from reports.grouping import Groups, earliest, grouped, latest, ranked, ranking, summed, weighed
from reports.statistics import REAL_Z, change, parts, ratio, significance

__all__ = ["compared", "counted", "events", "totals", "users", "with_other", "words"]


def counted(
    now: pd.DataFrame,
    before: pd.DataFrame,
    by: Sequence[str],
    *,
    hours: float,
    dispersion: float = 1.0,
    top: int | None = None,
) -> pd.DataFrame:
    """
    Count by groups, most frequent first, ties by name.

    Takes:  frames of COUNTS; `hours`, the period's real length; `dispersion`, Φ of reports.statistics; `top`, after
            which number of groups the others become one row.
    Gives:  the columns of `by` and those of reports.columns.COUNTED. What is in `before` alone has 0 events.
    """
    made = totals(now, before, by)
    made = with_other(made, made["events"], by, top)
    made["events_per_hour"] = parts(made["events"], hours)
    made["share"] = parts(made["events"], made["events"].sum())
    return compared(made, dispersion)


def totals(now: pd.DataFrame, before: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Sum the two periods by groups, in the order of their names."""
    groups = grouped(by, now, before)
    (here, _), count = groups.numbers, len(groups.names)
    made = _events(groups, now, before)
    return made.assign(
        weighted_events=weighed(here, now["weighted_events"], count),
        unhandled_events=summed(here, now["unhandled_events"], count),
        users=users(groups, now),
        first_seen_at=earliest(here, now["first_seen_at"], count),
        last_seen_at=latest(here, now["last_seen_at"], count),
    )


def events(now: pd.DataFrame, before: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Sum the events alone: `events`, `previous_events` and `groups` of totals."""
    return _events(grouped(by, now, before), now, before)


def _events(groups: Groups, now: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    (here, there), count = groups.numbers, len(groups.names)
    return groups.names.assign(
        events=summed(here, now["events"], count),
        previous_events=summed(there, before["events"], count),
        groups=np.ones(count, dtype=np.int64),
    )


def users(groups: Groups, frame: pd.DataFrame, number: int = 0) -> pd.Series:
    """Give the users of each group, missing where it has several rows: the same user may be in both."""
    count = len(groups.names)
    rows = np.bincount(groups.numbers[number], minlength=count)
    return pd.Series(pd.arrays.IntegerArray(summed(groups.numbers[number], frame["users"], count), rows > 1))


def with_other(frame: pd.DataFrame, values: Any, by: Sequence[str], top: int | None) -> pd.DataFrame:
    """Rank rows by numbers, and put all after the first `top` into one, so that what is shown adds up to the whole."""
    if top is None or len(frame) <= top:
        return ranked(frame, values).assign(is_other=np.zeros(len(frame), dtype=bool))
    order = ranking(values)
    rest = frame.drop(columns=list(by)).iloc[order[top:]]
    other: dict[str, object] = {name: 0 if name == "issue" else "" for name in by}
    for name in rest.columns:
        column = rest[name]
        if name == "users":
            other[name] = column.iloc[0] if len(rest) == 1 else pd.NA
        elif name == "first_seen_at":
            other[name] = column.min()
        elif name == "last_seen_at":
            other[name] = column.max()
        else:
            other[name] = round(column.sum(), 3) if name == "weighted_events" else column.sum()
    texts = [name for name in by if name != "issue"]
    if texts:
        other[texts[-1]] = f"other ({len(rest):,} {_plural(by, len(rest))})"
    last = pd.DataFrame({name: pd.array([other[name]], dtype=frame[name].dtype) for name in frame.columns})
    made = pd.concat([frame.iloc[order[:top]], last], ignore_index=True)
    return made.assign(is_other=np.arange(len(made)) == top)


def compared(frame: pd.DataFrame, dispersion: float = 1.0) -> pd.DataFrame:
    """Add the columns of reports.columns.COMPARED to rows that have events and previous_events."""
    now, before = frame["events"].to_numpy(), frame["previous_events"].to_numpy()
    z = significance(now, before, dispersion)
    return frame.assign(
        difference=now - before,
        change=change(now, before),
        ratio=ratio(now, before),
        z=z,
        is_significant=np.abs(z) > REAL_Z,
        is_new=(before == 0) & (now > 0),
    )


def _plural(by: Sequence[str], count: int) -> str:
    word = by[-1] if len(by) == 1 or (len(by) == 2 and by[0] == "project") else "combination"
    return word if count == 1 else f"{word}s"
