"""
Tells issues that were never seen before.

An issue is new when none of its groups had an event before, and Sentry did not see it more than a day before; or when
Sentry says that it was created, and no event of it came here.
"""

from collections.abc import Mapping
from typing import Any

from reports.alerts.rule import LEVEL_WORDS, Finding, Given, Needs, Parameter

NAME: str = "new_issue"
SENTENCE: str = "An issue that was never seen before."
PARAMETERS: tuple[Parameter, ...] = ()
NEEDS: Needs = "sightings"
MATCHES: tuple[str, ...] = ("project", "level", "culprit", "title", "release", "environment", "tag")
EVERY_SECONDS: int = 0


def check(_: Mapping[str, Any]) -> None:
    """Have nothing to refuse."""


def found(_: Mapping[str, Any], given: Given) -> list[Finding]:
    """Give each issue once, with its latest events."""
    new = {each.issue: each for each in given.sightings if each.is_new or each.told == "new"}
    return [
        Finding(
            subject=issue,
            transition="new",
            title=f"New issue in {each.project}: {each.title}",
            says="once",
            level=LEVEL_WORDS[each.level],
            sighting=each,
            project_id=each.project_id,
            project=each.project,
        )
        for issue, each in new.items()
    ]
