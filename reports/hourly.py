"""Hours and what they lie in: numbered hours, series without a gap, and buckets of a time zone (pure)."""

from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.grouping import INSTANT, Ints, microseconds
from reports.period import midnight
from reports.statistics import HOURS_OF_WEEK, Floats, dispersion

HOUR_US = 3_600_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Size = Literal["hour", "day", "week"]


def numbered(instants: pd.Series) -> Ints:
    """Give the numbers of the UTC hours that instants lie in: how many there were since 1970."""
    return microseconds(instants) // HOUR_US


def hour_number(moment: datetime) -> int:
    """Give the number of the UTC hour that an instant lies in."""
    return int((moment - EPOCH) // timedelta(hours=1))


def end_number(moment: datetime) -> int:
    """Give the number of the first UTC hour that does not begin before an instant."""
    return -int((EPOCH - moment) // timedelta(hours=1))


def at(numbers: NDArray[np.int64]) -> pd.Series:
    """Give the instants at which numbered hours begin."""
    return pd.Series((numbers * HOUR_US).astype("datetime64[us]"), dtype=INSTANT)


def series(groups: Ints, hours: Ints, events: Ints, count: int, first: int, end: int) -> Floats:
    """Give one row per group and one column per hour from `first` up to and without `end`, 0 where nothing was."""
    inside = (hours >= first) & (hours < end)
    width = end - first
    cells = groups[inside] * width + hours[inside] - first
    filled = np.bincount(cells, weights=events[inside], minlength=count * width)
    return filled.reshape(count, width).astype(np.float64)


def dispersion_of(hours: pd.DataFrame, end: datetime) -> float:
    """
    Give Φ of the sum of all series: how much more than chance the same hour differs from week to week.

    Takes: HOURS of two weeks or more before `end`; of less it is 1, which is chance alone.
    """
    last = hour_number(end)
    numbers = numbered(hours["hour"])
    weeks = (last - int(numbers.min())) // HOURS_OF_WEEK if len(numbers) else 0
    total = series(
        np.zeros(len(numbers), dtype=np.int64),
        numbers,
        hours["events"].to_numpy(),
        1,
        last - weeks * HOURS_OF_WEEK,
        last,
    )
    return dispersion(total.reshape(weeks, HOURS_OF_WEEK))


def edges(start: datetime, end: datetime, zone: str, size: Size) -> list[datetime]:
    """Give where buckets begin that hold a period, and where the last ends; a day has 23 to 25 hours, as it has."""
    if size == "hour":
        first, last = hour_number(start), end_number(end)
        return [EPOCH + timedelta(hours=number) for number in range(first, last + 1)]
    days = 7 if size == "week" else 1
    day = start.astimezone(ZoneInfo(zone)).date()
    day -= timedelta(days=day.weekday() if size == "week" else 0)
    found = [midnight(day, zone)]
    while found[-1] < end:
        day += timedelta(days=days)
        found.append(midnight(day, zone))
    return found


def bucketed(hours: pd.Series, begins: list[datetime]) -> Ints:
    """Give for each hour which bucket it begins in; what lies outside belongs to the first or the last."""
    starts = np.array([hour_fraction(moment) for moment in begins[:-1]])
    places = np.searchsorted(starts, numbered(hours), side="right") - 1
    return np.asarray(np.clip(places, 0, max(len(starts) - 1, 0)), dtype=np.int64)


def hour_fraction(moment: datetime) -> float:
    """Give an instant in hours since 1970, with its minutes."""
    return (moment - EPOCH) / timedelta(hours=1)
