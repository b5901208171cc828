"""Which part of the events each level has, over time."""

from datetime import datetime
from itertools import pairwise

import numpy as np
import pandas as pd

from models.views.view import LEVELS
from reports.aggregation import HOURS, INSTANT, Aggregation
from reports.columns import EVENTS, IS_PARTIAL, LEVEL, STARTS_AT
from reports.grouping import grouped, summed
from reports.hourly import Size, bucketed, edges
from reports.report import Column
from reports.statistics import parts

SEVERE = ("fatal", "error")


def level_mix(
    hours: pd.DataFrame, start: datetime, end: datetime, zone: str = "UTC", size: Size = "day"
) -> pd.DataFrame:
    """Give the share of each level in every bucket of a period; missing where a bucket has no event."""
    begins = edges(start, end, zone, size)
    buckets, levels = len(begins) - 1, len(LEVELS)
    of_level = grouped(("level",), hours)
    known = np.array(
        [LEVELS.index(each) if each in LEVELS else levels for each in of_level.names["level"]], dtype=np.int64
    )
    cells = bucketed(hours["hour"], begins) * (levels + 1) + known[of_level.numbers[0]]
    events = summed(cells, hours["events"], buckets * (levels + 1)).reshape(buckets, levels + 1)[:, :levels]
    whole = events.sum(axis=1)
    severe = events[:, [LEVELS.index(word) for word in SEVERE]].sum(axis=1)
    starts = pd.Series(begins[:-1], dtype=INSTANT)
    partial = [first < start or last > end for first, last in pairwise(begins)]
    made = pd.DataFrame(
        {
            "starts_at": starts.repeat(levels).reset_index(drop=True),
            "level": pd.Series(list(LEVELS) * buckets, dtype="str"),
            "events": events.ravel(),
            "share": parts(events, whole[:, None]).ravel(),
            "severe_events": np.repeat(severe, levels),
            "is_partial": np.repeat(np.array(partial, dtype=bool), levels),
        }
    )
    return made if len(hours) else made.iloc[:0]


AGGREGATION = Aggregation(
    name="level_mix",
    title="Level mix",
    sentence="Which part of the events each level has, over time.",
    takes={"hours": HOURS},
    gives=(
        STARTS_AT,
        LEVEL,
        EVENTS,
        Column("share", "Share", "share", "Part of the bucket's events; missing where it has none."),
        Column("severe_events", "Fatal and error", "count", "Events of the bucket that are fatal or error."),
        IS_PARTIAL,
    ),
    aggregate=level_mix,
)
