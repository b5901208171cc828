"""A release against its predecessor, both at the same age."""

from datetime import datetime

import numpy as np
import pandas as pd

from reports.aggregation import ISSUES, RELEASE_HOURS, RELEASES, Aggregation
from reports.columns import (
    DIFFERENCE,
    EVENTS,
    IS_SIGNIFICANT,
    PREDECESSOR,
    PREVIOUS_EVENTS,
    PROJECT,
    RATIO,
    RELEASE,
    Z,
)
from reports.grouping import Ints, summed
from reports.release_order import Aged, pairs
from reports.report import Column
from reports.statistics import REAL_Z, parts, ratio, significance

WEEK_HOURS = 168


def release_comparison(
    hours: pd.DataFrame,
    releases: pd.DataFrame,
    issues: pd.DataFrame,
    end: datetime,
    release: str | None = None,
    within_hours: int = WEEK_HOURS,
    dispersion: float = 1.0,
) -> pd.DataFrame:
    """
    Compare each project's latest release, or the one named, with its predecessor.

    Takes: `hours` of both, from when each was first seen; `end`, up to when events have been loaded; `within_hours`,
           the age up to which they are compared. A release younger than that is compared up to its own age.
    """
    found = pairs(releases, release)
    aged = Aged(hours, found, end, within_hours)
    events, before = aged.total(1), aged.total(0)
    active, active_before = aged.active_hours(1), aged.active_hours(0)
    has, nothing = aged.has_predecessor, np.full(len(found), np.nan)
    z = np.where(has, significance(events, before, dispersion), nothing)
    of_both = aged.issues()
    return found[["project", "release", "predecessor"]].assign(
        compared_hours=aged.age_hours,
        events=events,
        previous_events=before,
        difference=events - before,
        ratio=np.where(has, ratio(events, before), nothing),
        z=z,
        is_significant=np.abs(np.nan_to_num(z)) > REAL_Z,
        active_hours=active,
        events_per_active_hour=parts(events, active),
        previous_per_active_hour=parts(before, active_before),
        new_issues=_new(found, issues),
        gone_issues=_count(of_both, (of_both["events"] == 0) & (of_both["previous_events"] > 0), len(found)),
        common_issues=_count(of_both, (of_both["events"] > 0) & (of_both["previous_events"] > 0), len(found)),
    )


def _count(issues: pd.DataFrame, wanted: pd.Series, count: int) -> Ints:
    return summed(issues["pair"].to_numpy(dtype=np.int64), wanted.to_numpy(dtype=np.int64), count)


def _new(found: pd.DataFrame, issues: pd.DataFrame) -> Ints:
    """Count the issues whose first event was of the release."""
    wanted = issues[issues["first_release"].isin(found["release"].unique())]
    places = found[["project", "release"]].assign(place=np.arange(len(found)))
    new = wanted.merge(places, left_on=["project", "first_release"], right_on=["project", "release"])
    return np.bincount(new["place"].astype("int64"), minlength=len(found)).astype(np.int64)


AGGREGATION = Aggregation(
    name="release_comparison",
    title="Release against predecessor",
    sentence="A release against its predecessor, each in as many hours after it was first seen.",
    takes={"hours": RELEASE_HOURS, "releases": RELEASES, "issues": ISSUES},
    gives=(
        PROJECT,
        RELEASE,
        PREDECESSOR,
        Column("compared_hours", "Compared", "count", "Age up to which both are compared.", "h"),
        EVENTS,
        PREVIOUS_EVENTS,
        DIFFERENCE,
        RATIO,
        Z,
        IS_SIGNIFICANT,
        Column("active_hours", "Active hours", "count", "Hours in which the release had an event."),
        Column("events_per_active_hour", "Per active hour", "number", "Events divided by active hours.", "1/h"),
        Column("previous_per_active_hour", "Before per active hour", "number", "The same of the predecessor.", "1/h"),
        Column("new_issues", "New issues", "count", "Issues whose first event was of this release."),
        Column("gone_issues", "Gone issues", "count", "Issues of the predecessor that the release does not have."),
        Column("common_issues", "Common issues", "count", "Issues that both have."),
    ),
    aggregate=release_comparison,
)
