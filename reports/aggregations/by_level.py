"""How often, by level, the gravest first."""

import numpy as np
import pandas as pd

from models.views.view import LEVELS
from reports.aggregation import Aggregation, counts
from reports.columns import COUNTED, LEVEL
from reports.counting import counted


def by_level(now: pd.DataFrame, before: pd.DataFrame, hours: float, dispersion: float = 1.0) -> pd.DataFrame:
    """Events of each level, the gravest first, and how they changed."""
    made = counted(now, before, ("level",), hours=hours, dispersion=dispersion)
    gravity = {level: number for number, level in enumerate(LEVELS)}
    places = made["level"].map(gravity).fillna(len(LEVELS)).to_numpy()
    return made.iloc[np.argsort(places, kind="stable")].reset_index(drop=True)


AGGREGATION = Aggregation(
    name="by_level",
    title="By level",
    sentence="Events of each level, the gravest first, and how they changed.",
    takes={"now": counts("level"), "before": counts("level")},
    gives=(LEVEL, *COUNTED),
    aggregate=by_level,
)
