"""
Integration Platform `activity_alert`: an alert fired for what was done to an issue.

Sent by:       integrations with alert rule actions, since 2026.
Recognised by: `Sentry-Hook-Resource: activity_alert`; without it `data.activity`.
Documented at: docs.sentry.io/organization/integrations/integration-platform/webhooks/activity-alerts/, 2026-11.
"""

from collections.abc import Iterator

from ingest import platform_event
from ingest.records import Payload, RawEvent

NAME: str = "activity_alert"


def matches(payload: Payload, data: object) -> bool:
    """Whether the webhook is about this resource."""
    return platform_event.resource(payload, data) == NAME


def parse(payload: Payload, data: object) -> Iterator[RawEvent]:
    """
    Give nothing: there is no event in it.

    Raises: MalformedPayload: NOT_AN_OBJECT, UNKNOWN_SHAPE; NO_EVENT, always.
    """
    del payload
    platform_event.content(data, NAME)
    platform_event.no_event(data, NAME)
