"""How few groups make most of the events."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reports.aggregation import Aggregation, counts
from reports.columns import CUMULATIVE_SHARE, EVENTS, GROUPED, GROUPS, IS_OTHER, SHARE
from reports.counting import events, with_other, words
from reports.filters import GROUPINGS
from reports.report import Column
from reports.statistics import parts


def pareto(
    now: pd.DataFrame,
    by: str | Sequence[str] = "project,culprit",
    most: float = 0.8,
    top: int | None = None,
) -> pd.DataFrame:
    """Rank groups by events, and add their shares up; `most` is the share that the vital few have."""
    names = words(by)
    made = events(now, now.iloc[:0], names).drop(columns="previous_events")
    made = made[made["events"] > 0]
    total = made["events"].sum()
    made = with_other(made, made["events"], names, top)
    made["rank"] = np.arange(1, len(made) + 1)
    made["share"] = parts(made["events"], total)
    made["cumulative_share"] = parts(made["events"].cumsum(), total)
    above = made["events"].cumsum() - made["events"]
    return made.assign(is_vital=(above < most * total - 1e-6) & ~made["is_other"])


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
