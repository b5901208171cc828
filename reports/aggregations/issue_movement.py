"""What became of each issue: new, regressed, recurring, returned or gone quiet; and how old it is."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from reports.aggregation import ISSUES, Aggregation, counts
from reports.columns import (
    CULPRIT,
    DIFFERENCE,
    EVENTS,
    FIRST_SEEN_AT,
    ISSUE_ID,
    LAST_SEEN_AT,
    LEVEL,
    PREVIOUS_EVENTS,
    PROJECT,
    TITLE,
)
from reports.grouping import (
    MICROSECOND,
    NEVER,
    NONE,
    as_instants,
    first_of,
    grouped,
    issue_places,
    last_of,
    microseconds,
    summed,
    taken,
)
from reports.hourly import EPOCH
from reports.report import Column

SILENCE = timedelta(days=14)
NEW, REGRESSED, RECURRING, RETURNED, GONE_QUIET = "new", "regressed", "recurring", "returned", "gone quiet"
MOVEMENTS = (NEW, REGRESSED, RECURRING, RETURNED, GONE_QUIET)
"""In the order in which they stand."""


def issue_movement(
    now: pd.DataFrame,
    before: pd.DataFrame,
    recent: pd.DataFrame,
    issues: pd.DataFrame,
    start: datetime,
    end: datetime,
) -> pd.DataFrame:
    """
    Say of each issue seen in the period or in the one before what became of it.

    Takes: `recent`, counts of the 14 days before the period, which tell who was silent; `start` and `end` of the
           period. An issue that `issues` does not know is judged by the counts alone.
    """
    groups = grouped(("project", "issue"), now, before, recent)
    (here, there, lately), count = groups.numbers, groups.count
    events, was = summed(here, now["events"], count), summed(there, before["events"], count)
    first_here = first_of(here, now["first_seen_at"], count)
    last_here = last_of(here, now["last_seen_at"], count)
    last_there = last_of(there, before["last_seen_at"], count)
    last = np.maximum(last_there, last_of(lately, recent["last_seen_at"], count))
    first = np.minimum(first_here, first_of(there, before["first_seen_at"], count))
    first = np.minimum(first, first_of(lately, recent["first_seen_at"], count))
    names = groups.names.rename(columns={"issue": "issue_id"})
    places = issue_places(names, issues)
    first_told, resolved = (microseconds(taken(issues[name], places)) for name in ("first_seen_at", "resolved_at"))
    first = np.where(first_told == NONE, first, first_told)
    is_seen, is_old = events > 0, first < (start - EPOCH) // MICROSECOND
    is_silent = (last == -NEVER) | (first_here - np.where(last == -NEVER, 0, last) >= SILENCE // MICROSECOND)
    is_back = is_silent | ((resolved != NONE) & (resolved < first_here))
    movement = np.select([~is_seen, ~is_old, is_back, was > 0], [4, 0, 1, 2], 3)
    order = np.lexsort((-was, -events, movement))
    order = order[(events[order] > 0) | (was[order] > 0)]
    last_seen = np.where(last_here == -NEVER, last_there, last_here)[order]
    first_seen = as_instants(first[order], first[order] == NEVER)
    return pd.DataFrame(
        {
            "movement": pd.array(np.array(MOVEMENTS, dtype=object)[movement[order]], dtype="str"),
            "project": names["project"].array.take(order),
            "issue_id": names["issue_id"].to_numpy()[order],
            **{name: taken(issues[name], places[order]) for name in ("title", "culprit", "level")},
            "events": events[order],
            "previous_events": was[order],
            "difference": (events - was)[order],
            "first_seen_at": first_seen,
            "last_seen_at": as_instants(last_seen, last_seen == -NEVER),
            "age_days": ((end - first_seen) / timedelta(days=1)).astype("float64"),
            "first_release": taken(issues["first_release"], places[order]),
        }
    )


AGGREGATION = Aggregation(
    name="issue_movement",
    title="Issues that moved",
    sentence="Which issues are new, regressed, recurring, returned after a pause, or gone quiet, and how old they are.",
    takes={
        "now": counts("project", "issue"),
        "before": counts("project", "issue"),
        "recent": counts("project", "issue"),
        "issues": ISSUES,
    },
    gives=(
        Column(
            "movement",
            "Movement",
            "text",
            "new: first seen in the period. regressed: seen after it was resolved or silent for 14 days. recurring: "
            "seen before, too. returned: silent for less than 14 days. gone quiet: seen in the period before only.",
        ),
        PROJECT,
        ISSUE_ID,
        TITLE,
        CULPRIT,
        LEVEL,
        EVENTS,
        PREVIOUS_EVENTS,
        DIFFERENCE,
        FIRST_SEEN_AT,
        LAST_SEEN_AT,
        Column("age_days", "Age", "number", "From first seen to the end of the period.", "d"),
        Column("first_release", "First release", "text", "Release of its first event; empty when none was sent."),
    ),
    aggregate=issue_movement,
)
