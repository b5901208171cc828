"""How much the list of the most frequent changed."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reports.aggregation import Aggregation, counts
from reports.counting import words
from reports.grouping import Ints, grouped, summed
from reports.report import Column


def churn(
    now: pd.DataFrame, before: pd.DataFrame, by: str | Sequence[str] = "project,culprit", top: int = 20
) -> pd.DataFrame:
    """Compare the most frequent groups of two periods; without an event in either there is no row."""
    groups = grouped(words(by), now, before)
    sums = [
        summed(number, frame["events"], groups.count)
        for number, frame in zip(groups.numbers, (now, before), strict=True)
    ]
    here, there = (_top(events, top) for events in sums)
    kept, either = len(np.intersect1d(here, there)), len(np.union1d(here, there))
    row = {
        "kept": kept,
        "entered": len(here) - kept,
        "left": len(there) - kept,
        "churn": 1 - kept / max(either, 1),
    }
    return pd.DataFrame([row]).head(1 if either else 0)


def _top(events: Ints, top: int) -> Ints:
    """Give the most frequent groups; of those that are equal the first by name."""
    order = np.argsort(-events, kind="stable")[:top]
    return order[events[order] > 0]


AGGREGATION = Aggregation(
    name="churn",
    title="Churn",
    sentence="How much the list of the 20 most frequent changed from one period to the next.",
    takes={"now": counts(), "before": counts()},
    gives=(
        Column("kept", "Kept", "count", "Groups among the most frequent in both periods."),
        Column("entered", "Entered", "count", "Groups that are among them now only."),
        Column("left", "Left", "count", "Groups that were among them before only."),
        Column("churn", "Churn", "share", "1 - kept / all three: 0 for the same list, 1 for another."),
    ),
    aggregate=churn,
)
