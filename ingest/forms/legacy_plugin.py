"""
The legacy WebHooks plugin: an event with a few words about its issue, unsigned.

Sent by:       projects with the plugin, when an alert rule fires; from Sentry 8 to today.
Recognised by: `project_slug` or `project`, with `event`; before 2014 with `message` and `culprit`, and no event.
Documented at: getsentry/sentry src/sentry/plugins/sentry_webhooks/plugin.py, 23.7;
               src/sentry/sentry_apps/services/legacy_webhook/, 2026.
"""

from collections.abc import Iterator
from typing import Any

from ingest import jsontext, platform_event
from ingest.error_types import require_error
from ingest.errors import MalformedPayload, Reason
from ingest.identity import number, word
from ingest.records import Door, Payload, RawEvent, Source

NAME: str = "legacy_plugin"

_MESSAGES = ("logentry", "message", "sentry.interfaces.Message", "exception", "sentry.interfaces.Exception")


def matches(payload: Payload, data: object) -> bool:
    """Whether the plugin sent this."""
    if payload.door not in (Door.HOOK, Door.LEGACY, Door.FILE) or platform_event.RESOURCE_HEADER in payload.headers:
        return False
    if not isinstance(data, dict) or not (word(data.get("project_slug")) or word(data.get("project"))):
        return False
    return isinstance(data.get("event"), dict) or ("message" in data and "culprit" in data and "event_id" not in data)


def parse(payload: Payload, data: object) -> Iterator[RawEvent]:
    """
    Give the one event; what it does not say of itself is taken from what is said about its issue.

    Raises: MalformedPayload: NOT_AN_OBJECT, UNKNOWN_SHAPE, NO_EVENT.
    """
    if not isinstance(data, dict):
        raise MalformedPayload(Reason.NOT_AN_OBJECT, "the plugin's body is a JSON object")
    told = data.get("event") or {}
    if not isinstance(told, dict) or not (told or "message" in data):
        raise MalformedPayload(Reason.UNKNOWN_SHAPE, "the plugin's event is not a JSON object")
    event = _completed(told, data)
    require_error(event)
    yield RawEvent(
        data=event,
        body=jsontext.encode(event),
        source=Source.webhook_legacy,
        project_id=payload.project_id or number(event.get("project")),
        is_processed=True,
        is_backfill=payload.door is Door.FILE,
        issue_id=number(data.get("id")),
        issue_url=word(data.get("url")),
        project_slug=word(data.get("project_slug")) or word(data.get("project")),
        project_name=word(data.get("project_name")),
        peer=payload.peer,
    )


def _completed(told: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    event = dict(told)
    for key in ("level", "culprit", "logger"):
        if event.get(key) is None and about.get(key) is not None:
            event[key] = about[key]
    if about.get("message") and not any(event.get(key) for key in _MESSAGES):
        event["message"] = about["message"]
    return event
