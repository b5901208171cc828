"""
Integration Platform `activity_alert`: an alert fired for what was done to an issue.

Sent by:       integrations with alert rule actions, since 2026.
Recognised by: `Sentry-Hook-Resource: activity_alert`; without it `data.activity`.
Documented at: docs.sentry.io/organization/integrations/integration-platform/webhooks/activity-alerts/; getsentry/sentry
               src/sentry/notifications/notification_action/activity_registry/, 2026.
"""

from collections.abc import Iterator

from ingest import platform_event
from ingest.records import Payload, RawIssueChange

NAME: str = "activity_alert"


def matches(payload: Payload, data: object) -> bool:
    """Whether the webhook is about this resource."""
    return platform_event.resource(payload, data) == NAME


def parse(payload: Payload, data: object) -> Iterator[RawIssueChange]:
    """
    Give the change of the issue, of the activity's type; there is no event in it.

    Raises: MalformedPayload: NOT_AN_OBJECT, UNKNOWN_SHAPE; NO_EVENT where the issue's state is not told.
    """
    activity = platform_event.content(data, NAME).get("activity")
    kind = activity.get("type") if isinstance(activity, dict) else None
    yield platform_event.issue_change(payload, data, NAME, kind)
