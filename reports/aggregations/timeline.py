"""How many events when, hour by hour or day by day."""

from datetime import datetime
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd

from models.views.view import LEVELS
from reports.aggregation import HOURS, Aggregation
from reports.columns import EVENTS, IS_PARTIAL, STARTS_AT
from reports.grouping import grouped, ranked, summed
from reports.hourly import Size, bucketed, edges
from reports.report import Column


def timeline(
    hours: pd.DataFrame,
    start: datetime,
    end: datetime,
    zone: str = "UTC",
    size: Size = "day",
    by: Literal["level", "project", "environment"] = "level",
    as_of: datetime | None = None,
    top: int | None = None,
) -> pd.DataFrame:
    """
    Count by bucket and series, without a gap.

    Takes: `as_of`, up to when events have been loaded: a bucket that ends later is partial; `top`, after which number
           of series the others become one. Levels stand by gravity, other series by events.
    """
    begins = edges(start, end, zone, size)
    buckets = len(begins) - 1
    groups = grouped((by,), hours)
    count = groups.count
    cells = groups.numbers[0] * buckets + bucketed(hours["hour"], begins)
    events = summed(cells, hours["events"], count * buckets).reshape(count, buckets)
    names = [str(name) for name in groups.names[by]]
    if by == "level":
        order = sorted(range(count), key=lambda each: LEVELS.index(names[each]) if names[each] in LEVELS else 9)
    else:
        order = list(ranked(pd.DataFrame({"place": np.arange(count)}), events.sum(axis=1))["place"])
    names, events = [names[each] for each in order], events[order]
    if top is not None and count > top:
        rest = count - top
        names = [*names[:top], f"other ({rest:,} {by}{'' if rest == 1 else 's'})"]
        events = np.vstack([events[:top], events[top:].sum(axis=0)])
    until = end if as_of is None else min(end, as_of)
    partial = np.array([first < start or last > until for first, last in pairwise(begins)])
    return pd.DataFrame(
        {
            "starts_at": pd.Series(begins[:-1] * len(names), dtype="datetime64[us, UTC]"),
            "series": pd.Series(names, dtype="str").repeat(buckets).reset_index(drop=True),
            "events": events.ravel(),
            "is_partial": np.tile(partial.astype(bool), len(names)),
        }
    ).sort_values("starts_at", kind="stable", ignore_index=True)


AGGREGATION = Aggregation(
    name="timeline",
    title="Timeline",
    sentence="How many events there were when, by level, project or environment.",
    takes={"hours": HOURS},
    gives=(
        STARTS_AT,
        Column("series", "Series", "text", "The level, project or environment."),
        EVENTS,
        IS_PARTIAL,
    ),
    aggregate=timeline,
)
