"""EventRecord -> the row of the fact and of each dimension it points to (pure, apart from a bounded memory of keys)."""

from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from ingest.records import EventRecord, Frame, TimeQuality
from models.keys import dimension_key
from models.payloads import Compress

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "fatal": 50}
KEYS_REMEMBERED = 50_000

DimensionRow = tuple[Any, ...]
"""(project_id, key, *attributes), in the order of the dimension's `ATTRIBUTES`."""

FACT_COLUMNS = (
    ("occurred_at", "timestamptz"),
    ("received_at", "timestamptz"),
    ("event_id", "uuid"),
    ("project_id", "int8"),
    ("group_key", "int8"),
    ("culprit_key", "int8"),
    ("exception_key", "int8"),
    ("transaction_key", "int8"),
    ("release_key", "int8"),
    ("environment_key", "int8"),
    ("user_key", "int8"),
    ("server_key", "int8"),
    ("logger_key", "int8"),
    ("client_key", "int8"),
    ("stack_key", "int8"),
    ("trace_id", "uuid"),
    ("sample_weight", "float4"),
    ("http_status", "int2"),
    ("level", "int2"),
    ("time_quality", "int2"),
    ("source", "int2"),
    ("handled", "bool"),
    ("title", "text"),
    ("exception_value", "text"),
    ("message", "text"),
    ("url", "text"),
    ("tags", "jsonb"),
)
"""Columns of the fact that a record fills, with their PostgreSQL types; `loaded_at` is the server's, per batch."""

BATCH_COLUMNS = (*FACT_COLUMNS, ("codec", "int2"), ("body", "bytea"), ("issue_id", "int8"))

_encode_json = msgspec.json.Encoder(order="sorted").encode


class Row(msgspec.Struct, frozen=True):
    """One event ready to load: the values of BATCH_COLUMNS, and what its keys stand for."""

    values: tuple[Any, ...]
    dimensions: tuple[tuple[str, DimensionRow], ...]
    group: DimensionRow
    project: tuple[int, str | None, str | None]
    is_odd_time: bool

    @property
    def identity(self) -> tuple[int, Any]:
        """What an event is known by: (project_id, event_id)."""
        return (self.values[3], self.values[2])

    @property
    def occurred_at(self) -> datetime:
        """When the sender says it happened."""
        moment: datetime = self.values[0]
        return moment


@lru_cache(maxsize=KEYS_REMEMBERED)
def _dimension(table: str, project_id: int, *attributes: Any) -> tuple[str, DimensionRow]:
    return table, (project_id, dimension_key(table, project_id, *attributes), *attributes)


@lru_cache(maxsize=KEYS_REMEMBERED)
def _stack(project_id: int, frames: tuple[Frame, ...], top_frame: str | None) -> tuple[str, DimensionRow]:
    told = _encode_json([{k: v for k, v in msgspec.structs.asdict(frame).items() if v is not None} for frame in frames])
    return "dim_stack", (project_id, dimension_key("dim_stack", project_id, told, top_frame), told.decode(), top_frame)


@lru_cache(maxsize=KEYS_REMEMBERED)
def _group_key(project_id: int, group: str) -> int:
    return dimension_key("dim_group", project_id, group)


def _stored_title(record: EventRecord) -> str | None:
    """Give the title only where the view could not put it together from the other columns."""
    if record.exception_type is not None:
        derived = (
            f"{record.exception_type}: {record.exception_value}" if record.exception_value else record.exception_type
        )
    else:
        derived = record.message if record.message is not None else "<unlabeled event>"
    return None if derived == record.title else record.title


def row(record: EventRecord, project_id: int, compress: Compress | None) -> Row:
    """
    Make one event's row.

    Takes: the record, the project it belongs to, and how its payload is compressed (None: no payload is kept).
    """
    r = record
    dimensions: list[tuple[str, DimensionRow]] = []
    keys: list[int | None] = []

    def point(table: str, *attributes: Any) -> None:
        if any(attributes):
            dimension = _dimension(table, project_id, *attributes)
            dimensions.append(dimension)
            keys.append(dimension[1][1])
        else:
            keys.append(None)

    point("dim_culprit", r.culprit)
    if r.exception_type is None and r.exception_value is None:
        keys.append(None)
    else:
        point("dim_exception", r.exception_type, r.mechanism)
    point("dim_transaction", r.transaction, r.method)
    point("dim_release", r.release, r.dist)
    point("dim_environment", r.environment)
    point("dim_user", r.user_id, r.user_email, r.user_username, r.user_ip, r.user_geo_country)
    point("dim_server", r.server_name)
    point("dim_logger", r.logger)
    point(
        "dim_client",
        r.platform,
        r.sdk_name,
        r.sdk_version,
        r.os_name,
        r.os_version,
        r.browser_name,
        r.browser_version,
        r.runtime_name,
        r.runtime_version,
        r.device_family,
    )
    if r.frames:
        stack = _stack(project_id, r.frames, r.top_frame)
        dimensions.append(stack)
        keys.append(stack[1][1])
    else:
        keys.append(None)
    group_key = _group_key(project_id, r.group)
    fingerprint = None if r.fingerprint is None else list(r.fingerprint)
    return Row(
        values=(
            r.occurred_at,
            r.received_at,
            r.event_id,
            project_id,
            group_key,
            *keys,
            r.trace_id,
            1.0 / r.sample_rate if r.sample_rate else 1.0,
            r.http_status,
            LEVELS[r.level],
            int(r.time_quality),
            int(r.source),
            r.handled,
            _stored_title(r),
            r.exception_value,
            r.message,
            r.url,
            _encode_json(r.tags).decode() if r.tags else None,
            *(compress(r.payload) if compress else (None, None)),
            r.issue_id,
        ),
        dimensions=tuple(dimensions),
        group=(
            project_id,
            group_key,
            r.group,
            r.issue_id,
            None if r.issue_id is None else r.occurred_at,
            r.type,
            r.title,
            r.culprit,
            fingerprint,
            r.issue_url if r.issue_id is not None else None,
        ),
        project=(project_id, r.project_slug, r.project_name),
        is_odd_time=r.time_quality is not TimeQuality.exact,
    )
