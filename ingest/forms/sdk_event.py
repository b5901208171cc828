"""
Bare events in the SDK's shape, one or a list: what a file holds that is none of the other forms.

Sent by:       nobody; written by `before_send` hooks, by other Sentry servers and by hand.
Recognised by: being JSON objects in a file, with at least one key that events have.
Documented at: develop.sentry.dev/sdk/data-model/event-payloads/, 2026-11.
"""

from collections.abc import Iterator

from ingest import jsontext
from ingest.error_types import is_error
from ingest.errors import MalformedPayload, Reason
from ingest.identity import number
from ingest.records import Door, Payload, RawEvent, Source

NAME: str = "sdk_event"

_KEYS = frozenset(
    {
        "event_id",
        "exception",
        "extra",
        "level",
        "logentry",
        "message",
        "platform",
        "sentry.interfaces.Exception",
        "sentry.interfaces.Message",
        "stacktrace",
        "threads",
        "timestamp",
    }
)

_KEYS_OF_ISSUES = frozenset({"shortId", "firstSeen"})


def matches(payload: Payload, data: object) -> bool:
    """Whether a file holds events and nothing around them."""
    return payload.door is Door.FILE and _is_event(data[0] if isinstance(data, list) and data else data)


def parse(payload: Payload, data: object) -> Iterator[RawEvent]:
    """
    Give every error event.

    Raises: MalformedPayload: NOT_AN_OBJECT, UNKNOWN_SHAPE, NO_EVENT.
    """
    found = False
    for event in data if isinstance(data, list) else [data]:
        if not isinstance(event, dict):
            raise MalformedPayload(Reason.NOT_AN_OBJECT, "an event is not a JSON object")
        if not _is_event(event):
            raise MalformedPayload(Reason.UNKNOWN_SHAPE, "an object has no key that events have")
        if is_error(event):
            found = True
            yield RawEvent(
                data=event,
                body=jsontext.encode(event),
                source=Source.file,
                project_id=payload.project_id or number(event.get("project")),
                is_backfill=True,
                peer=payload.peer,
            )
    if not found:
        raise MalformedPayload(Reason.NO_EVENT, "none of the events is an error")


def _is_event(value: object) -> bool:
    return isinstance(value, dict) and not _KEYS.isdisjoint(value) and _KEYS_OF_ISSUES.isdisjoint(value)
