"""How often, by project and culprit: the same string in two projects is two culprits."""

import pandas as pd

from reports.aggregation import Aggregation, counts
from reports.columns import COUNTED, CULPRIT, PROJECT
from reports.counting import counted


def by_culprit(
    now: pd.DataFrame,
    before: pd.DataFrame,
    hours: float,
    dispersion: float = 1.0,
    top: int | None = None,
    *,
    only_now: bool = False,
) -> pd.DataFrame:
    """Events of each culprit of each project, most frequent first, and how they changed."""
    by = ("project", "culprit")
    return counted(now, before, by, hours=hours, dispersion=dispersion, top=top, only_now=only_now)


AGGREGATION = Aggregation(
    name="by_culprit",
    title="By culprit",
    sentence="Events of each culprit of each project, most frequent first, and how they changed.",
    takes={"now": counts("project", "culprit"), "before": counts("project", "culprit")},
    gives=(PROJECT, CULPRIT, *COUNTED),
    aggregate=by_culprit,
)
