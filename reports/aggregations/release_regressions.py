"""Issues that a release made more frequent than its predecessor had them."""

from datetime import datetime

import numpy as np
import pandas as pd

from reports.aggregation import ISSUES, RELEASE_HOURS, RELEASES, Aggregation
from reports.columns import (
    CULPRIT,
    EVENTS,
    IS_NEW,
    ISSUE_ID,
    PREDECESSOR,
    PREVIOUS_EVENTS,
    PROJECT,
    RELEASE,
    TITLE,
    Z,
)
from reports.grouping import described, ranked
from reports.release_order import Aged, pairs
from reports.report import Column
from reports.statistics import REAL_Z, parts, ratio, significance

LEAST_RATIO = 2.0
WEEK_HOURS = 168


def release_regressions(
    hours: pd.DataFrame,
    releases: pd.DataFrame,
    issues: pd.DataFrame,
    end: datetime,
    release: str | None = None,
    within_hours: int = WEEK_HOURS,
    dispersion: float = 1.0,
    top: int | None = None,
) -> pd.DataFrame:
    """
    Find issues that are at least twice as frequent per active hour as in the predecessor, beyond chance (z > 3).

    Takes: as release_comparison. Without a predecessor there is nothing to have regressed from.
    """
    found = pairs(releases, release)
    aged = Aged(hours, found, end, within_hours)
    exposure = parts(aged.active_hours(1), np.where(aged.active_hours(0) > 0, aged.active_hours(0), np.nan))
    made = aged.issues()
    pair = made["pair"].to_numpy(dtype=np.int64)
    more = exposure[pair]
    now, before = made["events"].to_numpy(), made["previous_events"].to_numpy()
    made = made.assign(
        release=found["release"].take(pair).reset_index(drop=True),
        predecessor=found["predecessor"].take(pair).reset_index(drop=True),
        rate_ratio=ratio(now, before, np.where(more > 0, more, np.nan)),
        z=significance(now, before, dispersion, np.where(more > 0, more, np.nan)),
        is_new=before == 0,
    )
    made = made[(made["z"] > REAL_Z) & (made["rate_ratio"] >= LEAST_RATIO)].reset_index(drop=True)
    made = ranked(made, made["z"])
    return described(made if top is None else made.head(top), issues, ("title", "culprit"))


AGGREGATION = Aggregation(
    name="release_regressions",
    title="Regressions of a release",
    sentence="Issues that are at least twice as frequent in a release as in its predecessor, beyond chance.",
    takes={"hours": RELEASE_HOURS, "releases": RELEASES, "issues": ISSUES},
    gives=(
        PROJECT,
        RELEASE,
        PREDECESSOR,
        ISSUE_ID,
        TITLE,
        CULPRIT,
        EVENTS,
        PREVIOUS_EVENTS,
        Column(
            "rate_ratio", "Ratio of rates", "number", "Events per active hour, divided by those of the predecessor."
        ),
        Z,
        IS_NEW,
    ),
    aggregate=release_regressions,
)
