"""How few groups make most of the events."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reports.aggregation import Aggregation, counts
from reports.columns import CUMULATIVE_SHARE, EVENTS, GROUPED, GROUPS, IS_OTHER, SHARE
from reports.counting import shown, words
from reports.filters import GROUPINGS
from reports.grouping import grouped, ranking, summed
from reports.report import Column
from reports.statistics import parts


def pareto(
    now: pd.DataFrame,
    by: str | Sequence[str] = "project,culprit",
    most: float = 0.8,
    top: int | None = None,
) -> pd.DataFrame:
    """Rank groups by events, and add their shares up; `most` is the share that the vital few have."""
    groups = grouped(words(by), now)
    sums = {
        "events": summed(groups.numbers[0], now["events"], groups.count),
        "groups": np.ones(groups.count, dtype=np.int64),
    }
    total, order = sums["events"].sum(), ranking(sums["events"])
    made = shown(groups, sums, order[sums["events"][order] > 0], top)
    events = made["events"]
    cumulated = np.cumsum(events)
    made["rank"] = np.arange(1, len(events) + 1)
    made["share"] = parts(events, total)
    made["cumulative_share"] = parts(cumulated, total)
    made["is_vital"] = (cumulated - events < most * total - 1e-6) & ~made["is_other"]
    return pd.DataFrame(made)


AGGREGATION = Aggregation(
    name="pareto",
    title="Pareto",
    sentence="Groups from the most frequent down, with the share that they and all above them have.",
    takes={"now": counts()},
    gives=(
        *GROUPED,
        Column("rank", "Rank", "count", "Place by events, from 1."),
        EVENTS,
        SHARE,
        CUMULATIVE_SHARE,
        Column("is_vital", "Vital", "flag", "One of the few groups that together make 80 % of the events."),
        GROUPS,
        IS_OTHER,
    ),
    aggregate=pareto,
    some_of=GROUPINGS,
)
