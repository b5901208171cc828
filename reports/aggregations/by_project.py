"""How often, by project."""

import pandas as pd

from reports.aggregation import Aggregation, counts
from reports.columns import COUNTED, PROJECT
from reports.counting import counted


def by_project(
    now: pd.DataFrame, before: pd.DataFrame, hours: float, dispersion: float = 1.0, top: int | None = None
) -> pd.DataFrame:
    """Events of each project, most frequent first, and how they changed."""
    return counted(now, before, ("project",), hours=hours, dispersion=dispersion, top=top)


AGGREGATION = Aggregation(
    name="by_project",
    title="By project",
    sentence="Events of each project, most frequent first, and how they changed.",
    takes={"now": counts("project"), "before": counts("project")},
    gives=(PROJECT, *COUNTED),
    aggregate=by_project,
)
