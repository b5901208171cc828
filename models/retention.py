"""
Which days are let go of, and the letting go: whole partitions, and one project's events where it keeps them shorter.

Every removal of events or payloads is noted in `warehouse.removal`, in the transaction that removes. Rollups stay when
events go; they go by ROLLUP_RETENTION_DAYS, and never before the events that they count.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid5

from sqlalchemy import Connection, Engine, text

from models.leaves import LOCK_SECONDS, Busy, Detached, Standing, by_itself, drop_detached, keep, let_go, standing
from models.settings import Settings
from models.turns import take_turns

CHUNK_ROWS = 10_000  # rows of one project deleted in one transaction
REMOVALS = UUID("6d0f9a52-8a0e-4a54-9f1b-0b3f6c2f7d11")
EVENTS = "fact_event"
PAYLOADS = "event_payload"
ROLLUPS = ("rollup_hour", "rollup_day", "rollup_day_culprit")
GROUP_HOURS = "rollup_hour_group"
KEPT_OF = {EVENTS: "events", PAYLOADS: "payloads"}

# What goes of one kind and day adds up in one row, whatever number of transactions it takes.
NOTE = text(
    """
    insert into warehouse.removal as r
        (removal_id, removed_at, reason, project_id, first_on, end_on, event_count, payload_count)
    values (:removal_id, :removed_at, 'retention', :project_id, :first_on, :end_on, :event_count, :payload_count)
    on conflict (removal_id) do update set removed_at = excluded.removed_at,
        event_count = r.event_count + excluded.event_count, payload_count = r.payload_count + excluded.payload_count
    """
)
# A chunk waits for no lock for long, and finds its rows by their key: hashing whole partitions costs more each time.
CAREFULLY = text(
    """
    select set_config('lock_timeout', :lock, true), set_config('enable_hashjoin', 'off', true),
        set_config('enable_mergejoin', 'off', true)
    """
)
SHORTER = text(
    """
    select project_id, event_retention_days, payload_retention_days from warehouse.dim_project
    where event_retention_days is not null or payload_retention_days is not null order by project_id
    """
)
OLDEST_EVENT = text(
    "select min(occurred_at) from warehouse.fact_event where project_id = :project_id and occurred_at < :until"
)
OLDEST_PAYLOAD = text(
    "select min(occurred_at) from warehouse.event_payload where project_id = :project_id and occurred_at < :until"
)
# Some events of a project and day, with all that hangs on them.
EVENTS_GONE = text(
    """
    with doomed as (
        select project_id, event_id, occurred_at from warehouse.fact_event
        where project_id = :project_id and occurred_at >= :since and occurred_at < :until limit :most
    ), event_gone as (
        delete from warehouse.fact_event e using doomed d
        where e.project_id = d.project_id and e.event_id = d.event_id and e.occurred_at = d.occurred_at
        and e.occurred_at >= :since and e.occurred_at < :until
        returning 1
    ), payload_gone as (
        delete from warehouse.event_payload p using doomed d
        where p.project_id = d.project_id and p.event_id = d.event_id and p.occurred_at = d.occurred_at
        and p.occurred_at >= :since and p.occurred_at < :until
        returning 1
    ), odd_time_gone as (
        delete from warehouse.event_odd_time o using doomed d
        where o.project_id = d.project_id and o.event_id = d.event_id and o.occurred_at = d.occurred_at
    )
    select (select count(*) from event_gone), (select count(*) from payload_gone)
    """
)
# Some payloads of a project and day.
PAYLOADS_GONE = text(
    """
    with doomed as (
        select project_id, event_id, occurred_at from warehouse.event_payload
        where project_id = :project_id and occurred_at >= :since and occurred_at < :until limit :most
    ), payload_gone as (
        delete from warehouse.event_payload p using doomed d
        where p.project_id = d.project_id and p.event_id = d.event_id and p.occurred_at = d.occurred_at
        and p.occurred_at >= :since and p.occurred_at < :until
        returning 1
    )
    select 0, (select count(*) from payload_gone)
    """
)
# Days of users that are older than the rollups kept; a row a project and day.
USERS_GONE = text("delete from warehouse.rollup_day_user where day < :first")


class Kept(NamedTuple):
    """The first day of which each kind is kept; None: of all days."""

    events: date | None
    payloads: date | None
    rollups: date | None
    group_hours: date | None


def kept(settings: Settings, today: date) -> Kept:
    """
    Give the days from which on things are kept.

    Payloads go no later than their events, rollups no earlier. A day is let go of when it has ended so many days ago.
    """
    events = _first(settings.EVENT_RETENTION_DAYS, today)
    payloads = max(today - timedelta(days=settings.PAYLOAD_RETENTION_DAYS), events or date.min)
    rollups = _first(settings.ROLLUP_RETENTION_DAYS, today)
    return Kept(
        events,
        payloads,
        min(rollups, events) if rollups and events else None,
        today - timedelta(days=settings.HOUR_GROUP_RETENTION_DAYS),
    )


def remove_partitions(
    engine: Engine, parents: tuple[str, ...], first: date | None, at: datetime, pause: Callable[[float], None]
) -> str:
    """
    Let go of the partitions that end before the first day kept, and drop them; say what was done.

    With today as the first day kept, those that hold rows go even if they have not ended: nothing is kept.
    Raises: Busy when one was in use for too long, after the others were seen to; sqlalchemy.exc.DBAPIError.
    """
    busy: list[Busy] = []
    for parent in parents:
        with engine.connect() as connection:
            found = standing(connection, parent)
        # one that is half detached stands in the way of the others
        for leaf in sorted(found, key=lambda each: not each.is_pending):
            if leaf.is_pending or (first is not None and _is_over(engine, leaf, first, at.date())):
                try:
                    let_go(engine, parent, leaf, pause)
                except Busy as error:
                    busy.append(error)
            elif leaf.is_marked:
                keep(engine, leaf)
    gone = drop_detached(engine, lambda connection, each, count: _note_leaf(connection, each, count, at))
    if busy:
        raise busy[0]
    rows = sum(count for _, count in gone)
    return f"{len(gone)} partitions with {rows} rows were let go of." if gone else "Nothing was old enough to go."


def remove_of_projects(engine: Engine, at: datetime) -> str:
    """
    Delete the events and payloads of projects that keep theirs for less time, day by day; say what was done.

    Loaders of a project wait for a chunk at a time.
    """
    today = at.date()
    with engine.connect() as connection:
        shorter = connection.execute(SHORTER).all()
    counts = [0, 0]
    for project_id, event_days, payload_days in shorter:
        first = {EVENTS: _first(event_days, today), PAYLOADS: _first(payload_days, today)}
        if payload_days == 0:
            first[PAYLOADS] = today + timedelta(days=1)
        for kind, until in first.items():
            if until is not None:
                for number, count in enumerate(_remove_of_project(engine, kind, project_id, until, at)):
                    counts[number] += count
    if not any(counts):
        return "No project had events or payloads older than it keeps."
    return f"{counts[0]} events and {counts[1]} payloads were deleted of projects that keep theirs for less time."


def _is_over(engine: Engine, leaf: Standing, first: date, today: date) -> bool:
    if leaf.days.end <= first:
        return True
    if first < today or leaf.days.first > today:
        return False
    with by_itself(engine) as connection:
        return bool(connection.exec_driver_sql(f"select exists (select from {leaf.table})").scalar())  # noqa: S608 - from the catalog


def remove_users_of_days(engine: Engine, first: date | None) -> str:
    """Delete the days of `rollup_day_user` before the first that is kept; say what was done."""
    if first is None:
        return "They are kept for ever."
    with engine.begin() as connection:
        gone = connection.execute(USERS_GONE, {"first": first}).rowcount
    return f"{gone} rows were deleted." if gone else "Nothing was old enough to go."


def _remove_of_project(engine: Engine, kind: str, project_id: int, first: date, at: datetime) -> tuple[int, int]:
    oldest, gone = (OLDEST_EVENT, EVENTS_GONE) if kind == EVENTS else (OLDEST_PAYLOAD, PAYLOADS_GONE)
    end = _midnight(first)
    events = payloads = 0
    last: date | None = None
    while True:
        with engine.begin() as connection:
            found = connection.execute(oldest, {"project_id": project_id, "until": end}).scalar()
        day = found.astimezone(UTC).date() if found else None
        if day is None or day == last:
            return events, payloads
        last = day
        window = {"since": _midnight(day), "until": _midnight(day + timedelta(days=1))}
        while True:
            with engine.begin() as connection:
                connection.execute(CAREFULLY, {"lock": f"{LOCK_SECONDS}s"})
                take_turns(connection, [project_id])
                told = connection.execute(gone, {"project_id": project_id, "most": CHUNK_ROWS, **window}).one()
                if any(told):
                    key = f"{kind} {project_id} {day}"
                    _note(connection, key, project_id, (day, day + timedelta(days=1)), (told[0], told[1]), at)
            events, payloads = events + told[0], payloads + told[1]
            if not any(told):
                break


def _note_leaf(connection: Connection, each: Detached, count: int, at: datetime) -> None:
    if each.parent in KEPT_OF and count:
        counts = (count, 0) if each.parent == EVENTS else (0, count)
        _note(connection, f"{each.parent} {each.days.first} {each.days.end}", None, each.days, counts, at)


def _note(
    connection: Connection,
    key: str,
    project_id: int | None,
    days: tuple[date, date],
    counts: tuple[int, int],
    at: datetime,
) -> None:
    told = {"removal_id": uuid5(REMOVALS, key), "removed_at": at, "project_id": project_id}
    told |= {"first_on": days[0], "end_on": days[1], "event_count": counts[0], "payload_count": counts[1]}
    connection.execute(NOTE, told)


def _first(days: int | None, today: date) -> date | None:
    return today - timedelta(days=days) if days else None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
