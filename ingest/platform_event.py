"""
What webhooks of Sentry's Integration Platform have in common: `{action, installation, data, actor}`, in any order.

The body never says its resource, the header `Sentry-Hook-Resource` does. It is not signed, so what it says must agree
with the shape of the data.

Source: getsentry/sentry src/sentry/sentry_apps/ (api/serializers/app_platform_event.py, utils/webhooks.py,
        tasks/sentry_apps.py), 2026.
"""

import re
from collections.abc import Mapping
from typing import Any, NoReturn

from ingest import jsontext
from ingest.error_types import require_error
from ingest.errors import MalformedPayload, Reason
from ingest.identity import number, word
from ingest.records import Door, Payload, RawEvent, RawIssueChange, Source

RESOURCE_HEADER = "sentry-hook-resource"
TIMESTAMP_HEADER = "sentry-hook-timestamp"

_URL = re.compile(r"/api/0/projects/[^/]+/([^/?#]+)/events/")
_DOORS = (Door.FILE, Door.HOOK, Door.LEGACY)
_OTHER_NAMES = {"size_analysis": "preprod_artifact"}  # its name before 2026

# the key that gives a resource's data away, the telling before the common
_SHAPES: tuple[tuple[str, str], ...] = (
    ("error", "error"),
    ("event", "event_alert"),
    ("activity", "activity_alert"),
    ("issue", "issue"),
    ("metric_alert", "metric_alert"),
    ("comment_id", "comment"),
    ("installation", "installation"),
    ("run_id", "seer"),
    ("sentry_run_id", "seer"),
    ("buildId", "preprod_artifact"),
    ("group_id", "seer"),
)


def is_platform_body(data: object) -> bool:
    """Whether a body is laid out as the Integration Platform does it."""
    return (
        isinstance(data, dict)
        and isinstance(data.get("data"), dict)
        and "action" in data
        and ("installation" in data or "actor" in data)
    )


def resource(payload: Payload, data: object) -> str | None:
    """Give the resource a webhook is about: what its header says, without one what its body looks like."""
    if payload.door not in _DOORS:
        return None
    told = payload.headers.get(RESOURCE_HEADER)
    if told:
        return _OTHER_NAMES.get(told, told)
    if "x-servicehook-guid" in payload.headers or not isinstance(data, dict) or not is_platform_body(data):
        return None
    return _shape(data["data"])


def content(data: object, name: str) -> dict[str, Any]:
    """
    Give a webhook's `data`, having seen that it is of the resource `name`.

    Raises: MalformedPayload: NOT_AN_OBJECT, UNKNOWN_SHAPE.
    """
    if not isinstance(data, dict):
        raise MalformedPayload(Reason.NOT_AN_OBJECT, "a webhook's body is a JSON object")
    inner = data.get("data")
    if not isinstance(inner, dict):
        raise MalformedPayload(Reason.UNKNOWN_SHAPE, "the body has no data object")
    if not any(key in inner for key, shape in _SHAPES if shape == name):
        seen = _shape(inner) or "no resource we know"
        raise MalformedPayload(Reason.UNKNOWN_SHAPE, f"the resource is {name}, but the data is that of {seen}")
    return inner


def event(payload: Payload, told: object) -> RawEvent:
    """
    Make a raw event of what Sentry's `Event.as_dict()` wrote.

    Raises: MalformedPayload: UNKNOWN_SHAPE, NO_EVENT.
    """
    if not isinstance(told, dict):
        raise MalformedPayload(Reason.UNKNOWN_SHAPE, "the event is not a JSON object")
    require_error(told)
    return RawEvent(
        data=told,
        body=jsontext.encode(told),
        source=Source.webhook_platform,
        project_id=payload.project_id or number(told.get("project")),
        is_processed=True,
        is_backfill=payload.door is Door.FILE,
        issue_id=number(told.get("issue_id")),
        issue_url=_issue_page(told),
        project_slug=project_slug(told),
        peer=payload.peer,
    )


def _issue_page(told: dict[str, Any]) -> str | None:
    """Give the page of the issue; of the event's own page, which is below it, the rest is taken off."""
    page = word(told.get("web_url"))
    return page.partition("/events/")[0].rstrip("/") + "/" if page else None


def issue_change(payload: Payload, data: object, name: str, action: object) -> RawIssueChange:
    """
    Make a raw change of the issue a webhook of the resource `name` tells.

    Raises: MalformedPayload: NOT_AN_OBJECT, UNKNOWN_SHAPE; NO_EVENT for an issue that is only named, without its state.
    """
    issue = content(data, name).get("issue")
    if not isinstance(data, dict) or not isinstance(issue, dict):
        raise MalformedPayload(Reason.UNKNOWN_SHAPE, "the issue is not a JSON object")
    issue_id = number(issue.get("id"))
    if issue_id is None or not isinstance(action, str) or not action:
        raise MalformedPayload(Reason.UNKNOWN_SHAPE, "the webhook does not say which issue, or what became of it")
    if not {"status", "assignedTo"} <= issue.keys():
        no_event(data, name)
    project = issue.get("project")
    return RawIssueChange(
        webhook=data,
        action=action,
        issue_id=issue_id,
        project_id=payload.project_id or (number(project.get("id")) if isinstance(project, dict) else None),
        told_at=payload.headers.get(TIMESTAMP_HEADER),
        is_backfill=payload.door is Door.FILE,
    )


def project_slug(told: Mapping[str, Any]) -> str | None:
    """Give the project's slug, which an event names only in the URL of its own API page."""
    url = told.get("url")
    found = _URL.search(url) if isinstance(url, str) else None
    return found.group(1) if found else None


def no_event(data: object, name: str) -> NoReturn:
    """
    Say that a webhook is what it should be, and that no event is in it.

    Raises: MalformedPayload(NO_EVENT), always.
    """
    action = data.get("action") if isinstance(data, dict) else None
    told = f"{name}.{action[:40]}" if isinstance(action, str) else name
    raise MalformedPayload(Reason.NO_EVENT, f"a webhook of {told} holds no event")


def _shape(inner: Mapping[str, Any]) -> str | None:
    for key, name in _SHAPES:
        if key in inner:
            return name
    return None
