"""
Service hooks: `{project, group, event}`, for every event or for those an alert fired for.

Sent by:       projects with a service hook, which only the REST API can make.
Recognised by: the header `X-ServiceHook-GUID`; without it by the three keys and an event as the REST API writes it.
Documented at: docs.sentry.io/api/projects/register-a-new-service-hook/; getsentry/sentry
               src/sentry/sentry_apps/tasks/service_hooks.py, 2026.
"""

from collections.abc import Iterator
from typing import Any

from ingest import jsontext, platform_event
from ingest.error_types import require_error
from ingest.errors import MalformedPayload, Reason
from ingest.identity import number, word
from ingest.records import Door, Payload, RawEvent, Source
from ingest.rest_shape import is_rest_event, sdk_shape

NAME: str = "service_hook"


def matches(payload: Payload, data: object) -> bool:
    """Whether a service hook sent this."""
    if payload.door not in (Door.HOOK, Door.LEGACY, Door.FILE) or platform_event.RESOURCE_HEADER in payload.headers:
        return False
    return "x-servicehook-guid" in payload.headers or (
        isinstance(data, dict) and "group" in data and is_rest_event(data.get("event"))
    )


def parse(payload: Payload, data: object) -> Iterator[RawEvent]:
    """
    Give the one event.

    Raises: MalformedPayload: NOT_AN_OBJECT, UNKNOWN_SHAPE, NO_EVENT.
    """
    if not isinstance(data, dict):
        raise MalformedPayload(Reason.NOT_AN_OBJECT, "a service hook's body is a JSON object")
    told = data.get("event")
    if not is_rest_event(told):
        raise MalformedPayload(Reason.UNKNOWN_SHAPE, "a service hook's event is not one of the REST API")
    project, group = _object(data.get("project")), _object(data.get("group"))
    event = sdk_shape(told)
    require_error(event)
    yield RawEvent(
        data=event,
        body=jsontext.encode(event),
        source=Source.service_hook,
        project_id=payload.project_id
        or number(event.get("project"))
        or number(_object(group.get("project")).get("id")),
        is_processed=True,
        is_backfill=payload.door is Door.FILE,
        issue_id=number(told.get("groupID")) or number(group.get("id")),
        project_slug=word(project.get("slug")),
        project_name=word(project.get("name")),
        peer=payload.peer,
    )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
