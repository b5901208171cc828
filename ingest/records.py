"""
The shapes a datum has on its way in, and nothing else has these names.

Payload         the bytes as sent, with what is known of how they came; what the spool holds.
RawEvent        one event out of a payload, a dict in the SDK's shape; what a form gives.
EventRecord     one event as we understand it; what `normalize` gives and `load` makes a row of.
RawIssueChange  a webhook about an issue; what a form gives that brings no event.
IssueChange     one change of an issue as we understand it; what `load` makes a row of.

All are values: frozen, without behaviour beyond their own encoding.
"""

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any
from uuid import UUID

import msgspec

from ingest.errors import Reason


class Door(StrEnum):
    """Which URL, or which command, a payload came in by."""

    HOOK = "hook"  # POST /hooks/sentry: Integration Platform and service hooks, signed
    LEGACY = "legacy"  # POST /hooks/sentry/{hook_key}: the WebHooks plugin, unsigned
    ENVELOPE = "envelope"  # POST /api/{project_id}/envelope/
    STORE = "store"  # POST /api/{project_id}/store/
    FILE = "file"  # errhouse load


class Source(IntEnum):
    """What `analytics.events.source` says; the number is what the fact stores, so never renumber."""

    webhook_platform = 1
    webhook_legacy = 2
    service_hook = 3
    sdk = 4
    rest = 5
    file = 6


class TimeQuality(IntEnum):
    """How far `occurred_at` can be trusted; the number is what the fact stores."""

    exact = 0  # what the sender said
    missing = 1  # nothing usable was said: `received_at` stands in
    too_old = 2  # further back than the window allows: `received_at` stands in
    future = 3  # after `received_at` by more than a minute: `received_at` stands in
    drifted = 4  # what the sender said, though its clock is 55 minutes or more off by its own `sent_at`


class Payload(msgspec.Struct, frozen=True, array_like=True):
    """
    One accepted request body, decoded (no content encoding), as the spool holds it.

    `received_at_us` is microseconds since the epoch, UTC. `headers` holds only the names in `KEPT_HEADERS`, lower case.
    `project_id` is known for DSN doors (the URL says it) and for hooks that were added for a project.
    `refused` is set when the sender was answered 4xx although it had shown its right: such bytes are kept too.
    """

    received_at_us: int
    door: Door
    body: bytes
    project_id: int | None = None
    headers: dict[str, str] = {}
    peer: str | None = None
    refused: Reason | None = None


KEPT_HEADERS = frozenset(
    {
        "content-type",
        "content-encoding",
        "user-agent",
        "sentry-hook-resource",
        "sentry-hook-timestamp",
        "request-id",
        "x-servicehook-guid",
        "x-servicehook-timestamp",
    }
)


class RawEvent(msgspec.Struct, frozen=True):
    """
    One event out of a payload, in the SDK's (store) shape, before any rule was applied.

    `body` is the event's own JSON, UTF-8: what is kept in the payload table.
    `is_processed`: Sentry itself has normalized this event, so its title, culprit, level and times are kept as told.
    `is_backfill`: history from a file or the REST API; times far back are as good as times of today.
    `event_id` and `sent_at` come from an envelope header and outrank what the event says of itself.
    """

    data: dict[str, Any]
    body: bytes
    source: Source
    project_id: int | None = None
    event_id: str | None = None
    sent_at: str | float | None = None
    is_processed: bool = False
    is_backfill: bool = False
    issue_id: int | None = None
    issue_url: str | None = None
    project_slug: str | None = None
    project_name: str | None = None
    peer: str | None = None


class Frame(msgspec.Struct, frozen=True):
    """One stack frame, as much of it as `dim_stack` keeps; outermost first, as Sentry orders them."""

    function: str | None = None
    module: str | None = None
    filename: str | None = None
    lineno: int | None = None
    in_app: bool | None = None


class EventRecord(msgspec.Struct, frozen=True):
    """
    One event, normalized and scrubbed: the columns of `analytics.events` before names became keys.

    Text holds no NUL and no lone surrogate, and is cut to Sentry's limits. Instants are aware, UTC, microseconds.
    `group` is the immutable grouping hash: Sentry's own where it was told, else ours. `project_id` is None only for
    forms that name a project by slug alone; `load` finds or founds the id.
    `title` and `culprit` are never None: "" and "<unlabeled event>" are Sentry's own words for nothing.
    """

    event_id: UUID
    project_id: int | None
    occurred_at: datetime
    received_at: datetime
    time_quality: TimeQuality
    source: Source
    type: str
    level: str
    platform: str
    title: str
    culprit: str
    group: str
    payload: bytes
    project_slug: str | None = None
    project_name: str | None = None
    location: str | None = None
    exception_type: str | None = None
    exception_value: str | None = None
    mechanism: str | None = None
    message: str | None = None
    logger: str | None = None
    transaction: str | None = None
    release: str | None = None
    dist: str | None = None
    environment: str | None = None
    handled: bool | None = None
    user_id: str | None = None
    user_email: str | None = None
    user_username: str | None = None
    user_ip: str | None = None
    user_geo_country: str | None = None
    server_name: str | None = None
    sdk_name: str | None = None
    sdk_version: str | None = None
    os_name: str | None = None
    os_version: str | None = None
    browser_name: str | None = None
    browser_version: str | None = None
    runtime_name: str | None = None
    runtime_version: str | None = None
    device_family: str | None = None
    url: str | None = None
    method: str | None = None
    http_status: int | None = None
    trace_id: UUID | None = None
    issue_id: int | None = None
    issue_url: str | None = None
    fingerprint: tuple[str, ...] | None = None
    tags: dict[str, str] = {}
    frames: tuple[Frame, ...] = ()
    top_frame: str | None = None
    sample_rate: float | None = None
    repairs: tuple[str, ...] = ()


class RawIssueChange(msgspec.Struct, frozen=True):
    """
    A webhook about an issue, before any rule was applied.

    `webhook` is the whole body; in its `data.issue`, an object, Sentry told the issue as it was after the change.
    `told_at` is when Sentry says it sent this; `is_backfill`: from a file, and so perhaps long after.
    """

    webhook: dict[str, Any]
    action: str
    issue_id: int
    project_id: int | None = None
    told_at: str | None = None
    is_backfill: bool = False


class IssueChange(msgspec.Struct, frozen=True):
    """
    One change of an issue, scrubbed: when it happened, and the issue as it was after it.

    Texts and instants are as in an EventRecord. No person is named: `assignee` is `user:ID` or `team:ID`, and `body`,
    the webhook's JSON, has lost names and mail addresses. None: not told, or, of `substatus`, `assignee` and
    `resolved_at`, that there is none.
    """

    project_id: int | None
    issue_id: int
    changed_at: datetime
    received_at: datetime
    action: str
    body: bytes
    project_slug: str | None = None
    project_name: str | None = None
    status: str | None = None
    substatus: str | None = None
    priority: str | None = None
    assignee: str | None = None
    short_id: str | None = None
    title: str | None = None
    culprit: str | None = None
    level: str | None = None
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    resolved_at: datetime | None = None
    is_unhandled: bool | None = None
    url: str | None = None
