"""A week, or any other period, against the one before it."""

from reports.built_in.asked import Asked
from reports.built_in.compared import compared
from reports.built_in.gathered import gathered
from reports.period import Period
from reports.reading import Reader
from reports.report import Report


def make(reader: Reader, period: Period, asked: Asked) -> Report:
    """Make the report."""
    return compared("weekly", "Weekly report", gathered(reader, period, period.previous(), asked))
