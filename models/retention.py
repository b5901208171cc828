"""
Which days are let go of, and the letting go of whole partitions; `models.project_retention` sees to single projects.

Every removal of events or payloads is noted in `warehouse.removal`, in the transaction that removes. Rollups stay when
events go; they go by ROLLUP_RETENTION_DAYS, and never before the events that they count.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, Engine, text

from models.leaves import Busy, Detached, Standing, by_itself, drop_detached, keep, let_go, standing
from models.removals import note
from models.settings import Settings

EVENTS = "fact_event"
PAYLOADS = "event_payload"
ROLLUPS = ("rollup_hour", "rollup_day", "rollup_day_culprit")
GROUP_HOURS = "rollup_hour_group"
KEPT_OF = {EVENTS: "events", PAYLOADS: "payloads"}

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
    events = first_day(settings.EVENT_RETENTION_DAYS, today)
    payloads = max(today - timedelta(days=settings.PAYLOAD_RETENTION_DAYS), events or date.min)
    rollups = first_day(settings.ROLLUP_RETENTION_DAYS, today)
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
    Let go of the partitions that end before the first day kept, and drop them; say what was done, if anything.

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
    said = drop_left_overs(engine, at)
    if busy:
        raise busy[0]
    return said


def drop_left_overs(engine: Engine, at: datetime) -> str:
    """Drop and note what is detached and marked, just now or before a crash; say what was done, if anything."""
    gone = drop_detached(engine, lambda connection, each, count: _note_leaf(connection, each, count, at))
    rows = sum(count for _, count in gone)
    return f"{len(gone)} partitions with {rows} rows were let go of." if gone else ""


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
        return ""
    with engine.begin() as connection:
        gone = connection.execute(USERS_GONE, {"first": first}).rowcount
    return f"{gone} days of users were deleted." if gone else ""


def _note_leaf(connection: Connection, each: Detached, count: int, at: datetime) -> None:
    if each.parent in KEPT_OF and count:
        counts = (count, 0) if each.parent == EVENTS else (0, count)
        key = f"{each.parent} {each.days.first} {each.days.end}"
        note(connection, "retention", None, each.days, counts, at, key)


def first_day(days: int | None, today: date) -> date | None:
    """Give the first day kept, None where nothing is let go of."""
    return today - timedelta(days=days) if days else None
