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
from reports.grouping import described, earliest, grouped, latest, summed
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
    told = issues.rename(columns={"issue_id": "issue"})
    groups = grouped(("project", "issue"), now, before, recent)
    (here, there, lately), count = groups.numbers, len(groups.names)
    made = groups.names.rename(columns={"issue": "issue_id"}).assign(
        events=summed(here, now["events"], count),
        previous_events=summed(there, before["events"], count),
        first_here=earliest(here, now["first_seen_at"], count),
        last_here=latest(here, now["last_seen_at"], count),
        last_there=latest(there, before["last_seen_at"], count),
        last_recent=latest(lately, recent["last_seen_at"], count),
        first_there=earliest(there, before["first_seen_at"], count),
        first_recent=earliest(lately, recent["first_seen_at"], count),
    )
    made = made[(made["events"] > 0) | (made["previous_events"] > 0)].reset_index(drop=True)
    known = ["title", "culprit", "level", "first_seen_at", "first_release", "resolved_at"]
    made = described(made, told.rename(columns={"issue": "issue_id"}), known)
    counted = made[["first_here", "first_there", "first_recent"]].min(axis=1)
    made["first_seen_at"] = made["first_seen_at"].fillna(counted)
    made["last_seen_at"] = made["last_here"].fillna(made["last_there"])
    made["movement"] = _movement(made, start)
    made["age_days"] = ((end - made["first_seen_at"]) / timedelta(days=1)).astype("float64")
    place = made["movement"].map({word: number for number, word in enumerate(MOVEMENTS)}).to_numpy()
    order = np.lexsort((-made["previous_events"].to_numpy(), -made["events"].to_numpy(), place))
    return made.assign(difference=made["events"] - made["previous_events"]).iloc[order].reset_index(drop=True)


def _movement(made: pd.DataFrame, start: datetime) -> pd.Series:
    is_seen = made["events"] > 0
    is_old = made["first_seen_at"] < start
    last = made[["last_there", "last_recent"]].max(axis=1)
    silent = last.isna() | (made["first_here"] - last >= SILENCE)
    resolved = made["resolved_at"] < made["first_here"]
    words = np.select(
        [~is_seen, ~is_old, resolved | silent, made["previous_events"] > 0],
        [GONE_QUIET, NEW, REGRESSED, RECURRING],
        RETURNED,
    )
    return pd.Series(words, index=made.index, dtype="str")


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
