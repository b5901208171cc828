"""
The reports there are: one file each, and the one list of them.

Each is made of nothing but its period, its parameters and the events, so that it is the same whenever it is made.
What makes them brings pandas, and is imported when a report is made.
"""

from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from reports.errors import ReportsError
from reports.period import Period, calendar, parsed
from reports.report import Report

if TYPE_CHECKING:
    from reports.questions import Question
    from reports.reading import Reader


class BuiltIn(NamedTuple):
    """A report as it is listed; `span` is its period when none is told: the last day or week, or what rolls."""

    name: str
    title: str
    sentence: str
    span: str

    def default_period(self, now: datetime, zone: str = "UTC") -> Period:
        """Give the period it is of when none is told."""
        if self.span in {"day", "week"}:
            return calendar(now.astimezone(ZoneInfo(zone)).date(), self.span, zone).previous()
        return parsed(now, last=self.span, zone_name=zone)


REPORTS: tuple[BuiltIn, ...] = (
    BuiltIn("frequency", "Frequency", "How often, by project, level, culprit or anything else events have.", "7d"),
    BuiltIn("daily", "Daily report", "A day against the mean of the 14 days before it.", "day"),
    BuiltIn("weekly", "Weekly report", "A week against the week before it.", "week"),
    BuiltIn("release", "Release report", "A release against its predecessor, both at the same age.", "7d"),
    BuiltIn("health", "Health report", "How complete and how fresh the data is, by project and day.", "7d"),
)


def built_in(name: str) -> BuiltIn:
    """Give a report by its name. Raises ReportsError, one sentence."""
    for each in REPORTS:
        if each.name == name:
            return each
    raise ReportsError(f"There is no report {name}; there are {', '.join(each.name for each in REPORTS)}.")


def make(name: str, reader: "Reader", period: Period, parameters: Mapping[str, Any] | None = None) -> Report:
    """Make a report from one snapshot. Raises ReportsError."""
    from reports.built_in.asked import asked  # noqa: PLC0415 - see above

    found = built_in(name)
    told = asked(parameters or {}, name)
    made: Report = import_module(f"reports.built_in.{found.name}").make(reader, period, told)
    return made


def ahead(name: str, period: Period, parameters: Mapping[str, Any] | None = None) -> "list[Question]":
    """Give what a report is certain to ask, for `reports.reading.reading`. Raises ReportsError."""
    from reports.built_in.asked import asked  # noqa: PLC0415 - see above
    from reports.built_in.certain import certain  # noqa: PLC0415 - see above

    found = built_in(name).name
    return certain(found, period, asked(parameters or {}, found))
