"""Which part of the events the program did not catch."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reports.aggregation import Aggregation, counts
from reports.columns import EVENTS, GROUPED, UNHANDLED_EVENTS
from reports.counting import words
from reports.filters import GROUPINGS
from reports.grouping import grouped, ranking, summed
from reports.report import Column
from reports.statistics import LEAST_FOR_PERCENT, parts


def unhandled_rate(now: pd.DataFrame, before: pd.DataFrame, by: str | Sequence[str] = "project") -> pd.DataFrame:
    """Rank groups by unhandled events, with their rate and the rate before."""
    groups = grouped(words(by), now, before)
    (here, there), count = groups.numbers, groups.count
    events, was = summed(here, now["events"], count), summed(there, before["events"], count)
    unhandled = summed(here, now["unhandled_events"], count)
    rate, before_rate = parts(unhandled, events), parts(summed(there, before["unhandled_events"], count), was)
    is_enough = (events >= LEAST_FOR_PERCENT) & (was >= LEAST_FOR_PERCENT)
    order = ranking(unhandled)
    made = {
        "events": events,
        "unhandled_events": unhandled,
        "unhandled_rate": rate,
        "previous_rate": before_rate,
        "difference": np.where(is_enough, rate - before_rate, np.nan),
    }
    return pd.DataFrame({**groups.told(order), **{name: values[order] for name, values in made.items()}})


AGGREGATION = Aggregation(
    name="unhandled_rate",
    title="Unhandled",
    sentence="Which part of the events the program did not catch.",
    takes={"now": counts(), "before": counts()},
    gives=(
        *GROUPED,
        EVENTS,
        UNHANDLED_EVENTS,
        Column(
            "unhandled_rate",
            "Unhandled rate",
            "share",
            "Unhandled events as a part of all; an event that does not tell counts as handled.",
        ),
        Column("previous_rate", "Rate before", "share", "The same of the period before."),
        Column("difference", "Difference", "change", "Rate minus the rate before; missing under 20 events in either."),
    ),
    aggregate=unhandled_rate,
    some_of=GROUPINGS,
)
