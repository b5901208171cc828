"""
A stored event becomes a row again, by today's rules, out of its payload (pure).

What a payload cannot tell again is kept as the fact has it: the address of a sender that nobody wrote down, a weight
or an issue told beside the event, the key that stands in for a person who was erased.
"""

import re
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from ingest import jsontext
from ingest.errors import MalformedPayload, Reason
from ingest.identity import number
from ingest.normalize import normalize
from ingest.records import RawEvent, Source
from ingest.rows import FACT_COLUMNS, DimensionRow, Row, row

ERASED = "[erased]"
"""What stands where something of an erased person stood; see docs/how-to/erase.md."""

KEPT = frozenset({"occurred_at", "received_at", "event_id", "project_id", "time_quality", "source"})
"""Columns of the fact that are what the event is known by, or how it came: no rule changes them."""

CORRECTED = tuple(each for each in FACT_COLUMNS if each[0] not in KEPT)
"""Columns of the fact that today's rules may tell otherwise, with their PostgreSQL types."""

PROCESSED = frozenset({Source.webhook_platform, Source.webhook_legacy, Source.service_hook, Source.rest})
"""Sources whose events Sentry itself has normalized; the forms say the same of each."""

_AT = {name: place for place, (name, _) in enumerate(FACT_COLUMNS)}
_KEYS = tuple(name for name, _ in FACT_COLUMNS if name.endswith("_key") and name != "group_key")
_ISSUE = re.compile(r"issue:(\d{1,19})")


class StoredEvent(NamedTuple):
    """What the fact says of an event, as far as its payload may not tell it; `keys` are those of CORRECTED by name."""

    occurred_at: datetime
    received_at: datetime
    event_id: UUID
    project_id: int
    source: int
    time_quality: int
    sample_weight: float
    group_key: int
    group_hash: str | None
    is_user_known: bool
    user_ip: str | None
    keys: dict[str, int | None]


def row_again(stored: StoredEvent, payload: bytes) -> Row:
    """
    Make the row that the event would have today; `issue_id` of its group is None, for the group there is knows it.

    Raises: MalformedPayload, when today's rules refuse what was once accepted.
    """
    data = jsontext.parse(payload)[0]
    if not isinstance(data, dict):
        raise MalformedPayload(Reason.NOT_AN_OBJECT, "the payload is not a JSON object")
    is_processed = stored.source in PROCESSED
    raw = RawEvent(
        data=data,
        body=payload,
        source=Source(stored.source),
        project_id=stored.project_id,
        event_id=stored.event_id.hex,
        is_processed=is_processed,
        is_backfill=True,  # its time is not judged again
        issue_id=_issue_id(stored, data) if is_processed else None,
        peer=stored.user_ip,
    )
    record = normalize(raw, stored.received_at)
    made = row(record, stored.project_id, None)
    values = list(made.values)
    for name in KEPT - {"event_id", "project_id"}:
        values[_AT[name]] = getattr(stored, name)
    values[_AT["event_id"]], values[_AT["project_id"]] = stored.event_id, stored.project_id
    if record.sample_rate is None:
        values[_AT["sample_weight"]] = stored.sample_weight
    dimensions = made.dimensions
    if stored.keys["user_key"] is not None and not stored.is_user_known:
        values[_AT["user_key"]] = stored.keys["user_key"]
        dimensions = tuple(each for each in dimensions if each[0] != "dim_user")
    group = tuple(None if place == 3 or isinstance(each, datetime) else each for place, each in enumerate(made.group))
    if ERASED.encode() in payload:
        values[_AT["group_key"]] = stored.group_key
        group = (stored.project_id, stored.group_key, stored.group_hash or record.group, *group[3:])
        dimensions = _without_erased(dimensions, values, stored)
    return msgspec.structs.replace(made, values=tuple(values), dimensions=dimensions, group=group)


def _issue_id(stored: StoredEvent, data: dict[str, Any]) -> int | None:
    """Give the issue that groups an event without hashes: the one it tells, or the one its group is named by."""
    named = _ISSUE.fullmatch(stored.group_hash or "")
    said = None if stored.source == Source.webhook_legacy else number(data.get("issue_id"))
    return said or (int(named[1]) if named else None)


def _without_erased(
    dimensions: tuple[tuple[str, DimensionRow], ...], values: list[Any], stored: StoredEvent
) -> tuple[tuple[str, DimensionRow], ...]:
    """Leave a key as it is where its description has lost a person: the row behind it has lost them too."""
    kept = []
    for table, dimension in dimensions:
        name = table.removeprefix("dim_") + "_key"
        if any(isinstance(each, str) and ERASED in each for each in dimension[2:]) and stored.keys[name] is not None:
            values[_AT[name]] = stored.keys[name]
        else:
            kept.append((table, dimension))
    return tuple(kept)
