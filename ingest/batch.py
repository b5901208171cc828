"""
The statements of loading: a batch of rows into the fact, and its payloads beside it, over one open transaction.

Identity is (project_id, event_id), though forms round or correct an event's time differently. The primary key alone
cannot hold that across partitions, so a batch is also compared with the rows from a day before its first to a day
after its last instant, with `event_odd_time`, and, for rows of doubtful time, with every partition. Loaders of the same
project take turns by a transaction-level advisory lock, so two forms of one event cannot race each other in.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from ingest.dimensions import KnownDimensions, insert_dimensions
from ingest.groups import fill_issues
from ingest.rows import BATCH_COLUMNS, FACT_COLUMNS, Row
from ingest.twins import insert_sources, is_conflict, twins_of
from models import failpoints
from models.delta import DELTA_COLUMNS, DELTA_GROUP, DELTA_SELECT

ONE_DAY = timedelta(days=1)

# The batch as COPY brings it; emptied at each commit, local to the connection, never in the write-ahead log.
BATCH_TABLE = text(
    "create temporary table if not exists batch_event ("
    + ", ".join(f"{name} {'text' if kind == 'jsonb' else kind}" for name, kind in BATCH_COLUMNS)
    + ") on commit delete rows"
)
COPY_BATCH = "copy batch_event from stdin (format binary)"

# Every probe must walk an index: a fresh partition has no statistics, and the planner may think it small.
PLAN_BY_INDEX = text("select set_config('enable_seqscan', 'off', true)")

# Rows of doubtful time that already have a twin, wherever it lies.
DROP_KNOWN_ODD = text(
    """
    delete from batch_event b
    where b.time_quality <> 0 and exists (
        select from warehouse.fact_event e where e.project_id = b.project_id and e.event_id = b.event_id offset 0
    )
    """
)

_FACT = ", ".join(name for name, _ in FACT_COLUMNS)
_FRESH = ", ".join(f"b.{name}::jsonb" if kind == "jsonb" else f"b.{name}" for name, kind in FACT_COLUMNS)

# The batch becomes rows: what is new goes into the fact, its payload beside it, what it adds to the counts into the
# deltas, and we are told which they were.
# `offset 0` keeps each search for a twin a probe per row, whatever the planner thinks of hashing whole partitions.
INSERT_EVENTS = text(
    f"""
    with event_inserted as (
        insert into warehouse.fact_event ({_FACT}, loaded_at)
        select {_FRESH}, :loaded_at
        from batch_event b
        where not exists (
            select from warehouse.fact_event e
            where e.project_id = b.project_id and e.event_id = b.event_id
            and e.occurred_at >= :since and e.occurred_at < :until
            offset 0
        ) and not exists (
            select from warehouse.event_odd_time o where o.project_id = b.project_id and o.event_id = b.event_id
            offset 0
        )
        order by b.project_id, b.occurred_at
        on conflict (project_id, event_id, occurred_at) do nothing
        returning project_id, event_id, occurred_at, received_at, loaded_at, group_key, culprit_key, environment_key,
            release_key, user_key, level, sample_weight, handled, time_quality
    ), payload_inserted as (
        insert into warehouse.event_payload (project_id, event_id, occurred_at, codec, body)
        select i.project_id, i.event_id, i.occurred_at, b.codec, b.body
        from event_inserted i join batch_event b on b.project_id = i.project_id and b.event_id = i.event_id
        where b.body is not null
        on conflict (project_id, event_id, occurred_at) do nothing
    ), odd_time_inserted as (
        insert into warehouse.event_odd_time (project_id, event_id, occurred_at)
        select project_id, event_id, occurred_at from event_inserted where time_quality <> 0
        on conflict (project_id, event_id) do nothing
    ), delta_inserted as (
        insert into warehouse.rollup_delta ({DELTA_COLUMNS})
        {DELTA_SELECT} from event_inserted {DELTA_GROUP}
    )
    select project_id, event_id from event_inserted
    """  # noqa: S608 - column names are our constants
)


class Loaded(NamedTuple):
    """
    What became of a batch: how many rows are new, and how many events had one already.

    `conflicts`: the places of those, in the batch, that are none of both, for another event has their id.
    """

    new: int
    known: int
    conflicts: tuple[int, ...] = ()


def insert_rows(connection: Connection, rows: Sequence[Row], loaded_at: datetime, known: KnownDimensions) -> Loaded:
    """
    Load rows over an open transaction that has taken its turn.

    The caller commits, and then calls `known.remember(marks(rows))`, for the rows that went in.

    Raises: sqlalchemy.exc.DBAPIError; `ingest.sqlstate.verdict` tells what it means.
    """
    if not rows:
        return Loaded(0, 0)
    unique: dict[tuple[int, UUID], Row] = {}
    for row in rows:
        unique.setdefault(row.identity, row)
    since = min(row.occurred_at for row in rows) - ONE_DAY
    until = max(row.occurred_at for row in rows) + ONE_DAY
    insert_dimensions(connection, rows, loaded_at, known)
    failpoints.passed(failpoints.DIMENSIONS_SENT)
    connection.execute(BATCH_TABLE)
    _copy(connection, unique.values())
    failpoints.passed(failpoints.COPY_DONE)
    connection.execute(PLAN_BY_INDEX)
    if any(row.is_odd_time for row in unique.values()):
        connection.execute(DROP_KNOWN_ODD)
    window = {"since": since, "until": until}
    inserted = {
        (project_id, event_id)
        for project_id, event_id in connection.execute(
            INSERT_EVENTS, {"loaded_at": loaded_at, "batch_id": uuid4(), **window}
        )
    }
    failpoints.passed(failpoints.MERGED)
    if len(inserted) == len(rows):
        return Loaded(len(rows), 0)
    fresh = {id(unique[identity]) for identity in inserted}
    again = [place for place, row in enumerate(rows) if id(row) not in fresh]
    conflicts = _meet(connection, rows, again, window, known)
    return Loaded(len(inserted), len(again) - len(conflicts), conflicts)


def _meet(
    connection: Connection,
    rows: Sequence[Row],
    again: Sequence[int],
    window: dict[str, datetime],
    known: KnownDimensions,
) -> tuple[int, ...]:
    """Note what the rows at these places tell of events that have their rows already; give those that conflict."""
    twins = twins_of(connection, [rows[place] for place in again], window)
    conflicts = []
    met = []
    for place, twin in zip(again, twins, strict=True):
        if twin is not None and is_conflict(rows[place], twin):
            conflicts.append(place)
        elif twin is not None:
            met.append((rows[place], twin))
    insert_sources(connection, met)
    told = [
        (row.identity[0], twin.group_key, row.values[-1], twin.occurred_at)
        for row, twin in met
        if row.values[-1] is not None
    ]
    for has in fill_issues(connection, told):
        known.has_issue(*has)
    return tuple(conflicts)


def _copy(connection: Connection, rows: Collection[Row]) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - an open connection has one
    with driver.cursor() as cursor, cursor.copy(COPY_BATCH) as copy:
        copy.set_types(["text" if kind == "jsonb" else kind for _, kind in BATCH_COLUMNS])
        failpoints.passed(failpoints.COPY_BEGUN)
        for number, row in enumerate(rows):
            if number == len(rows) // 2:
                failpoints.passed(failpoints.COPY_HALF)
            copy.write_row(row.values)
