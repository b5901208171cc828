"""What an alert rule is, what it is evaluated on, and what it finds; every kind of rule speaks of these (pure)."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from reports.delivery.message import Fact

LEVELS = {"fatal": 50, "error": 40, "warning": 30, "info": 20, "debug": 10}
LEVEL_WORDS = {number: word for word, number in LEVELS.items()}

Needs = Literal["sightings", "counts", "hours", "silences", "figures", "rows"]
"""What a kind is evaluated on: a field of `Given`. The first two come with events, the others are asked for."""
Reading = Literal["number", "length", "ratio", "word", "level", "query"]
"""How a parameter is written: 5, 10m, 3x, a word, a level, or SQL."""


class Parameter(msgspec.Struct, frozen=True):
    """One option of a kind; lengths of time are kept in seconds. Without a default it may be left out."""

    name: str
    sentence: str
    reading: Reading
    default: Any = None
    words: tuple[str, ...] = ()


class Rule(msgspec.Struct, frozen=True):
    """One row of alert_rule."""

    name: str
    kind: str
    matches: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    targets: list[str] = []
    group_by: str = "issue"
    cooldown_seconds: int = 3600
    quiet: str | None = None
    zone: str = "UTC"
    is_enabled: bool = True
    starts_at: datetime | None = None
    evaluated_at: datetime | None = None
    error: str | None = None


class Sighting(msgspec.Struct, frozen=True):
    """
    Events of one issue, culprit, level, environment and release that were loaded together; or, with `told` and no
    events, a change of the issue that Sentry told.

    `before_at`: the last event of the issue before these; `is_new`: there was none, of any of its groups.
    `resolved_at`: when it was resolved, while it is. `told`: new or regressed.
    """

    project_id: int
    project: str
    issue_id: int
    slug: str | None = None
    name: str | None = None
    group_key: int | None = None
    title: str = ""
    culprit: str = ""
    level: int = LEVELS["error"]
    environment: str | None = None
    release: str | None = None
    events: int = 0
    unhandled: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    seen_at: datetime | None = None
    """When they were folded, or the change was accepted."""
    is_new: bool = False
    before_at: datetime | None = None
    resolved_at: datetime | None = None
    told: str | None = None

    @property
    def issue(self) -> str:
        """Name the issue among all."""
        return f"issue:{self.project_id}:{self.issue_id}"


class Counted(msgspec.Struct, frozen=True):
    """
    Events that matched a rule and are about one subject, by when they were loaded.

    `now`: in the window that ends now; `before`: in the window before that, None while that is not known; `days`: in
    the same window of each day before that is known. `sighting`: the last of the events.
    """

    subject: str
    now: int
    before: int | None = None
    days: tuple[int, ...] = ()
    sighting: Sighting | None = None


class Hours(msgspec.Struct, frozen=True):
    """Events of one project, hour by hour without a gap; the last hour is the one that is not over."""

    project_id: int
    project: str
    counts: tuple[int, ...]


class Silence(msgspec.Struct, frozen=True):
    """How long one project has sent nothing, and what it sent in the same span of the times before, nearest first."""

    project_id: int
    project: str
    last_at: datetime
    seconds: float
    before: tuple[float, ...]


class Given(msgspec.Struct, frozen=True):
    """What a rule is evaluated on: of one field, the one that its kind needs."""

    now: datetime
    sightings: tuple[Sighting, ...] = ()
    counts: tuple[Counted, ...] = ()
    hours: tuple[Hours, ...] = ()
    silences: tuple[Silence, ...] = ()
    figures: dict[str, float] = {}
    """How this service fares, by name: loader_lag_seconds, rollup_lag_seconds, …; what is not known is not there."""
    rows: tuple[dict[str, Any], ...] = ()


class Finding(msgspec.Struct, frozen=True):
    """
    What a rule found: a subject, and what became of it.

    `says`: once (never told again), again (after the cooldown), or lasting (a condition: told when it begins to hold).
    `since`: what was told at this instant or later is the same finding.
    """

    subject: str
    transition: str
    title: str
    says: Literal["once", "again", "lasting"]
    text: str = ""
    level: str | None = None
    facts: tuple[Fact, ...] = ()
    sighting: Sighting | None = None
    project_id: int | None = None
    project: str | None = None
    since: datetime | None = None

    @property
    def state(self) -> str:
        """Name what is remembered of it."""
        return f"{self.subject}:{self.transition}"
