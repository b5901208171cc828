"""Tells events at or above a level, such as everything fatal."""

from collections.abc import Mapping
from typing import Any

from reports.alerts.rule import LEVEL_WORDS, LEVELS, Finding, Given, Needs, Parameter, Sighting
from reports.errors import BadRule

NAME: str = "level"
SENTENCE: str = "An event at or above a level."
PARAMETERS: tuple[Parameter, ...] = (Parameter("level", "The least level.", "level"),)
NEEDS: Needs = "sightings"
MATCHES: tuple[str, ...] = ("project", "culprit", "title", "release", "environment", "tag")
EVERY_SECONDS: int = 0


def check(parameters: Mapping[str, Any]) -> None:
    """Ask for the level."""
    if not parameters.get("level"):
        raise BadRule("A level rule needs --level, such as --level fatal.")


def found(parameters: Mapping[str, Any], given: Given) -> list[Finding]:
    """Give each issue once, with its worst events."""
    least = LEVELS[parameters["level"]]
    worst: dict[str, Sighting] = {}
    for each in given.sightings:
        if each.events and each.level >= least and (each.issue not in worst or each.level >= worst[each.issue].level):
            worst[each.issue] = each
    return [
        Finding(
            subject=issue,
            transition="level",
            title=f"{LEVEL_WORDS[each.level].capitalize()} in {each.project}: {each.title}",
            says="again",
            level=LEVEL_WORDS[each.level],
            sighting=each,
            project_id=each.project_id,
            project=each.project,
        )
        for issue, each in worst.items()
    ]
