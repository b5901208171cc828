"""How often, by any combination of project, level, culprit, environment, release and issue."""

from collections.abc import Sequence

import pandas as pd

from reports.aggregation import Aggregation, counts
from reports.columns import COUNTED, GROUPED
from reports.counting import counted, words
from reports.filters import GROUPINGS


def frequency(
    now: pd.DataFrame,
    before: pd.DataFrame,
    hours: float,
    by: str | Sequence[str] = "project,level,culprit",
    dispersion: float = 1.0,
    top: int | None = None,
    *,
    only_now: bool = False,
) -> pd.DataFrame:
    """
    Count by any groupings, most frequent first, ties by name.

    Takes:  frames of COUNTS that have the columns of `by` at least; users are told where they have no more;
            `only_now`, to leave out what is in `before` alone.
    Raises: ReportsError when a word of `by` is none of GROUPINGS.
    """
    return counted(now, before, words(by), hours=hours, dispersion=dispersion, top=top, only_now=only_now)


AGGREGATION = Aggregation(
    name="frequency",
    title="Frequency",
    sentence="Events by any combination of project, level, culprit, environment, release and issue.",
    takes={"now": counts(), "before": counts()},
    gives=(*GROUPED, *COUNTED),
    aggregate=frequency,
    some_of=GROUPINGS,
)
