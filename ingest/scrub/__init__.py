"""
Take secrets out of an event before it is kept, where and how Sentry does by default.

Which fields are looked at follows Relay's schema: those it marks `pii = "true"`. Ids, times, release, transaction,
source lines, paths of frames, exception values and debug images are never touched; a log message loses only what
matches. Beyond Relay: the query and password of `request.url`, tags by key, cards given as numbers.
"""

from collections.abc import Callable
from typing import Any

from ingest.scrub import rules as scrub_rules
from ingest.scrub.rules import is_secret_key
from ingest.scrub.scan import ALL, Hints, scan
from ingest.scrub.walk import Scrubber, at, cookies, embedded, members, query, same_if_unchanged

_AGENT_KEYS = frozenset({"user-agent", "user_agent", "http_user_agent"})


def scrub(data: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bool]:
    """
    Scrub one event.

    Takes:  the event, at most `jsontext.MAX_DEPTH` deep, and the bytes it was read from.
    Gives:  the event and whether it is another one; what is given is never changed, and parts of it may be shared.
    """
    hints = scan(data, body)
    scrubbed = scrub_fields(data, hints) if hints else data
    return scrubbed, scrubbed is not data


def scrub_fields(data: dict[str, Any], hints: Hints = ALL) -> dict[str, Any]:
    """Scrub one event by the rules in question; gives the same object if there is nothing to be done."""
    if hints.are_about_texts() or hints.cookies:
        scrubbed: dict[str, Any] = members(data, hints, _field)
        return scrubbed
    changes = {}
    for key in _MESSAGE_FIELDS & data.keys():
        value = _message(data[key], hints)
        if value is not data[key]:
            changes[key] = value
    return {**data, **changes} if changes else data


def _field(key: str, value: Any, hints: Hints) -> Any:
    scrubber = _FIELDS.get(key)
    return at(key, value, hints) if scrubber is None else scrubber(value, hints)


def _as_it_is(value: Any, _: Hints) -> Any:
    return value


def _message(value: Any, hints: Hints) -> Any:
    """Scrub a message in any of its shapes."""
    if isinstance(value, str):
        return scrub_rules.message(value)
    return members(value, hints, _message_member) if isinstance(value, dict) else at("", value, hints)


def _message_member(key: str, value: Any, hints: Hints) -> Any:
    if key in {"message", "formatted"} and isinstance(value, str):
        return scrub_rules.message(value)
    return at(key, value, hints)


def _request(value: Any, hints: Hints) -> Any:
    return members(value, hints, _request_member) if isinstance(value, dict) else at("", value, hints)


def _request_member(key: str, value: Any, hints: Hints) -> Any:
    match key:
        case "method" | "protocol" | "inferred_content_type" | "api_target" | "body_size":
            return value
        case "url":
            return _url(value, hints) if isinstance(value, str) else at("", value, hints)
        case "query_string":
            return query(value, hints)
        case "cookies":
            return cookies(value, hints)
        case "headers" | "env":
            return members(value, hints, _header)
        case "data" if isinstance(value, str):
            return embedded("", value, hints)
        case _:
            return at(key, value, hints)


def _header(key: str, value: Any, hints: Hints) -> Any:
    lower = key.lower()
    if lower in _AGENT_KEYS:
        return value
    return query(value, hints) if lower == "query_string" else at(key, value, hints)


def _url(value: str, hints: Hints) -> str:
    """Scrub user, password and query of a URL, of which Sentry only looks at the query."""
    start, sign, rest = value.partition("?")
    scrubbed = scrub_rules.url_auth(start) + sign + (str(query(rest, hints)) if sign else "")
    return value if scrubbed == value else scrubbed


def _exceptions(value: Any, hints: Hints) -> Any:
    return _values(value, hints, _traced_member)


def _breadcrumbs(value: Any, hints: Hints) -> Any:
    return _values(value, hints, _breadcrumb_member)


def _values(value: Any, hints: Hints, member: Scrubber) -> Any:
    """Scrub the objects of a list, of `{"values": [...]}`, or one alone."""
    if isinstance(value, list):
        return same_if_unchanged([_members_if_object(item, hints, member) for item in value], value)
    if isinstance(value, dict) and isinstance(value.get("values"), list):
        values = _values(value["values"], hints, member)
        return value if values is value["values"] else {**value, "values": values}
    return _members_if_object(value, hints, member)


def _members_if_object(value: Any, hints: Hints, member: Scrubber) -> Any:
    return members(value, hints, member) if isinstance(value, dict) else value


def _traced_member(key: str, value: Any, hints: Hints) -> Any:
    """Scrub what an exception or a thread has beside its own words."""
    match key:
        case "stacktrace" | "raw_stacktrace" | "sentry.interfaces.Stacktrace":
            return _stacktrace(value, hints)
        case "mechanism":
            return _members_if_object(value, hints, _data_member)
        case _:
            return value


def _stacktrace(value: Any, hints: Hints) -> Any:
    frames = value.get("frames") if isinstance(value, dict) else None
    if not isinstance(frames, list):
        return value
    scrubbed = _values(frames, hints, _frame_member)
    return value if scrubbed is frames else {**value, "frames": scrubbed}


def _frame_member(key: str, value: Any, hints: Hints) -> Any:
    return at("", value, hints) if key == "vars" else value


def _data_member(key: str, value: Any, hints: Hints) -> Any:
    return at(key, value, hints) if key == "data" else value


def _breadcrumb_member(key: str, value: Any, hints: Hints) -> Any:
    return at(key, value, hints) if key in {"data", "message"} else value


def _contexts(value: Any, hints: Hints) -> Any:
    return members(value, hints, _context) if isinstance(value, dict) else at("", value, hints)


def _context(key: str, value: Any, hints: Hints) -> Any:
    kind = value.get("type") or key if isinstance(value, dict) else key
    if kind == "trace":
        return _members_if_object(value, hints, _data_member)
    return value if kind in _PLAIN_CONTEXTS else at(key, value, hints)


def _tags(value: Any, hints: Hints) -> Any:
    return members(value, hints, _tag)


def _tag(key: str, value: Any, hints: Hints) -> Any:
    """Scrub a tag by its key, and what matches in its value, for tags are what events are counted by."""
    if hints.gates and is_secret_key(key):
        return at(key, value, hints)
    return scrub_rules.parts_but_paths(value) if isinstance(value, str) else value


_PLAIN_CONTEXT_NAMES = (
    "os runtime browser gpu culture flags profile replay monitor otel memory_info threadpool_info performance_score "
    "reprocessing spring unity"
)
_PLAIN_CONTEXTS = frozenset(_PLAIN_CONTEXT_NAMES.split())
_UNTOUCHED = (
    "event_id id eventID timestamp start_timestamp received datetime dateCreated dateReceived platform level logger "
    "release dist environment site transaction transaction_info culprit location type version fingerprint "
    "fingerprints checksum hashes modules packages sdk debug_meta template grouping_config groupingConfig key_id "
    "project project_id project_name project_slug projectID issue_id groupID group_id web_url issue_url url "
    "_metrics time_spent measurements breakdowns ingest_path"
)
_FIELDS: dict[str, Callable[[Any, Hints], Any]] = {
    **dict.fromkeys(_UNTOUCHED.split(), _as_it_is),
    **dict.fromkeys(("message", "logentry", "title", "sentry.interfaces.Message"), _message),
    **dict.fromkeys(("request", "sentry.interfaces.Http"), _request),
    **dict.fromkeys(("exception", "threads", "sentry.interfaces.Exception"), _exceptions),
    **dict.fromkeys(("stacktrace", "sentry.interfaces.Stacktrace"), _stacktrace),
    **dict.fromkeys(("breadcrumbs", "sentry.interfaces.Breadcrumbs"), _breadcrumbs),
    **dict.fromkeys(("contexts", "sentry.interfaces.Contexts"), _contexts),
    "tags": _tags,
}
_MESSAGE_FIELDS = frozenset({"message", "logentry", "title", "sentry.interfaces.Message"})
