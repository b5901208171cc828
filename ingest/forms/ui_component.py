"""
Integration Platform UI components: somebody uses a form of the integration inside Sentry.

Sent by:       integrations with issue links, select fields or alert rule actions, to the URI of the component.
Recognised by: the resources `external_issue`, `select_options`, `alert_rule_action`; else by `fields` without `data`.
Documented at: docs.sentry.io/organization/integrations/integration-platform/ui-components/, 2026-11.
"""

from collections.abc import Iterator

from ingest import platform_event
from ingest.errors import MalformedPayload, Reason
from ingest.records import Door, Payload, RawEvent

NAME: str = "ui_component"

_RESOURCES = frozenset({"external_issue", "select_options", "alert_rule_action"})
_TELLING = frozenset({"installationId", "issueId", "webUrl", "projectSlug"})


def matches(payload: Payload, data: object) -> bool:
    """Whether this is a request of a UI component."""
    if payload.door not in (Door.HOOK, Door.FILE):
        return False
    told = payload.headers.get(platform_event.RESOURCE_HEADER)
    if told:
        return told in _RESOURCES
    return isinstance(data, dict) and "data" not in data and "fields" in data and not _TELLING.isdisjoint(data)


def parse(payload: Payload, data: object) -> Iterator[RawEvent]:
    """
    Give nothing: there is no event in it.

    Raises: MalformedPayload: NOT_AN_OBJECT, UNKNOWN_SHAPE; NO_EVENT, always.
    """
    if not isinstance(data, dict):
        raise MalformedPayload(Reason.NOT_AN_OBJECT, "a UI component's request is a JSON object")
    if platform_event.is_platform_body(data):
        raise MalformedPayload(Reason.UNKNOWN_SHAPE, "the resource is a UI component, but the body is a webhook's")
    platform_event.no_event(data, payload.headers.get(platform_event.RESOURCE_HEADER) or "a UI component")
