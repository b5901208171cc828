"""
What is safely in the archive leaves the database: whole partitions where all of it is, else a project's day.

First every page of a file is read and compared with the database, event id by event id, while loaders go on. Then, in a
transaction that no loader of these projects can get into, it is only asked whether anything was touched since. Rollups
stay.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from models.archive_day import Archived, states, touched, window
from models.archive_files import ArchiveError, columns_of_file, read_whole
from models.base import WAREHOUSE
from models.corrections import correcting
from models.leaves import ATTEMPTS, FIRST_PAUSE_SECONDS, LOCK_SECONDS, Standing, is_busy, standing
from models.ownership import as_owner
from models.partitions import Leaf
from models.rebuild import PROJECTS
from models.removals import note
from models.turns import take_turns

ONE_DAY = timedelta(days=1)

# Who loads for a project that nobody knew waits here; locking the partition alone could end in a deadlock with it.
LOCK_PARENTS = "lock table only warehouse.fact_event, only warehouse.event_payload in share row exclusive mode"

CHANGED = "events came or were corrected meanwhile; run the command again"
BOUND = text("select set_config('lock_timeout', :wait, true)")
BY_INDEX = text("select set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)")
PAYLOADS = text(
    """
    select project_id, (occurred_at at time zone 'UTC')::date as day, count(*) as payload_count
    from warehouse.event_payload where occurred_at >= :since and occurred_at < :until group by 1, 2
    """
)
# The very events of a part of a file, with all that hangs on them; what came since is none of them.
EVENTS_GONE = text(
    """
    with told as (
        select * from unnest(cast(:event_ids as uuid[]), cast(:instants as timestamptz[])) as t(event_id, occurred_at)
    ), event_gone as (
        delete from warehouse.fact_event e using told t
        where e.project_id = :project_id and e.event_id = t.event_id and e.occurred_at = t.occurred_at
        and e.occurred_at >= :since and e.occurred_at < :until
        returning 1
    ), payload_gone as (
        delete from warehouse.event_payload p using told t
        where :is_payload_held and p.project_id = :project_id and p.event_id = t.event_id
        and p.occurred_at = t.occurred_at and p.occurred_at >= :since and p.occurred_at < :until
        returning 1
    ), odd_time_gone as (
        delete from warehouse.event_odd_time o using told t
        where o.project_id = :project_id and o.event_id = t.event_id and o.occurred_at = t.occurred_at
    ), source_gone as (
        delete from warehouse.event_source s using told t
        where s.project_id = :project_id and s.event_id = t.event_id and s.occurred_at = t.occurred_at
    )
    select (select count(*) from event_gone), (select count(*) from payload_gone)
    """
)


# What hangs on the events of a partition that goes in the same transaction.
HANGING = text(
    """
    with odd_time_gone as (
        delete from warehouse.event_odd_time where occurred_at >= :since and occurred_at < :until
    )
    delete from warehouse.event_source where occurred_at >= :since and occurred_at < :until
    """
)


class Dropped(NamedTuple):
    """Days of one project, or of all, that were let go of; or `left`, which says why they were not."""

    first: date
    end: date
    project_id: int | None
    event_count: int = 0
    payload_count: int = 0
    left: str | None = None


class _Changed(Exception):
    """The database holds something else than the files by now."""


def drop(
    engine: Engine,
    held: Sequence[Archived],
    before: date,
    at: datetime,
    pause: Callable[[float], None],
    *,
    project_id: int | None = None,
) -> Iterator[Dropped]:
    """
    Let go of what these files hold, partition by partition, and tell of each as it is done.

    Takes: what `archive` told of, with the same `before` and `project_id`; `pause` waits so many seconds.
    Raises: ArchiveError when a file does not hold what it was written with; models.corrections.AnotherCorrects.
    """
    with correcting(engine):
        with engine.connect() as connection:
            there = standing(connection, "fact_event")
        for leaf in there:
            inside = [each for each in held if leaf.days.first <= each.day < leaf.days.end]
            if not inside or leaf.is_pending or leaf.is_marked:
                continue
            payloads = {(each.project_id, each.day): _verified(each) for each in inside}
            if project_id is None and leaf.days.end <= before:
                yield _drop_leaf(engine, leaf, inside, payloads, at, pause)
            else:
                for each in inside:
                    yield _drop_day(engine, each, payloads[each.project_id, each.day], at)


def _verified(each: Archived) -> int | None:
    """Read a file whole, against what it was written with; give how many payloads it holds, None when not asked."""
    found, state = read_whole(each.path), each.manifest.state
    wanted = (state.event_count, state.event_count, state.first_at, state.last_at, state.id_sum)
    said = each.manifest.payload_count
    if found[:5] != wanted or found.payload_count != (said or 0):
        raise ArchiveError(
            f"{each.path} does not hold the {state.event_count} events it was written with, so nothing more is "
            "dropped: remove it and run the command again."
        )
    return said


def _drop_leaf(
    engine: Engine,
    leaf: Standing,
    held: Sequence[Archived],
    payloads: dict[tuple[int, date], int | None],
    at: datetime,
    pause: Callable[[float], None],
) -> Dropped:
    nothing = Dropped(leaf.days.first, leaf.days.end, None)
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        mark = touched(connection, leaf.days)
        try:
            _agree(connection, leaf.days, held, None)
        except _Changed as changed:
            return nothing._replace(left=str(changed))
    for attempt in range(ATTEMPTS):
        try:
            with engine.begin() as connection:
                events, payload_count = _leaf_gone(connection, leaf, mark, held, payloads, at)
        except _Changed as changed:
            return nothing._replace(left=str(changed))
        except DBAPIError as error:
            if not is_busy(error):
                raise
            pause(FIRST_PAUSE_SECONDS * 2.0**attempt)
        else:
            return nothing._replace(event_count=events, payload_count=payload_count)
    return nothing._replace(left="others work with the partition for longer than this waits; run the command again")


def _leaf_gone(
    connection: Connection,
    leaf: Standing,
    mark: tuple[int, datetime | None, int],
    held: Sequence[Archived],
    payloads: dict[tuple[int, date], int | None],
    at: datetime,
) -> tuple[int, int]:
    """
    Drop a partition that is as it was when it agreed with the files, and that of its payloads if they hold them all.

    Detaching `concurrently` would not do: it runs outside of this transaction, and a late event could get in between.
    """
    run = connection.exec_driver_sql
    connection.execute(BOUND, {"wait": f"{LOCK_SECONDS}s"})
    connection.execute(HANGING, window(leaf.days))  # before anybody has to wait: there may be one for each event
    take_turns(connection, connection.execute(PROJECTS).scalars())
    beside = [each for each in standing(connection, "event_payload") if each.days == leaf.days and not each.is_pending]
    with as_owner(connection):
        run(LOCK_PARENTS)
    if touched(connection, leaf.days) != mark:
        raise _Changed(CHANGED)
    counts = {
        (each.project_id, each.day): each.payload_count for each in connection.execute(PAYLOADS, window(leaf.days))
    }
    is_held = all((payloads.get(key) or 0) >= count for key, count in counts.items())
    for each in held:
        gone = counts.get((each.project_id, each.day), 0) if is_held else 0
        _note(connection, each, gone, at)
    doomed = [("fact_event", leaf.table), *(("event_payload", each.table) for each in beside if is_held)]
    with as_owner(connection):
        for parent, table in doomed:
            run(f"alter table {WAREHOUSE}.{parent} detach partition {table}")
            run(f"drop table {table}")
    return sum(each.manifest.state.event_count for each in held), sum(counts.values()) if is_held else 0


def _drop_day(engine: Engine, each: Archived, payload_count: int | None, at: datetime) -> Dropped:
    """Delete the events of one project and day: those of the file, by their ids, all at once."""
    days = Leaf(each.day, each.day + ONE_DAY)
    nothing = Dropped(days.first, days.end, each.project_id)
    number, span = each.project_id, window(days)
    try:
        with engine.begin() as connection:
            take_turns(connection, [number])
            _agree(connection, days, [each], [number])
            found = {row.project_id: row.payload_count for row in connection.execute(PAYLOADS, span)}
        told = {"project_id": number, "is_payload_held": (payload_count or 0) >= found.get(number, 0), **span}
        with engine.begin() as connection:
            # loaders go on meanwhile: none of them adds to the events that are told here
            connection.execute(BY_INDEX)
            events = payloads = 0
            for event_ids, instants in columns_of_file(each.path, ("event_id", "occurred_at")):
                gone = connection.execute(EVENTS_GONE, {**told, "event_ids": event_ids, "instants": instants}).one()
                events, payloads = events + gone[0], payloads + gone[1]
            if events != each.manifest.state.event_count:
                raise _Changed("another took some of its events away; run the command again")  # noqa: TRY301 - rolls back
            _note(connection, each, payloads, at)
    except _Changed as changed:
        return nothing._replace(left=str(changed))
    return nothing._replace(event_count=events, payload_count=payloads)


def _agree(connection: Connection, days: Leaf, held: Iterable[Archived], project_ids: Iterable[int] | None) -> None:
    """Make sure that the database holds what the files hold; raises _Changed."""
    wanted = {(each.project_id, each.day): each.manifest.state for each in held}
    if states(connection, days, project_ids) != wanted:
        raise _Changed(CHANGED)


def _note(connection: Connection, each: Archived, payload_count: int, at: datetime) -> None:
    counts = (each.manifest.state.event_count, payload_count)
    note(connection, "archive", each.project_id, (each.day, each.day + ONE_DAY), counts, at)
