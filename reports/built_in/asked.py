"""What a report can be asked beside its period, from the command line or as words of a schedule (pure)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from models.views.view import LEVELS
from reports.errors import ReportsError
from reports.filters import Filters, groupings

TOP = 20
FREQUENT = 1000  # rows of the plain table when none are told
MOST_TOP = 10_000
FILTERS = Filters._fields
KNOWN = (*FILTERS, "by", "top", "budget")
BY = "project,level,culprit"
PARAMETERS = {
    "project": "Only these projects, by name or id.",
    "environment": "Only these environments.",
    "level": "Only these levels: fatal, error, warning, info, debug.",
    "culprit": "Only this culprit; as one may hold commas, a schedule takes one only.",
    "release": "Only these releases; the release report is of this one, without it of the newest.",
    "issue": "Only these issues, by id.",
    "by": f"For frequency: what to group by, of project, level, culprit, environment, release, issue; else {BY}.",
    "top": f"How many rows, 1 to {MOST_TOP:,}; else {TOP}, and {FREQUENT:,} of frequency.",
    "budget": "Events a project may have in 30 days; with it the daily and the weekly report have an error budget.",
}
"""What each of KNOWN means."""


class Asked(NamedTuple):
    """What was asked: which events, grouped by what, how many rows, and the events a project may have in 30 days."""

    filters: Filters = Filters()
    by: tuple[str, ...] = ("project", "level", "culprit")
    top: int = TOP
    frequent: int = FREQUENT
    budget: float | None = None

    def told(self, *more: str) -> dict[str, Any]:
        """Give it as a report tells its parameters: the filters, and of the others those it uses."""
        others = {"by": list(self.by), "top": self.top, "budget": self.budget}
        return {**self.filters.told(), **{name: others[name] for name in more}}


def asked(parameters: Mapping[str, Any], report: str = "frequency") -> Asked:
    """
    Read parameters of a report; lists may be words with commas between, of which only a culprit can hold some itself.

    Raises: ReportsError, one sentence.
    """
    if strange := [name for name in parameters if name not in KNOWN]:
        raise ReportsError(f"A report has no parameter {', '.join(strange)}; it has {', '.join(KNOWN)}.")
    by = parameters.get("by")
    if by is not None and report != "frequency":
        raise ReportsError(f"by is for the report frequency; {report} has its own groupings, so leave it out.")
    lists = {name: _list(parameters.get(name), is_whole=name == "culprit") for name in FILTERS}
    if strange := [level for level in lists["level"] if level not in LEVELS]:
        raise ReportsError(f"There is no level {', '.join(strange)}; there are {', '.join(LEVELS)}.")
    if report == "release" and len(lists["release"]) > 1:
        raise ReportsError("The release report is of one release; give one, or none for the newest.")
    by = BY if by is None else by
    return Asked(
        Filters(**lists),
        groupings(by if isinstance(by, str) else ",".join(by)),
        int(_number("top", parameters.get("top"), TOP, MOST_TOP)),
        int(_number("top", parameters.get("top"), FREQUENT, MOST_TOP)),
        _number("budget", parameters["budget"], 0, 1e15) if parameters.get("budget") is not None else None,
    )


def _list(value: Any, *, is_whole: bool) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        words = [value] if is_whole else [word.strip() for word in value.split(",")]
        return tuple(word for word in words if word)
    return tuple(str(each) for each in value)


def _number(name: str, value: Any, default: float, most: float) -> float:
    try:
        found = float(default if value is None else value)
    except (TypeError, ValueError):
        found = -1.0
    if not (1 <= found <= most):
        raise ReportsError(f"{name} is a number from 1 to {most:,.0f}, not {value!r}.")
    return found
