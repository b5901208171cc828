"""How much of what should be told is told, and how long loading takes, by project."""

import numpy as np
import pandas as pd

from reports.aggregation import QUALITY, Aggregation
from reports.columns import EVENTS, PROJECT
from reports.grouping import grouped, summed
from reports.report import Column
from reports.statistics import parts

COUNTED = ("without_release", "without_environment", "without_user", "odd_time")


def data_quality(quality: pd.DataFrame) -> pd.DataFrame:
    """Add up the days of each project; delays are weighted by events."""
    groups = grouped(("project",), quality)
    (number,), count = groups.numbers, groups.count
    events = summed(number, quality["events"], count)
    shares = {f"{name}_share": parts(summed(number, quality[name], count), events) for name in COUNTED}
    delayed = quality["mean_delay_seconds"].fillna(0).to_numpy() * quality["events"].to_numpy()
    delay = np.round(parts(np.bincount(number, weights=delayed, minlength=count), events), 3)
    days = np.bincount(number, minlength=count).astype(np.int64)
    return groups.names.assign(days=days, events=events, **shares, mean_delay_seconds=delay)


AGGREGATION = Aggregation(
    name="data_quality",
    title="Data quality",
    sentence="Which part of the events lacks a release, environment or user, or has an odd time; how late they load.",
    takes={"quality": QUALITY},
    gives=(
        PROJECT,
        Column("days", "Days", "count", "UTC days on which the project had events."),
        EVENTS,
        Column("without_release_share", "Without release", "share", "Events that name no release."),
        Column("without_environment_share", "Without environment", "share", "Events that name no environment."),
        Column("without_user_share", "Without user", "share", "Events that name no user."),
        Column("odd_time_share", "Odd time", "share", "Events whose time is not what the sender said, or is far off."),
        Column("mean_delay_seconds", "Delay", "number", "Mean from accepting to loading.", "s"),
    ),
    aggregate=data_quality,
)
