"""
Partitions of the fact, its payloads and the rollups: made ahead and on demand, one level, by range of their time.

Bounds are UTC midnights and names end in `_pYYYY_MM_DD` of the first day, so that other tools for time partitions can
take over. There is no DEFAULT partition: one would hold rows that block the making of the right one.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple
from uuid import uuid4

from sqlalchemy import Connection, Engine, text

from models import failpoints
from models.base import WAREHOUSE
from models.clock import midnight
from models.ownership import as_owner

PARTITION_LOCK = 0x65727268706172  # "errhpar": one maker of partitions at a time
MONTH = 0  # in place of a number of days

# Partitions whose detaching was begun and not finished.
PENDING = text(
    """
    select cast(c.oid as regclass)::text, pg_get_expr(c.relpartbound, c.oid)
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = cast(:parent as regclass) and i.inhdetachpending
    """
)


class Parent(NamedTuple):
    """A partitioned table: the column its partitions are ranges of, and how many days one holds; None: as is set."""

    name: str
    column: str
    days: int | None


EVENTS = (Parent("fact_event", "occurred_at", None), Parent("event_payload", "occurred_at", None))
ROLLUPS = (
    Parent("rollup_hour", "hour", MONTH),
    Parent("rollup_day", "day", MONTH),
    Parent("rollup_day_culprit", "day", MONTH),
)
GROUP_HOURS = Parent("rollup_hour_group", "hour", 7)
PARENTS = (*EVENTS, *ROLLUPS, GROUP_HOURS)

MONDAY = date(1970, 1, 5)
LAST_DAY = date(9999, 12, 31)


class Leaf(NamedTuple):
    """One partition's days: from `first`, up to and without `end`."""

    first: date
    end: date


def leaf_for(day: date, days: int, taken: Iterable[Leaf]) -> Leaf:
    """
    Give the partition a day belongs to, or the one day where that would overlap.

    Takes: a day that lies in none of `taken`; `days`, of which periods are aligned to Mondays, or MONTH.
    """
    if days == MONTH:
        first = day.replace(day=1)
        end = (first + timedelta(days=31)).replace(day=1) if (LAST_DAY - first).days > 31 else LAST_DAY
    else:
        first = MONDAY + timedelta(days=(day - MONDAY).days // days * days)
        end = first + timedelta(days=days) if (LAST_DAY - first).days >= days else LAST_DAY
    if any(first < leaf.end and leaf.first < end for leaf in taken):
        return Leaf(day, day + timedelta(days=1))
    return Leaf(first, end)


def leaves(connection: Connection, parent: str = "fact_event") -> list[Leaf]:
    """Read which partitions there are, oldest first, from the server's catalog."""
    rows = connection.execute(
        text(
            "select pg_get_expr(c.relpartbound, c.oid) from pg_inherits i join pg_class c on c.oid = i.inhrelid "
            "where i.inhparent = cast(:parent as regclass)"
        ),
        {"parent": f"{WAREHOUSE}.{parent}"},
    )
    found = []
    for (bound,) in rows:
        first, end = (part[:10] for part in bound.split("'")[1::2])
        found.append(Leaf(date.fromisoformat(first), date.fromisoformat(end)))
    return sorted(found)


class Partitions:
    """
    The loader's memory of which days have a partition, so that a batch asks the server only about new days.

    One a process. Safe beside others: partitions are made under a transaction-level advisory lock.
    """

    def __init__(self, engine: Engine, days: int) -> None:
        self._engine = engine
        self._days = days
        self._known: set[date] = set()

    def forget(self) -> None:
        """Ask the server anew: a partition that was there is gone."""
        self._known.clear()

    def ensure(self, days: Iterable[date]) -> int:
        """
        Make what is missing for these days, each in its own short transaction; return how many were made.

        Raises: sqlalchemy.exc.DBAPIError, of which the caller knows whether to try again.
        """
        wanted = sorted(set(days) - self._known)
        if not wanted:
            return 0
        with self._engine.begin() as connection:
            made = ensure(connection, EVENTS, wanted, self._days)
        self._known.update(wanted)
        return made

    def ensure_ahead(self, today: date, ahead_days: int) -> int:
        """Make the partitions from yesterday up to `ahead_days` from now; run at start and now and then."""
        return self.ensure(today + timedelta(days=offset) for offset in range(-1, ahead_days + 1))


def ensure(connection: Connection, parents: Iterable[Parent], days: Iterable[date], event_days: int = 7) -> int:
    """
    Make what is missing for these days, in the caller's transaction; return how many were made.

    Takes: `event_days`, the days in one partition of a parent that does not say it itself.
    """
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": PARTITION_LOCK})
    failpoints.passed(failpoints.PARTITION_LOCKED)
    made = 0
    wanted = sorted(set(days))
    for parent in parents:
        _finish_detaching(connection, parent.name, wanted)
        taken = leaves(connection, parent.name)
        for day in wanted:
            if any(leaf.first <= day < leaf.end for leaf in taken):
                continue
            leaf = leaf_for(day, event_days if parent.days is None else parent.days, taken)
            with as_owner(connection):
                _make(connection, parent, leaf)
            taken.append(leaf)
            made += 1
    if made:
        failpoints.passed(failpoints.PARTITION_MADE)
    return made


def _make(connection: Connection, parent: Parent, leaf: Leaf) -> None:
    """
    Make one partition beside its parent, then attach it: that locks the parent lightly, `PARTITION OF` fully.

    DDL takes no parameters: name and bounds come from a date, never from input.
    """
    name = f"{WAREHOUSE}.{parent.name}_p{leaf.first:%Y_%m_%d}"
    put_aside(connection, name)
    first, end = midnight(leaf.first).isoformat(), midnight(leaf.end).isoformat()
    inside = f"{parent.column} >= '{first}' and {parent.column} < '{end}'"
    run = connection.exec_driver_sql
    run(f"create table {name} (like {WAREHOUSE}.{parent.name} including all)")
    run(f"alter table {name} add constraint in_bounds check ({inside})")
    run(f"alter table {WAREHOUSE}.{parent.name} attach partition {name} for values from ('{first}') to ('{end}')")
    run(f"alter table {name} drop constraint in_bounds")


def _finish_detaching(connection: Connection, parent: str, days: list[date]) -> None:
    """Finish what a killed `db maintain` began, where it stands in the way: a partition half detached takes no rows."""
    for name, bound in connection.execute(PENDING, {"parent": f"{WAREHOUSE}.{parent}"}).all():
        first, end = (date.fromisoformat(part[:10]) for part in bound.split("'")[1::2])
        if any(first <= day < end for day in days):
            with as_owner(connection):
                connection.exec_driver_sql(f"alter table {WAREHOUSE}.{parent} detach partition {name} finalize")


def put_aside(connection: Connection, name: str) -> None:
    """
    Give a table that was detached and waits to be dropped another name, if there is one of this name.

    So a late event of its days finds the name free. The caller holds PARTITION_LOCK.
    """
    other = f"{name.rpartition('.')[2]}_detached_{uuid4().hex[:8]}"
    connection.exec_driver_sql(f"alter table if exists {name} rename to {other}")
