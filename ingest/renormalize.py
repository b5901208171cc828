"""
Today's rules, applied to what was loaded before: facts and rollups are corrected, one transaction for each UTC day.

What an event is known by and when it happened never change. The events of a day are read again first, while loading
goes on; only the rows that come out different are then changed, with the projects' turns taken.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, text

from ingest.dimensions import KnownDimensions, insert_dimensions, marks
from ingest.errors import MalformedPayload
from ingest.rows import FACT_COLUMNS, Row
from ingest.stored_event import CORRECTED, StoredEvent, row_again
from models.clock import midnight
from models.corrections import ALL_IS_FETCHED, correcting, hold_patiently
from models.payloads import Codebook
from models.rebuild import rebuild

CHUNK_EVENTS = 2000  # of which payloads and rows are in memory at a time

_IDENTITY = "project_id, event_id, occurred_at"
_NAMES = tuple(name for name, _ in CORRECTED)
_KEYS = tuple(name for name in _NAMES if name.endswith("_key") and name != "group_key")
_COLUMNS = (
    *(each for each in FACT_COLUMNS if each[0] in {"project_id", "event_id", "occurred_at"}),
    *CORRECTED,
    ("dimensions", "bytea"),
)
_DECLARED = ", ".join(f"{name} {'text' if kind == 'jsonb' else kind}" for name, kind in _COLUMNS)
_TOLD = tuple(f"c.{name}::jsonb" if kind == "jsonb" else f"c.{name}" for name, kind in CORRECTED)
_IS_OTHER = (
    f"({', '.join(f'e.{name}' for name in _NAMES)}) is distinct from ({', '.join(_TOLD)})"  # names are our constants
)
_SAME_EVENT = (
    "e.project_id = c.project_id and e.event_id = c.event_id and e.occurred_at = c.occurred_at "
    "and e.occurred_at >= :since and e.occurred_at < :until"
)

# Rows as they would be today: of the chunk at hand, and those of the day that differ from what is stored.
MAKE_TABLES = (
    text(f"create temporary table if not exists reread ({_DECLARED}) on commit delete rows"),
    text(f"create temporary table if not exists correction ({_DECLARED}) on commit delete rows"),
)
CLEAR_CHUNK = text("truncate reread")
COPY_CHUNK = "copy reread from stdin (format binary)"

COUNT_EVENTS = text(
    """
    select count(*) from warehouse.fact_event
    where occurred_at >= :since and occurred_at < :until
    and (cast(:project_id as bigint) is null or project_id = :project_id)
    """
)
READ_EVENTS = text(
    f"""
    select p.codec, p.body, e.occurred_at, e.received_at, e.event_id, e.project_id, e.source, e.time_quality,
        e.sample_weight, e.group_key, g.group_hash, u.user_key is not null as is_user_known, u.ip as user_ip,
        {", ".join(f"e.{name}" for name in _KEYS)}
    from warehouse.fact_event e
    join warehouse.event_payload p
        on p.project_id = e.project_id and p.event_id = e.event_id and p.occurred_at = e.occurred_at
    left join warehouse.dim_user u on u.project_id = e.project_id and u.user_key = e.user_key
    left join warehouse.dim_group g on g.project_id = e.project_id and g.group_key = e.group_key
    where e.occurred_at >= :since and e.occurred_at < :until
    and p.occurred_at >= :since and p.occurred_at < :until
    and (cast(:project_id as bigint) is null or e.project_id = :project_id)
    """  # noqa: S608 - names are our constants
)
KEEP_OTHERS = text(
    f"""
    insert into correction select c.* from reread c join warehouse.fact_event e on {_SAME_EVENT} where {_IS_OTHER}
    """  # noqa: S608 - names are our constants
)
ANALYZE = text("analyze correction")
TOUCHED = text("select distinct project_id from correction order by project_id")
COUNT_OTHERS = text(
    f"""
    select count(*) as rows,
        {", ".join(f"count(*) filter (where e.{n} is distinct from {t}) as {n}" for n, t in zip(_NAMES, _TOLD, strict=True))}
    from correction c join warehouse.fact_event e on {_SAME_EVENT}
    """  # noqa: E501, S608 - names are our constants
)
READ_DIMENSIONS = text("select dimensions from correction")

# A group that events moved to belongs to the issue that they were counted to, unless it is told otherwise itself.
CARRY_ISSUES = text(
    f"""
    with moved as (
        select distinct on (c.project_id, c.group_key) c.project_id, c.group_key, o.issue_id, o.issue_told_at
        from correction c join warehouse.fact_event e on {_SAME_EVENT}
        join warehouse.dim_group o on o.project_id = e.project_id and o.group_key = e.group_key
        where c.group_key <> e.group_key and o.issue_id is not null
        order by c.project_id, c.group_key, o.issue_told_at desc nulls last, o.issue_id
    )
    update warehouse.dim_group g set issue_id = moved.issue_id, issue_told_at = moved.issue_told_at
    from moved
    where g.project_id = moved.project_id and g.group_key = moved.group_key and g.issue_id is null
    """  # noqa: S608 - names are our constants
)
CORRECT = text(
    f"""
    update warehouse.fact_event e set {", ".join(f"{n} = {t}" for n, t in zip(_NAMES, _TOLD, strict=True))}
    from correction c where {_SAME_EVENT}
    """  # noqa: S608 - names are our constants
)

_PLACE = {name: place for place, (name, _) in enumerate(FACT_COLUMNS)}
_STREAM = {"stream_results": True, "max_row_buffer": CHUNK_EVENTS}
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Row).decode


class Day(NamedTuple):
    """What one UTC day came to: `changed_count` rows, and how many of them in each column."""

    day: date
    event_count: int
    without_payload_count: int
    refused_count: int
    changed_count: int
    columns: dict[str, int]


def renormalize(
    engine: Engine,
    days: Sequence[date],
    at: datetime,
    group_hour_days: int,
    project_id: int | None = None,
    *,
    is_dry: bool = False,
) -> Iterator[Day]:
    """
    Read the events of these days again and correct what differs; give each day once it is committed.

    Takes:  `at`, the time it is; `group_hour_days`, for how many days hours of single groups are kept.
    Raises: AnotherCorrects; sqlalchemy.exc.DBAPIError: the days that were given are done, the others are as they were.
    """
    with correcting(engine):
        for day in days:
            with engine.begin() as connection:
                done = _day(connection, day, at, group_hour_days, project_id, is_dry=is_dry)
            yield done


def _day(
    connection: Connection, day: date, at: datetime, group_hour_days: int, project_id: int | None, *, is_dry: bool
) -> Day:
    since = midnight(day)
    told: dict[str, object] = {"since": since, "until": since + timedelta(days=1)}
    for statement in MAKE_TABLES:
        connection.execute(statement)
    read, refused = _reread(connection, {**told, "project_id": project_id}, told)
    events = connection.execute(COUNT_EVENTS, {**told, "project_id": project_id}).scalar_one()
    connection.execute(ANALYZE)
    touched = list(connection.execute(TOUCHED).scalars())
    if touched and not is_dry:
        hold_patiently(connection, touched)
    counts = dict(connection.execute(COUNT_OTHERS, told).mappings().one())
    changed = counts.pop("rows")
    if changed and not is_dry:
        _insert_dimensions(connection, at)
        connection.execute(CARRY_ISSUES, told)
        connection.execute(CORRECT, told)
        rebuild(connection, day, at.date(), group_hour_days, touched)
    return Day(day, events, events - read, refused, changed, {name: count for name, count in counts.items() if count})


def _reread(connection: Connection, asked: dict[str, object], window: dict[str, object]) -> tuple[int, int]:
    """Collect the rows that differ, chunk by chunk; give how many payloads were read, and how many refused."""
    connection.execute(ALL_IS_FETCHED)
    codebook = Codebook.read(connection)
    read = refused = 0
    with connection.execute(READ_EVENTS, asked, execution_options=_STREAM) as found:
        for chunk in found.partitions(CHUNK_EVENTS):
            rows: list[Row] = []
            for each in chunk:
                read += 1
                codec, body, *told = tuple(each)
                keys = dict(zip(_KEYS, told[-len(_KEYS) :], strict=True))
                stored = StoredEvent._make((*told[: -len(_KEYS)], keys))
                try:
                    rows.append(row_again(stored, codebook.decompress(codec, body)))
                except MalformedPayload:
                    refused += 1
            _copy(connection, rows)
            connection.execute(KEEP_OTHERS, window)
            connection.execute(CLEAR_CHUNK)
    return read, refused


def _copy(connection: Connection, rows: Sequence[Row]) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - an open connection has one
    places = [_PLACE[name] for name, _ in _COLUMNS[:-1]]
    with driver.cursor() as cursor, cursor.copy(COPY_CHUNK) as copy:
        copy.set_types(["text" if kind == "jsonb" else kind for _, kind in _COLUMNS])
        for row in rows:
            bare = msgspec.structs.replace(row, values=(*row.values[:2], None, row.values[3]))
            copy.write_row((*(row.values[place] for place in places), _pack(bare)))


def _insert_dimensions(connection: Connection, at: datetime) -> None:
    known = KnownDimensions()
    with connection.execute(READ_DIMENSIONS, execution_options=_STREAM) as found:
        for chunk in found.scalars().partitions(CHUNK_EVENTS):
            rows = [_unpack(bytes(each)) for each in chunk]
            insert_dimensions(connection, rows, at, known)
            known.remember(marks(rows))
