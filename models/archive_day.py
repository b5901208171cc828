"""
One day's files as one snapshot tells it: project after project, as rows come from the server.

Sorted by instant, then event id, so that a file that is written again can be read beside the rows.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, text

from models.archive_files import PAYLOAD, ArchiveError, Manifest, State, columns_of_file, id_sum, manifest
from models.archive_writer import Writer
from models.clock import midnight
from models.partitions import Leaf
from models.payloads import Codebook
from models.views.events import EVENTS

FETCH_ROWS = 2_000
FETCH_PAYLOADS = 200
ADDED_BYTES = 8 * 1024 * 1024  # of payloads turned into columns at once

NAMES = tuple(column.name for column in EVENTS.columns)
PROJECT_AT, OCCURRED_AT, EVENT_AT = (NAMES.index(name) for name in ("project_id", "occurred_at", "event_id"))
_AS_TEXT = ("uuid", "jsonb")
_COLUMNS = ", ".join(f"e.{each.name}{'::text' if each.type in _AS_TEXT else ''}" for each in EVENTS.columns)
_OF_DAY = "e.occurred_at >= :since and e.occurred_at < :until and e.project_id = any(:project_ids)"
_HALF = "sum(('x' || {}(replace(event_id::text, '-', ''), 16))::bit(64)::bigint)"

# What identifies the events of each project and day.
STATES = text(
    f"""
    select project_id, (occurred_at at time zone 'UTC')::date as day, count(*) as event_count,
        min(occurred_at) as first_at, max(occurred_at) as last_at, max(loaded_at) as loaded_until,
        {_HALF.format("left")} as high, {_HALF.format("right")} as low, sum(xmin::text::bigint) as version_sum
    from warehouse.fact_event
    where occurred_at >= :since and occurred_at < :until
    and (cast(:project_ids as bigint[]) is null or project_id = any(:project_ids)) group by 1, 2
    """  # noqa: S608 - parts are ours
)
# Whether anything came or changed since it was compared: one pass over the rows, without reading what they hold.
TOUCHED = text(
    """
    select count(*) as event_count, max(loaded_at) as loaded_until, sum(xmin::text::bigint) as version_sum
    from warehouse.fact_event where occurred_at >= :since and occurred_at < :until
    """
)
# A cursor is planned for its first rows otherwise.
ALL_IS_FETCHED = text("select set_config('cursor_tuple_fraction', '1', true)")

# As analytics.events tells them, but read with our own rights, whatever row-level security shows of the view.
ROWS = text(
    f"""
    select {_COLUMNS} from ({EVENTS.sql}) e where {_OF_DAY}
    order by e.project_id, e.occurred_at, e.event_id
    """  # noqa: S608 - parts are ours
)
ROWS_WITH_PAYLOADS = text(
    f"""
    select {_COLUMNS}, p.codec, p.body from ({EVENTS.sql}) e
    left join warehouse.event_payload p on p.project_id = e.project_id and p.event_id = e.event_id
        and p.occurred_at = e.occurred_at and p.occurred_at >= :since and p.occurred_at < :until
    where {_OF_DAY} order by e.project_id, e.occurred_at, e.event_id
    """  # noqa: S608 - parts are ours
)


class Archived(NamedTuple):
    """What holds a project and day now; `what` is written, rewritten or kept."""

    project_id: int
    day: date
    path: Path
    manifest: Manifest
    file_bytes: int
    what: str


class Task(NamedTuple):
    """A file to write; `former` is what stands under its name."""

    path: Path
    former: Manifest | None
    has_payloads: bool


def write_day(
    engine: Engine, day: date, tasks: dict[int, Task], at: datetime, schema_version: str
) -> Iterator[Archived]:
    """Write the files of one day as one snapshot tells it."""
    span = Leaf(day, day + timedelta(days=1))
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    for is_wanted in (False, True):
        ids = sorted(each for each, task in tasks.items() if task.has_payloads is is_wanted)
        if ids:
            with snapshot.connect() as connection:
                true = states(connection, span, ids)
                for number, writer in _written(connection, span, {each: tasks[each] for each in ids}):
                    state = true[number, day]
                    if writer.event_count != state.event_count:
                        writer.abandon()
                        raise ArchiveError(
                            f"Of {state.event_count} events of project {number} on {day} {writer.event_count} can be "
                            "read; run `errhouse db archive` as the owner or the loader of the warehouse."
                        )
                    size = writer.close(number, day, state, at, schema_version)
                    what = "written" if tasks[number].former is None else "rewritten"
                    yield Archived(number, day, writer.path, manifest(writer.path), size, what)


def states(connection: Connection, days: Leaf, project_ids: Iterable[int] | None) -> dict[tuple[int, date], State]:
    """Read what the database holds of these projects, or of all, on these days."""
    ids = None if project_ids is None else sorted(project_ids)
    found = connection.execute(STATES, {**window(days), "project_ids": ids})
    return {
        (row.project_id, row.day): State(
            row.event_count,
            row.first_at,
            row.last_at,
            row.loaded_until,
            id_sum(int(row.high), int(row.low)),
            int(row.version_sum),
        )
        for row in found
    }


def touched(connection: Connection, days: Leaf) -> tuple[int, datetime | None, int]:
    """Read what changes whenever an event of these days comes, goes or is corrected; seconds for millions of rows."""
    row = connection.execute(TOUCHED, window(days)).one()
    return row.event_count, row.loaded_until, int(row.version_sum or 0)


def window(days: Leaf) -> dict[str, datetime]:
    """Give the instants between which these days lie."""
    since, until = (midnight(day) for day in days)
    return {"since": since, "until": until}


def _written(connection: Connection, span: Leaf, tasks: dict[int, Task]) -> Iterator[tuple[int, Writer]]:
    """Write project after project as rows come in; give each writer when all its rows are in."""
    has_payloads = next(iter(tasks.values())).has_payloads
    books = Codebook.read(connection)
    connection.execute(ALL_IS_FETCHED)
    fetched = FETCH_PAYLOADS if has_payloads else FETCH_ROWS
    result = connection.execution_options(stream_results=True, max_row_buffer=fetched).execute(
        ROWS_WITH_PAYLOADS if has_payloads else ROWS, {**window(span), "project_ids": sorted(tasks)}
    )
    writer: Writer | None = None
    number = 0
    kept = _Kept(None)
    try:
        for part in result.partitions(fetched):
            for project_id, rows in groupby(part, key=itemgetter(PROJECT_AT)):
                if writer is None or project_id != number:
                    if writer is not None:
                        yield number, writer
                    number, task = project_id, tasks[project_id]
                    kept = _Kept(task.path if task.former is not None and task.former.payload_count else None)
                    writer = Writer(task.path, has_payloads=has_payloads)
                if has_payloads:
                    for some in _with_payloads(rows, books, kept):
                        writer.add(some)
                else:
                    writer.add(list(rows))
        if writer is not None:
            yield number, writer
    except BaseException:
        if writer is not None:
            writer.abandon()
        raise


def _with_payloads(rows: Iterable[Row[Any]], books: Codebook, kept: "_Kept") -> Iterator[list[tuple[Any, ...]]]:
    some: list[tuple[Any, ...]] = []
    size = 0
    for row in rows:
        *values, codec, body = tuple(row)
        if body is None:
            payload = kept.find((values[OCCURRED_AT], values[EVENT_AT]))
        else:
            payload = books.decompress(codec, bytes(body)).decode("utf-8", "replace")
        size += len(payload or "")
        some.append((*values, payload))
        if size > ADDED_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


class _Kept:
    """Payloads of the file that is written again, for events whose payloads the database has let go of since."""

    def __init__(self, path: Path | None) -> None:
        parts = columns_of_file(path, ("occurred_at", "event_id", PAYLOAD)) if path else ()
        self._rows = (row for part in parts for row in zip(*part, strict=True))
        self._next = next(self._rows, None)

    def find(self, key: tuple[datetime, str]) -> str | None:
        """Give the payload of an event; asked in the order of the file."""
        while self._next is not None and self._next[:2] < key:
            self._next = next(self._rows, None)
        return self._next[2] if self._next is not None and self._next[:2] == key else None
