"""
Events deleted on request, by id or by issue: rows, payloads and what they added to every count, a day a transaction.

The removal is noted, so that the audit adds up. An event that is sent again afterwards is loaded as a new one.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from models.clock import midnight
from models.corrections import correcting
from models.rebuild import hold, rebuild
from models.removals import note

# Events by their ids, or those of an issue's groups; one of the two lists is empty.
_ASKED = """
    project_id = :project_id and (event_id = any(cast(:event_ids as uuid[]))
        or group_key = any(cast(:group_keys as bigint[])))
"""
GROUPS = text(
    """
    select group_key from warehouse.dim_group
    where project_id = :project_id and (issue_id = :issue_id or public_issue_id = :issue_id)
    """
)
DAYS = text(
    f"""
    select (occurred_at at time zone 'UTC')::date, count(*) from warehouse.fact_event where {_ASKED}
    group by 1 order by 1
    """  # noqa: S608 - parts are ours
)
# Events of one day, with all that hangs on them.
DELETED = text(
    f"""
    with event_gone as (
        delete from warehouse.fact_event where {_ASKED} and occurred_at >= :since and occurred_at < :until
        returning project_id, event_id, occurred_at
    ), payload_gone as (
        delete from warehouse.event_payload p using event_gone e
        where p.project_id = e.project_id and p.event_id = e.event_id and p.occurred_at = e.occurred_at
        and p.occurred_at >= :since and p.occurred_at < :until
        returning 1
    ), odd_time_gone as (
        delete from warehouse.event_odd_time o using event_gone e
        where o.project_id = e.project_id and o.event_id = e.event_id and o.occurred_at = e.occurred_at
    ), source_gone as (
        delete from warehouse.event_source s using event_gone e
        where s.project_id = e.project_id and s.event_id = e.event_id and s.occurred_at = e.occurred_at
    )
    select (select count(*) from event_gone), (select count(*) from payload_gone)
    """  # noqa: S608 - parts are ours
)


class Asked(NamedTuple):
    """Which events: of one project, those with these ids, or those of these groups."""

    project_id: int
    event_ids: Sequence[UUID] = ()
    group_keys: Sequence[int] = ()

    def told(self) -> dict[str, object]:
        """Give the parameters of the statements."""
        return {
            "project_id": self.project_id,
            "event_ids": [str(each) for each in self.event_ids],
            "group_keys": list(self.group_keys),
        }


class DayOfEvents(NamedTuple):
    """How many of the events occurred on a UTC day."""

    day: date
    event_count: int
    payload_count: int | None = None


def groups_of(connection: Connection, project_id: int, issue_id: int) -> list[int]:
    """Give the groups of an issue, by Sentry's id or by the one that views call it."""
    return list(connection.execute(GROUPS, {"project_id": project_id, "issue_id": issue_id}).scalars())


def matched(connection: Connection, asked: Asked) -> list[DayOfEvents]:
    """Count what a deletion would delete, by day."""
    return [DayOfEvents(day, count) for day, count in connection.execute(DAYS, asked.told())]


def delete(engine: Engine, asked: Asked, at: datetime, group_hour_days: int) -> Iterator[DayOfEvents]:
    """
    Delete day by day, and tell of each day once it is committed. Loaders of the project wait for one day at a time.

    Raises: NothingToRebuildFrom for a day of which other events were let go of: its rollups are all that is left of
    them, and cannot be made again; days before it are done. models.corrections.AnotherCorrects.
    """
    with correcting(engine):
        with engine.connect() as connection:
            days = [each.day for each in matched(connection, asked)]
        for day in days:
            yield _delete_day(engine, asked, day, at, group_hour_days)


def _delete_day(engine: Engine, asked: Asked, day: date, at: datetime, group_hour_days: int) -> DayOfEvents:
    since = midnight(day)
    with engine.begin() as connection:
        hold(connection, [asked.project_id])
        window = {"since": since, "until": since + timedelta(days=1)}
        events, payloads = connection.execute(DELETED, {**asked.told(), **window}).one()
        if events:
            note(connection, "delete", asked.project_id, (day, day + timedelta(days=1)), (events, payloads), at)
        rebuild(connection, day, at.date(), group_hour_days, [asked.project_id])
    return DayOfEvents(day, events, payloads)
