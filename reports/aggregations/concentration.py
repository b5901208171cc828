"""In one row: how concentrated events are on few groups."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reports.aggregation import Aggregation, counts
from reports.columns import EVENTS
from reports.counting import words
from reports.grouping import grouped, summed
from reports.report import Column


def concentration(now: pd.DataFrame, by: str | Sequence[str] = "project,culprit", most: float = 0.8) -> pd.DataFrame:
    """Say how many groups there are, how many make most of the events, and how many equal ones they are like."""
    groups = grouped(words(by), now)
    events = summed(groups.numbers[0], now["events"], groups.count)
    events = np.sort(events[events > 0])[::-1]
    total = int(events.sum())
    squares = float(((events / total) ** 2).sum()) if total else 0.0
    vital = int((np.cumsum(events) - events < most * total - 1e-6).sum())
    row = {
        "groups": len(events),
        "vital_groups": vital,
        "events": total,
        "concentration": squares,
        "effective_groups": 1 / squares if squares else 0.0,
    }
    return pd.DataFrame([row]).head(1 if total else 0)


AGGREGATION = Aggregation(
    name="concentration",
    title="Concentration",
    sentence="How many groups make 80 % of the events, and how many equally frequent ones they are like.",
    takes={"now": counts()},
    gives=(
        Column("groups", "Groups", "count", "Groups that have an event."),
        Column("vital_groups", "Vital groups", "count", "The fewest groups that together make 80 % of the events."),
        EVENTS,
        Column("concentration", "Concentration", "number", "Sum of the squares of all shares (HHI): 1 for one group."),
        Column("effective_groups", "Effective groups", "number", "1 / concentration: as many groups of equal share."),
    ),
    aggregate=concentration,
)
