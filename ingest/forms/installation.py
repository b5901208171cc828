"""
Integration Platform `installation`: the integration was installed or removed.

Sent by:       every public integration.
Recognised by: `Sentry-Hook-Resource: installation`; without it `data.installation`.
Documented at: docs.sentry.io/organization/integrations/integration-platform/webhooks/installation/, 2026-11.
"""

from collections.abc import Iterator

from ingest import platform_event
from ingest.records import Payload, RawEvent

NAME: str = "installation"


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
