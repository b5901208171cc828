"""
Integration Platform `issue`: an issue was created, resolved, assigned, archived or is back.

Sent by:       integrations subscribed to the resource `issue`.
Recognised by: `Sentry-Hook-Resource: issue`; without it `data.issue` alone.
Documented at: docs.sentry.io/organization/integrations/integration-platform/webhooks/issues/, 2026-11.
"""

from collections.abc import Iterator

from ingest import platform_event
from ingest.records import Payload, RawIssueChange

NAME: str = "issue"


def matches(payload: Payload, data: object) -> bool:
    """Whether the webhook is about this resource."""
    return platform_event.resource(payload, data) == NAME


def parse(payload: Payload, data: object) -> Iterator[RawIssueChange]:
    """
    Give the change; there is no event in it.

    Raises: MalformedPayload: NOT_AN_OBJECT, UNKNOWN_SHAPE; NO_EVENT where the issue's state is not told.
    """
    yield platform_event.issue_change(payload, data, NAME, data.get("action") if isinstance(data, dict) else None)
