"""What explains a change: the part that each group has in it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reports.aggregation import Aggregation, counts
from reports.columns import COMPARED, EVENTS, GROUPED, GROUPS, IS_OTHER
from reports.counting import compared, events, shown, words
from reports.filters import GROUPINGS
from reports.grouping import grouped, ranking
from reports.report import Column
from reports.statistics import parts


def contribution(
    now: pd.DataFrame,
    before: pd.DataFrame,
    by: str | Sequence[str] = "project,culprit",
    dispersion: float = 1.0,
    top: int | None = None,
) -> pd.DataFrame:
    """Rank groups by how far they moved, up or down; contributions add up to 1, and are missing where nothing moved."""
    groups = grouped(words(by), now, before)
    sums = events(groups, now, before)
    moved = sums["events"] - sums["previous_events"]
    made = shown(groups, sums, ranking(np.abs(moved)), top)
    told = compared(made["events"], made.pop("previous_events"), dispersion)
    return pd.DataFrame(made | told | {"contribution": parts(told["difference"], moved.sum())})


AGGREGATION = Aggregation(
    name="contribution",
    title="What changed",
    sentence="Which groups explain the change of the total, those that moved furthest first.",
    takes={"now": counts(), "before": counts()},
    gives=(
        *GROUPED,
        EVENTS,
        *COMPARED,
        Column(
            "contribution",
            "Contribution",
            "share",
            "Part of the total's change; negative against it; missing where the total did not change.",
        ),
        GROUPS,
        IS_OTHER,
    ),
    aggregate=contribution,
    some_of=GROUPINGS,
)
