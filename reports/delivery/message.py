"""What is sent: plain facts without any channel's markup. Every text in it is data: a channel escapes it."""

from datetime import datetime
from typing import Any

import msgspec


class Artifact(msgspec.Struct, frozen=True):
    """A report in one format."""

    format: str
    extension: str
    media_type: str
    body: bytes


class Fact(msgspec.Struct, frozen=True):
    """One named value, such as `culprit`."""

    name: str
    value: str


class AboutIssue(msgspec.Struct, frozen=True):
    """The issue a message is about, as analytics.issues tells it, and what became of it: new, regressed or seen."""

    project_id: int
    project: str
    issue_id: int
    transition: str
    title: str = ""
    culprit: str = ""
    level: str | None = None
    environment: str | None = None
    release: str | None = None
    events: int = 0
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    url: str | None = None


class AboutEvent(msgspec.Struct, frozen=True):
    """Where the event is that a message is about; what it holds is read when the message is sent, never kept."""

    project_id: int
    event_id: str
    occurred_at: datetime


class AboutReport(msgspec.Struct, frozen=True):
    """The report run a message carries: names of schedule and report, and the period."""

    schedule: str
    report: str
    period: str


class Message(msgspec.Struct, frozen=True):
    """
    A message on its way to a target; the same `key` is the same message, should it come twice.

    `kind`: alert, digest, report or test. `event`: the row of analytics.events, as JSON holds it, where there is one.
    """

    key: str
    kind: str
    title: str
    text: str = ""
    level: str | None = None
    facts: tuple[Fact, ...] = ()
    link: str | None = None
    """Where a person goes on; http or https, or none."""
    made_at: datetime | None = None
    rule: str | None = None
    issue: AboutIssue | None = None
    about_event: AboutEvent | None = None
    report: AboutReport | None = None
    event: dict[str, Any] | None = None
    artifacts: tuple[Artifact, ...] = ()
    """Files of a report; they are read when the message is sent."""


def kept(message: Message) -> dict[str, Any]:
    """Give a message as the outbox keeps it: without the event and without files."""
    bare = msgspec.structs.replace(message, event=None, artifacts=())
    made: dict[str, Any] = msgspec.to_builtins(bare)
    return made


def found(kept_message: dict[str, Any]) -> Message:
    """Give a message that was kept."""
    return msgspec.convert(kept_message, Message)
