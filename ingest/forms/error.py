"""
Integration Platform `error`: every new error event.

Sent by:       integrations subscribed to the resource `error`, for events of type error alone.
Recognised by: `Sentry-Hook-Resource: error`; without it `data.error`.
Documented at: docs.sentry.io/organization/integrations/integration-platform/webhooks/errors/, 2026-11.
"""

from collections.abc import Iterator

from ingest import platform_event
from ingest.records import Payload, RawEvent

NAME: str = "error"


def matches(payload: Payload, data: object) -> bool:
    """Whether the webhook is about this resource."""
    return platform_event.resource(payload, data) == NAME


def parse(payload: Payload, data: object) -> Iterator[RawEvent]:
    """
    Give the one event, as Sentry itself has normalized it.

    Raises: MalformedPayload: NOT_AN_OBJECT, UNKNOWN_SHAPE, NO_EVENT.
    """
    yield platform_event.event(payload, platform_event.content(data, NAME)["error"])
