"""Which of Sentry's event types are errors, and which only travel the same way."""

from collections.abc import Mapping
from typing import Any

from ingest.errors import MalformedPayload, Reason

# what getsentry/sentry src/sentry/eventtypes registers besides error, default and the browser reports, 2026
OTHER_TYPES = frozenset({"transaction", "generic", "feedback", "profile", "replay_event", "userreportv2"})


def is_error(event: Mapping[str, Any]) -> bool:
    """Whether an event is one of those Sentry counts as errors; one that names no type is."""
    kind = event.get("type")
    return not (isinstance(kind, str) and kind in OTHER_TYPES)


def require_error(event: Mapping[str, Any]) -> None:
    """
    Let errors pass.

    Raises: MalformedPayload(NO_EVENT) for a transaction, a performance issue or a piece of feedback.
    """
    if not is_error(event):
        raise MalformedPayload(Reason.NO_EVENT, f"the event is a {event['type']}, not an error")
