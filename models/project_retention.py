"""One project's events and payloads, where it keeps them for less time than the others: set, and deleted by day."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, Engine, text

from models.clock import midnight
from models.errors import ModelsError
from models.leaves import LOCK_SECONDS
from models.removals import note
from models.retention import EVENTS, PAYLOADS, first_day
from models.settings import Settings
from models.turns import take_turns

CHUNK_ROWS = 10_000  # rows of one project deleted in one transaction

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
    ), source_gone as (
        delete from warehouse.event_source s using doomed d
        where s.project_id = d.project_id and s.event_id = d.event_id and s.occurred_at = d.occurred_at
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
# Projects that are called so, or have this id.
FIND = text(
    """
    select project_id, label from warehouse.dim_project
    where :named in (project_id::text, slug, name) order by project_id
    """
)
SET = text(
    """
    update warehouse.dim_project set event_retention_days = :events, payload_retention_days = :payloads
    where project_id = :project_id
    """
)
READ = text(
    """
    select project_id, label, event_retention_days, payload_retention_days from warehouse.dim_project
    where project_id = :project_id
    """
)


class Retention(NamedTuple):
    """For how many days a project keeps its events and payloads; None: as all others."""

    project_id: int
    project: str
    event_days: int | None
    payload_days: int | None


def of_project(connection: Connection, named: str) -> Retention:
    """Read what is set for a project. Raises ModelsError when none, or more than one, is called so."""
    found = connection.execute(FIND, {"named": named}).all()
    if not found:
        raise ModelsError(f"There is no project {named}; `errhouse project list` shows them.")
    if len(found) > 1:
        raise ModelsError(f"{len(found)} projects are called {named}; give an id: {_listed([f[0] for f in found])}.")
    return Retention(*connection.execute(READ, {"project_id": found[0].project_id}).one())


def set_for(connection: Connection, settings: Settings, wanted: Retention) -> None:
    """Set it; raises ModelsError for more days than all others keep, which would have no effect."""
    for what, days, most in (
        ("EVENT", wanted.event_days, settings.EVENT_RETENTION_DAYS or None),
        ("PAYLOAD", wanted.payload_days, settings.PAYLOAD_RETENTION_DAYS),
    ):
        if days is not None and most is not None and days > most:
            raise ModelsError(
                f"ERRHOUSE_{what}_RETENTION_DAYS is {most}, and a project keeps no more; raise it, or give fewer days."
            )
    told = {"project_id": wanted.project_id, "events": wanted.event_days, "payloads": wanted.payload_days}
    connection.execute(SET, told)


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
        first = {EVENTS: first_day(event_days, today), PAYLOADS: first_day(payload_days, today)}
        if payload_days == 0:
            first[PAYLOADS] = today + timedelta(days=1)
        for kind, until in first.items():
            if until is not None:
                for number, count in enumerate(_remove_of_project(engine, kind, project_id, until, at)):
                    counts[number] += count
    if not any(counts):
        return ""
    return f"{counts[0]} events and {counts[1]} payloads were deleted of projects that keep theirs for less time."


def _remove_of_project(engine: Engine, kind: str, project_id: int, first: date, at: datetime) -> tuple[int, int]:
    oldest, gone = (OLDEST_EVENT, EVENTS_GONE) if kind == EVENTS else (OLDEST_PAYLOAD, PAYLOADS_GONE)
    end = midnight(first)
    events = payloads = 0
    last: date | None = None
    while True:
        with engine.begin() as connection:
            found = connection.execute(oldest, {"project_id": project_id, "until": end}).scalar()
        day = found.astimezone(UTC).date() if found else None
        if day is None or day == last:
            return events, payloads
        last = day
        window = {"since": midnight(day), "until": midnight(day + timedelta(days=1))}
        while True:
            with engine.begin() as connection:
                connection.execute(CAREFULLY, {"lock": f"{LOCK_SECONDS}s"})
                take_turns(connection, [project_id])
                told = connection.execute(gone, {"project_id": project_id, "most": CHUNK_ROWS, **window}).one()
                if any(told):
                    key = f"{kind} {project_id} {day}"
                    note(
                        connection, "retention", project_id, (day, day + timedelta(days=1)), (told[0], told[1]), at, key
                    )
            events, payloads = events + told[0], payloads + told[1]
            if not any(told):
                break


def _listed(ids: Sequence[int]) -> str:
    return ", ".join(str(each) for each in ids)
