"""In which hours of which weekdays events occur."""

from datetime import datetime

import numpy as np
import pandas as pd

from reports.aggregation import HOURS, Aggregation
from reports.columns import EVENTS
from reports.grouping import Ints, summed
from reports.hourly import at, end_number, hour_number, numbered
from reports.report import Column
from reports.statistics import HOURS_OF_WEEK, parts


def heatmap(hours: pd.DataFrame, start: datetime, end: datetime, zone: str = "UTC") -> pd.DataFrame:
    """
    Give the mean of each hour of the week, in a time zone, Monday 0:00 first.

    A mean is over the hours there really were: with a clock change an hour of the week comes once less, or twice.
    """
    numbers = numbered(hours["hour"])
    first = min(hour_number(start), int(numbers.min(initial=hour_number(start))))
    there_were = np.arange(first, max(end_number(end), int(numbers.max(initial=first)) + 1))
    place = _place(at(there_were), zone)
    is_asked = (there_were >= hour_number(start)) & (there_were < end_number(end))
    count = summed(place, is_asked, HOURS_OF_WEEK)
    events = summed(place, summed(numbers - first, hours["events"], len(there_were)), HOURS_OF_WEEK)
    mean = parts(events, count)
    made = pd.DataFrame(
        {
            "weekday": np.repeat(np.arange(1, 8), 24),
            "hour": np.tile(np.arange(24), 7),
            "events": events,
            "hours": count,
            "mean_events": mean,
            "ratio": parts(mean, events.sum() / max(int(count.sum()), 1)),
        }
    )
    return made if len(hours) else made.iloc[:0]


def _place(instants: pd.Series, zone: str) -> Ints:
    local = instants.dt.tz_convert(zone).dt
    return np.asarray(local.day_of_week * 24 + local.hour, dtype=np.int64)


AGGREGATION = Aggregation(
    name="heatmap",
    title="Hours of the week",
    sentence="In which hours of which weekdays events occur.",
    takes={"hours": HOURS},
    gives=(
        Column("weekday", "Weekday", "count", "1 Monday to 7 Sunday, in the report's time zone."),
        Column("hour", "Hour", "count", "0 to 23, in the report's time zone."),
        EVENTS,
        Column("hours", "Hours", "count", "How many such hours the period really has."),
        Column("mean_events", "Mean", "number", "Events divided by hours; missing where there was no such hour."),
        Column("ratio", "Ratio", "number", "Mean divided by the mean of all hours: 2 is twice as many as usual."),
    ),
    aggregate=heatmap,
)
