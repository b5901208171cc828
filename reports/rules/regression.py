"""
Tells issues that came back: after a long silence, after they were resolved, or as Sentry says so itself.

Sentry resolves by release, too; errhouse takes an event after the time of resolving for a regression, whatever its
release. Of one resolving, one regression is told.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from reports.alerts.rule import LEVEL_WORDS, Finding, Given, Needs, Parameter, Sighting
from reports.errors import BadRule

NAME: str = "regression"
SENTENCE: str = "An issue that came back after it was resolved, or silent for long."
PARAMETERS: tuple[Parameter, ...] = (
    Parameter("silent", "How long it was not seen before it counts as coming back.", "length", 14 * 86_400),
)
NEEDS: Needs = "sightings"
MATCHES: tuple[str, ...] = ("project", "level", "culprit", "title", "release", "environment", "tag")
EVERY_SECONDS: int = 0
SAME = timedelta(minutes=1)  # Sentry's own time of a regression and ours of its event are about the same


def check(parameters: Mapping[str, Any]) -> None:
    """Refuse what every pause would be."""
    if parameters["silent"] < 86_400:
        raise BadRule("--silent is at least 1d; below that every night would be a silence.")


def found(parameters: Mapping[str, Any], given: Given) -> list[Finding]:
    """Give each issue once, with its latest events."""
    silent = timedelta(seconds=parameters["silent"])
    back: dict[str, Finding] = {}
    for each in given.sightings:
        why = _why(each, silent)
        if why is not None:
            back[each.issue] = Finding(
                subject=each.issue,
                transition="regressed",
                title=f"Regression in {each.project}: {each.title}",
                says="again",
                text=why[0],
                level=LEVEL_WORDS[each.level],
                sighting=each,
                project_id=each.project_id,
                project=each.project,
                since=why[1],
            )
    return list(back.values())


def _why(each: Sighting, silent: timedelta) -> tuple[str, datetime | None] | None:
    """Say why an issue counts as come back, and since when that is the same regression."""
    if each.told == "regressed":
        return "Sentry says that it came back.", each.seen_at and each.seen_at - SAME
    if each.last_at is None or each.first_at is None:
        return None
    if each.resolved_at is not None and each.last_at > each.resolved_at:
        return f"It was resolved on {each.resolved_at:%Y-%m-%d %H:%M} UTC.", each.resolved_at
    if not each.is_new and each.before_at is not None and each.first_at - each.before_at >= silent:
        days = (each.first_at - each.before_at).days
        return f"It had not been seen for {days} {'day' if days == 1 else 'days'}.", None
    return None
