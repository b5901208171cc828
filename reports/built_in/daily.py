"""A day against the mean of the fourteen before it."""

from reports.built_in.asked import Asked
from reports.built_in.certain import DAYS_BEFORE, baseline
from reports.built_in.compared import compared
from reports.built_in.gathered import gathered
from reports.period import Period
from reports.reading import Reader
from reports.report import Report


def make(reader: Reader, period: Period, asked: Asked) -> Report:
    """Make the report; of a period that is no day, what is before is as many times its length."""
    return compared("daily", "Daily report", gathered(reader, period, baseline(period), asked, DAYS_BEFORE))
