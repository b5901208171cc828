"""What a request says of itself, without reading more of it than that: its form, and which event it brings."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ingest.errors import MalformedPayload
from ingest.identity import event_id, number
from ingest.inbound import MAX_RESOURCE_CHARS
from ingest.records import Door

MOST_READ_BYTES = 1024 * 1024


class _Event(msgspec.Struct):
    event_id: Any = None
    eventID: Any = None  # noqa: N815 - as the REST API writes it
    project: Any = None


class _Data(msgspec.Struct):
    error: _Event | None = None
    event: _Event | None = None


class _Body(msgspec.Struct):
    data: _Data | None = None
    event: _Event | None = None
    project: Any = None


_BODY = msgspec.json.Decoder(_Body)


def form_told(door: Door | None, headers: Mapping[str, str]) -> str:
    """Name the form that the door and the headers say."""
    if door is None:
        return ""
    if door is Door.LEGACY:
        return "legacy_plugin"
    if door is not Door.HOOK:
        return door.value
    if resource := headers.get("sentry-hook-resource"):
        return resource[:MAX_RESOURCE_CHARS]
    if "x-servicehook-guid" in headers or "x-servicehook-signature" in headers:
        return "service_hook"
    return "ui_component" if "sentry-app-signature" in headers else ""


def named_event(body: bytes) -> tuple[int | None, str | None]:
    """Give project and id of the event in the body of a webhook, each None where it is not plain to see."""
    if not body or len(body) > MOST_READ_BYTES:
        return None, None
    try:
        told = _BODY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None, None
    event = told.event or (told.data and (told.data.error or told.data.event))
    if not event:
        return None, None
    try:
        return number(event.project) or number(told.project), event_id(event.event_id or event.eventID)
    except MalformedPayload:
        return None, None
