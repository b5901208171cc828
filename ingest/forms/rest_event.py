"""
Events of Sentry's REST API, one or a list.

Sent by:       nobody; they are exported: `/api/0/projects/{org}/{project}/events/` (also `?full=true`), an issue's
               events, one event, and the view `/events/{event_id}/json/`, which shows an event as Sentry stores it.
Recognised by: `eventID` and `dateCreated`; the view by `event_id` and what only Sentry adds, such as `hashes`.
Documented at: docs.sentry.io/api/events/list-a-projects-error-events/, 2026-11.
"""

from collections.abc import Iterator

from ingest import jsontext
from ingest.error_types import is_error
from ingest.errors import MalformedPayload, Reason
from ingest.identity import number, word
from ingest.platform_event import project_slug
from ingest.records import Door, Payload, RawEvent, Source
from ingest.rest_shape import is_rest_event, sdk_shape

NAME: str = "rest_event"

_ADDED_BY_SENTRY = ("hashes", "grouping_config", "key_id", "datetime", "nodestore_insert")


def matches(payload: Payload, data: object) -> bool:
    """Whether this was exported from Sentry."""
    if payload.door is not Door.FILE:
        return False
    first = data[0] if isinstance(data, list) and data else data
    return is_rest_event(first) or _is_stored_event(first)


def parse(payload: Payload, data: object) -> Iterator[RawEvent]:
    """
    Give every error event.

    Raises: MalformedPayload: NOT_AN_OBJECT, UNKNOWN_SHAPE for one of another kind in a list; NO_EVENT.
    """
    found = False
    for told in data if isinstance(data, list) else [data]:
        event = _raw_event(payload, told)
        if is_error(event.data):
            found = True
            yield event
    if not found:
        raise MalformedPayload(Reason.NO_EVENT, "none of the events is an error")


def _raw_event(payload: Payload, told: object) -> RawEvent:
    if not isinstance(told, dict):
        raise MalformedPayload(Reason.NOT_AN_OBJECT, "an event is not a JSON object")
    if not (is_rest_event(told) or _is_stored_event(told)):
        raise MalformedPayload(Reason.UNKNOWN_SHAPE, "an event in the list is not one of the REST API")
    event = sdk_shape(told) if is_rest_event(told) else told
    return RawEvent(
        data=event,
        body=jsontext.encode(event),
        source=Source.rest,
        project_id=payload.project_id or number(event.get("project")),
        is_processed=True,
        is_backfill=True,
        issue_id=number(told.get("groupID")) or number(told.get("issue_id")),
        project_slug=word(told.get("projectSlug")) or project_slug(told),
        peer=payload.peer,
    )


def _is_stored_event(told: object) -> bool:
    return isinstance(told, dict) and "event_id" in told and sum(key in told for key in _ADDED_BY_SENTRY) >= 2
