"""
Events as Sentry's REST API and its service hooks write them, turned to the shape the SDKs send.

Source: `EventSerializer` in getsentry/sentry src/sentry/api/serializers/models/event.py and the `get_api_context` of
        src/sentry/interfaces/, 23.7 and 2026; both spellings of a key are read where they differ.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

# what stays under its own name
_KEPT = ("platform", "type", "title", "culprit", "location", "metadata", "dist", "contexts", "errors")
_RENAMED = {
    "projectID": "project",
    "dateCreated": "timestamp",
    "dateReceived": "received",
    "context": "extra",
    "packages": "modules",
    "fingerprints": "hashes",
    "groupingConfig": "grouping_config",
}
_FROM_TAGS = ("level", "environment", "logger", "server_name", "transaction")
_FRAME = {
    "absPath": "abs_path",
    "colNo": "colno",
    "inApp": "in_app",
    "instructionAddr": "instruction_addr",
    "lineNo": "lineno",
    "mapUrl": "map_url",
    "rawFunction": "raw_function",
    "sourceLink": "source_link",
    "symbolAddr": "symbol_addr",
    "symbolicatorStatus": "symbolicator_status",
    "addrMode": "addr_mode",
}


def is_rest_event(data: object) -> TypeGuard[dict[str, Any]]:
    """Whether this is one event of the REST API, whole or as lists show it."""
    return isinstance(data, dict) and "eventID" in data and ("dateCreated" in data or "projectID" in data)


def sdk_shape(event: Mapping[str, Any]) -> dict[str, Any]:
    """
    Give the event in the SDK's shape.

    Gives:  what was told and nothing that was not: keys whose value is null stay away. Level, environment, logger,
            server name and transaction are only tags in this API, and become fields again.
    """
    shaped: dict[str, Any] = {"event_id": event.get("eventID")}
    shaped |= {key: event[key] for key in _KEPT if event.get(key) is not None}
    shaped |= {new: event[old] for old, new in _RENAMED.items() if event.get(old) is not None}
    if "type" not in shaped and isinstance(event.get("event.type"), str):
        shaped["type"] = event["event.type"]
    # where there are entries, a message is among them; for errors old versions put words to search by here
    if not isinstance(event.get("entries"), list) and shaped.get("type") != "error" and event.get("message"):
        shaped["message"] = event["message"]
    release = event.get("release")
    release = release.get("version") if isinstance(release, Mapping) else release
    if release is not None:
        shaped["release"] = release
    for key in ("user", "sdk"):
        if isinstance(event.get(key), Mapping):
            shaped[key] = _told(event[key])
    tags = [(tag["key"], tag.get("value")) for tag in _objects(event.get("tags")) if isinstance(tag.get("key"), str)]
    if tags:
        shaped["tags"] = [[key, value] for key, value in tags]
        shaped |= {key: value for key, value in tags if key in _FROM_TAGS and value and key not in shaped}
    for entry in _objects(event.get("entries")):
        kind, content = entry.get("type"), entry.get("data")
        if isinstance(kind, str) and kind in _ENTRIES and isinstance(content, Mapping):
            key, shape = _ENTRIES[kind]
            shaped[key] = shape(content)
    return shaped


def _values(content: Mapping[str, Any]) -> dict[str, Any]:
    return {"values": [_value(value) for value in _objects(content.get("values"))]}


def _value(value: Mapping[str, Any]) -> dict[str, Any]:
    """Shape one exception, thread or breadcrumb."""
    shaped = _told(value, {"rawStacktrace": "raw_stacktrace", "threadId": "thread_id", "rawModule": "raw_module"})
    for key in ("stacktrace", "raw_stacktrace"):
        if isinstance(shaped.get(key), Mapping):
            shaped[key] = _stacktrace(shaped[key])
    return shaped


def _stacktrace(content: Mapping[str, Any]) -> dict[str, Any]:
    shaped = _told(content, {"framesOmitted": "frames_omitted"})
    shaped.pop("hasSystemFrames", None)
    shaped["frames"] = [_frame(frame) for frame in _objects(content.get("frames"))]
    return shaped


def _frame(frame: Mapping[str, Any]) -> dict[str, Any]:
    shaped = _told(frame, _FRAME)
    lines = shaped.pop("context", None)
    if isinstance(lines, list):
        _put_context(shaped, lines)
    return shaped


def _put_context(frame: dict[str, Any], lines: list[Any]) -> None:
    """Part numbered source lines at the frame's own."""
    pairs = [line for line in lines if isinstance(line, list) and len(line) == 2]
    at = next((place for place, (number, _) in enumerate(pairs) if number == frame.get("lineno")), None)
    if at is not None:
        frame["pre_context"] = [text for _, text in pairs[:at]]
        frame["context_line"] = pairs[at][1]
        frame["post_context"] = [text for _, text in pairs[at + 1 :]]


def _request(content: Mapping[str, Any]) -> dict[str, Any]:
    return _told(content, {"query": "query_string", "inferredContentType": "inferred_content_type"})


def _told(content: Mapping[str, Any], names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Copy what is not null, under the SDK's names."""
    renamed = names or {}
    return {renamed.get(key, key): value for key, value in content.items() if value is not None}


def _objects(values: object) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


_ENTRIES: dict[str, tuple[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "exception": ("exception", _values),
    "threads": ("threads", _values),
    "breadcrumbs": ("breadcrumbs", _values),
    "stacktrace": ("stacktrace", _stacktrace),
    "template": ("template", _frame),
    "request": ("request", _request),
    "message": ("logentry", _told),
    "csp": ("csp", _told),
    "hpkp": ("hpkp", _told),
    "expectct": ("expectct", _told),
    "expectstaple": ("expectstaple", _told),
    "debugmeta": ("debug_meta", _told),
}
