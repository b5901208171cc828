"""A day against the mean of the fourteen before it."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from reports.built_in.asked import Asked
from reports.built_in.compared import compared
from reports.built_in.gathered import gathered
from reports.period import Period, midnight
from reports.reading import Reader
from reports.report import Report

BASELINE = 14


def make(reader: Reader, period: Period, asked: Asked) -> Report:
    """Make the report; of a period that is no day, what is before is as many times its length."""
    return compared("daily", "Daily report", gathered(reader, period, baseline(period), asked, BASELINE))


def baseline(period: Period) -> Period:
    """Give the fourteen days, or periods of the same length, before."""
    if period.kind != "day":
        return Period(period.start - BASELINE * (period.end - period.start), period.start, period.zone, "span")
    first = period.start.astimezone(ZoneInfo(period.zone)).date() - timedelta(days=BASELINE)
    return Period(midnight(first, period.zone), period.start, period.zone, "span")
