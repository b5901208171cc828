"""
Payload -> EventRecords, IssueChanges and what has to be set aside.

Form, clean, scrub, normalize, in that order (pure).
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from ingest import forms, jsontext
from ingest.errors import MalformedPayload, Reason
from ingest.normalize import fields, normalize
from ingest.normalize.issue import normalize_issue
from ingest.records import EventRecord, IssueChange, Payload, RawEvent, RawIssueChange
from ingest.scrub import scrub
from ingest.scrub.persons import members_without_persons

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Aside(msgspec.Struct, frozen=True):
    """A payload that did not become rows, whole or for one of its events: why, and the payload itself."""

    payload: Payload
    reason: Reason
    detail: str
    is_refused_event: bool = False


class Interpreted(msgspec.Struct, frozen=True):
    """What one payload holds."""

    records: list[EventRecord]
    asides: list[Aside]
    changes: list[IssueChange] = []


def interpret(payload: Payload, is_scrubbed: Callable[[int | None], bool]) -> Interpreted:
    """
    Read one payload.

    Takes: `is_scrubbed` tells of a project whether Sentry's default scrubbing rules apply to it.
    Gives: its events, or its change of an issue, each once, and why any of it is to be set aside. Never raises: a
           fault of our own sets the payload aside as `internal`, so that its bytes wait for a better errhouse. What is
           wrong with one event of several does not cost the others.
    """
    records: list[EventRecord] = []
    asides: list[Aside] = []
    changes: list[IssueChange] = []
    events = 0
    try:
        received_at = EPOCH + timedelta(microseconds=payload.received_at_us)
        form, data = forms.form_of(payload)
        for raw in form.parse(payload, data):
            if isinstance(raw, RawIssueChange):
                changes.append(change(raw, received_at, is_scrubbed(raw.project_id)))
                continue
            events += 1
            try:
                records.append(record(raw, received_at, is_scrubbed(raw.project_id)))
            except MalformedPayload as bad:
                asides.append(Aside(payload, bad.reason, bad.detail, is_refused_event=True))
            except Exception as fault:  # noqa: BLE001 - one event must not stop the others
                why = f"errhouse failed to normalize an event of it ({type(fault).__name__})."
                asides.append(Aside(payload, Reason.INTERNAL, why, is_refused_event=True))
    except MalformedPayload as bad:
        asides.append(Aside(payload, payload.refused or bad.reason, bad.detail, is_refused_event=events > 0))
    except Exception as fault:  # noqa: BLE001 - one payload must not stop the others
        why = f"errhouse failed to read it ({type(fault).__name__})."
        asides.append(Aside(payload, Reason.INTERNAL, why, is_refused_event=events > 0))
    return Interpreted(records, asides, changes)


def record(raw: RawEvent, received_at: datetime, is_scrubbed: bool) -> EventRecord:
    """
    Make one record of a raw event: clean what PostgreSQL cannot hold, scrub, normalize.

    Raises: MalformedPayload.
    """
    if raw.event_id is None and not fields.is_uuid(raw.data.get("event_id")):
        # before scrubbing changes the body: the sender of an event without an id was told this one
        raw = msgspec.structs.replace(raw, event_id=fields.event_id_of_body(raw).hex)
    data, body, changed = raw.data, raw.body, False
    if jsontext.needs_cleaning(body):
        data, changed = jsontext.clean(data), True
    if is_scrubbed:
        data, was_scrubbed = scrub(data, body)
        changed = changed or was_scrubbed
    if changed:
        raw = msgspec.structs.replace(raw, data=data, body=jsontext.encode(data))
    return normalize(raw, received_at)


def change(raw: RawIssueChange, received_at: datetime, is_scrubbed: bool) -> IssueChange:
    """
    Make one change of what a webhook tells of an issue: clean, take persons out, scrub, normalize.

    Raises: MalformedPayload.
    """
    cleaned = jsontext.clean(raw.webhook)
    issue = members_without_persons(cleaned["data"]["issue"])
    data = members_without_persons({**cleaned["data"], "issue": None})
    around = members_without_persons({**cleaned, "data": None})
    if is_scrubbed:
        issue, data, around = (
            _scrubbed(issue),
            _scrubbed({"extra": data})["extra"],
            _scrubbed({"extra": around})["extra"],
        )
    webhook = {**around, "data": {**data, "issue": issue}}
    return normalize_issue(msgspec.structs.replace(raw, webhook=webhook), received_at)


def _scrubbed(data: dict[str, Any]) -> dict[str, Any]:
    return scrub(data, jsontext.encode(data))[0]
