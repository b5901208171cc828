"""
Integration Platform `event_alert`: an event that an issue alert fired for.

Sent by:       integrations with alert rule actions, when a rule of theirs fires, for an event of any type.
Recognised by: `Sentry-Hook-Resource: event_alert`; without it `data.event`.
Documented at: docs.sentry.io/organization/integrations/integration-platform/webhooks/issue-alerts/, 2026-11.
"""

from collections.abc import Iterator

from ingest import platform_event
from ingest.records import Payload, RawEvent

NAME: str = "event_alert"


def matches(payload: Payload, data: object) -> bool:
    """Whether the webhook is about this resource."""
    return platform_event.resource(payload, data) == NAME


def parse(payload: Payload, data: object) -> Iterator[RawEvent]:
    """
    Give the one event, as Sentry itself has normalized it.

    Raises: MalformedPayload: NOT_AN_OBJECT, UNKNOWN_SHAPE, NO_EVENT.
    """
    yield platform_event.event(payload, platform_event.content(data, NAME)["event"])
