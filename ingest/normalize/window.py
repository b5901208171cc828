"""
When an event happened, and how far that can be trusted.

A wrong clock never moves an event: `occurred_at` is what the sender said to the microsecond, or `received_at`.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from ingest.errors import MalformedPayload, Reason
from ingest.normalize.fields import instant
from ingest.records import RawEvent, TimeQuality

FLOOR = datetime(2000, 1, 1, tzinfo=UTC)
PAST = timedelta(days=30)
FUTURE = timedelta(seconds=60)
FUTURE_OF_PROCESSED = timedelta(hours=24)
DRIFT = timedelta(minutes=55)

_SAID_BY_SENTRY = ("timestamp", "datetime", "dateCreated", "received")


def occurred_at(raw: RawEvent, received_at: datetime) -> tuple[datetime, TimeQuality]:
    """
    Tell when it happened.

    Raises: MalformedPayload, when an SDK says a time before 1970 as a number; Sentry refuses such an event whole.
    """
    said = _said(raw)
    if said is None:
        return received_at, TimeQuality.missing
    if said > received_at + (FUTURE_OF_PROCESSED if raw.is_processed else FUTURE):
        return received_at, TimeQuality.future
    if said < FLOOR or not (raw.is_processed or raw.is_backfill or said >= received_at - PAST):
        return received_at, TimeQuality.too_old
    return said, TimeQuality.drifted if _is_drifted(raw, received_at) else TimeQuality.exact


def _said(raw: RawEvent) -> datetime | None:
    data: dict[str, Any] = raw.data
    value = data.get("timestamp")
    if isinstance(value, int | float) and not isinstance(value, bool) and value < 0 and not raw.is_processed:
        raise MalformedPayload(Reason.BAD_TIMESTAMP, "the timestamp is before 1970")
    if not raw.is_processed:
        return instant(value)
    for key in _SAID_BY_SENTRY:
        said = instant(data.get(key))
        if said is not None:
            return said
    return None


def _is_drifted(raw: RawEvent, received_at: datetime) -> bool:
    if raw.sent_at is None or raw.is_backfill:  # a file is loaded long after it was sent
        return False
    sent_at = instant(raw.sent_at)
    return sent_at is not None and abs(sent_at - received_at) >= DRIFT
