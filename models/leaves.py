"""
Partitions let go of: detached while everybody goes on reading and writing, counted, noted and dropped.

A leaf is marked by its comment, detached, put aside under another name and dropped. Each step is found again after a
crash at any instant: the mark is what tells a table to be dropped from one that an operator has detached.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from time import monotonic
from typing import NamedTuple

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from models.base import WAREHOUSE
from models.errors import ModelsError
from models.ownership import become_owner
from models.partitions import PARTITION_LOCK, Leaf, put_aside

DROP_LOCK = 0x65727264726F70  # "errdrop": one at a time drops what was detached
LOCK_SECONDS = 2  # nobody waits longer behind a statement of ours
ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.5
LOOK_SECONDS = 0.05
MARK = "errhouse lets go of"
BUSY = frozenset({"55P03", "40P01", "55006", "55000"})  # a lock, a deadlock, in use, another detach is under way

# Partitions of a parent, with the bounds and names that DDL needs.
STANDING = text(
    f"""
    select format('%I.%I', n.nspname, c.relname), pg_get_expr(c.relpartbound, c.oid), i.inhdetachpending,
        coalesce(obj_description(c.oid, 'pg_class') like '{MARK} %', false)
    from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_namespace n on n.oid = c.relnamespace
    where i.inhparent = cast('{WAREHOUSE}.' || cast(:parent as text) as regclass) order by c.relname
    """  # noqa: S608 - names of ours
)
# Marked tables that have no parent any more.
DETACHED = text(
    f"""
    select format('%I.%I', n.nspname, c.relname), obj_description(c.oid, 'pg_class')
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = '{WAREHOUSE}' and c.relkind = 'r' and not c.relispartition
    and obj_description(c.oid, 'pg_class') like '{MARK} %' order by c.relname
    """  # noqa: S608 - names of ours
)
# Who works with a parent at the moment.
LOCKERS = text(
    f"""
    select virtualtransaction from pg_locks
    where locktype = 'relation' and granted and pid <> pg_backend_pid()
    and database = (select oid from pg_database where datname = current_database())
    and relation = cast('{WAREHOUSE}.' || cast(:parent as text) as regclass)
    """  # noqa: S608 - names of ours
)
# What hangs on events that are not there any more. The bounds of `e` keep other partitions out of the search.
HANGING_GONE = text(
    """
    with odd_time_gone as (
        delete from warehouse.event_odd_time o where o.occurred_at >= :since and o.occurred_at < :until and not exists (
            select from warehouse.fact_event e
            where e.project_id = o.project_id and e.event_id = o.event_id and e.occurred_at = o.occurred_at
            and e.occurred_at >= :since and e.occurred_at < :until
        )
    )
    delete from warehouse.event_source s where s.occurred_at >= :since and s.occurred_at < :until and not exists (
        select from warehouse.fact_event e
        where e.project_id = s.project_id and e.event_id = s.event_id and e.occurred_at = s.occurred_at
        and e.occurred_at >= :since and e.occurred_at < :until
    )
    """
)


class Standing(NamedTuple):
    """One attached partition; `is_pending` when its detaching was begun and not finished, `is_marked` when it is to."""

    table: str
    days: Leaf
    is_pending: bool
    is_marked: bool


class Detached(NamedTuple):
    """One table that was a partition and waits to be dropped."""

    table: str
    parent: str
    days: Leaf


class Busy(ModelsError):
    """Somebody else works with the table for so long that it was left for the next run."""


def standing(connection: Connection, parent: str) -> list[Standing]:
    """Read the partitions of a parent, oldest first."""
    found = []
    for table, bound, is_pending, is_marked in connection.execute(STANDING, {"parent": parent}):
        first, end = (date.fromisoformat(part[:10]) for part in bound.split("'")[1::2])
        found.append(Standing(table, Leaf(first, end), is_pending, is_marked))
    return sorted(found, key=lambda each: each.days)


def detached(connection: Connection) -> list[Detached]:
    """Read which tables wait to be dropped."""
    found = []
    for table, mark in connection.execute(DETACHED):
        parent, first, end = mark.removeprefix(MARK).split()
        found.append(Detached(table, parent, Leaf(date.fromisoformat(first), date.fromisoformat(end))))
    return found


@contextmanager
def by_itself(engine: Engine, lock_seconds: int = LOCK_SECONDS) -> Iterator[Connection]:
    """Give the owner's connection for what cannot run in a transaction; it is closed afterwards, with what was set."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()
        connection.execute(text("select set_config('lock_timeout', :wait, false)"), {"wait": f"{lock_seconds}s"})
        become_owner(connection, local=False)
        yield connection


def let_go(engine: Engine, parent: str, leaf: Standing, pause: Callable[[float], None]) -> None:
    """
    Detach a partition; `drop_detached` drops it then. Begun by another or before a crash, it is finished.

    Takes: `pause`, which waits so many seconds between attempts.
    Raises: Busy after some attempts; sqlalchemy.exc.DBAPIError.
    """
    with by_itself(engine) as connection:
        run = connection.exec_driver_sql
        for attempt in range(ATTEMPTS):
            found = {each.table: each for each in standing(connection, parent)}.get(leaf.table)
            if found is None:
                return
            try:
                if found.is_pending:
                    run(f"alter table {WAREHOUSE}.{parent} detach partition {found.table} finalize")
                    return
                _wait_for_readers(connection, parent)
                run(f"comment on table {found.table} is '{MARK} {parent} {found.days.first} {found.days.end}'")
                run(f"alter table {WAREHOUSE}.{parent} detach partition {found.table} concurrently")
            except (DBAPIError, Busy) as error:
                if not is_busy(error):
                    raise
                pause(FIRST_PAUSE_SECONDS * 2.0**attempt)
            else:
                return
    raise Busy(f"{leaf.table} is in use by others for longer than maintenance waits; the next run tries again.")


def keep(engine: Engine, leaf: Standing) -> None:
    """Take back the mark of a partition that is to stay after all."""
    with by_itself(engine) as connection:
        connection.exec_driver_sql(f"comment on table {leaf.table} is null")


def is_busy(error: BaseException) -> bool:
    """Whether others were in the way, so that trying again may do."""
    return isinstance(error, Busy) or getattr(getattr(error, "orig", None), "sqlstate", None) in BUSY


def drop_detached(engine: Engine, note: Callable[[Connection, Detached, int], None]) -> list[tuple[Detached, int]]:
    """
    Count and drop what was detached; return it with its rows. Nobody writes to it any more, so the count is exact.

    Takes: `note`, which writes down what goes, in the transaction that drops it.
    Raises: sqlalchemy.exc.DBAPIError; what was not dropped is found again.
    """
    with engine.begin() as connection:
        _bounded(connection)
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": PARTITION_LOCK})
        found = detached(connection)
        become_owner(connection, local=True)
        for each in found:
            if each.table.endswith(f"_p{each.days.first:%Y_%m_%d}"):
                put_aside(connection, each.table)
    with engine.connect() as connection:
        found = detached(connection)
    gone = []
    for each in found:
        with engine.begin() as connection:
            _bounded(connection)
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": DROP_LOCK})
            if each.parent == "fact_event":
                connection.execute(HANGING_GONE, {"since": each.days.first, "until": each.days.end})
            become_owner(connection, local=True)
            if connection.execute(text("select to_regclass(:name)"), {"name": each.table}).scalar() is None:
                continue
            run = connection.exec_driver_sql
            run(f"lock table {each.table} in access exclusive mode")
            run(f"alter table {each.table} disable row level security")
            count = int(run(f"select count(*) from {each.table}").scalar_one())  # noqa: S608 - from the catalog
            note(connection, each, count)
            run(f"drop table {each.table}")
        gone.append((each, count))
    return gone


def _bounded(connection: Connection) -> None:
    connection.execute(text("select set_config('lock_timeout', :wait, true)"), {"wait": f"{LOCK_SECONDS}s"})


def _wait_for_readers(connection: Connection, parent: str) -> None:
    """
    Wait until who works with the parent now has ended; raises Busy if that takes long.

    Detaching waits for them anyway, but with the partition half detached: its days have no place meanwhile.
    """
    deadline = monotonic() + LOCK_SECONDS
    first = set(connection.execute(LOCKERS, {"parent": parent}).scalars())
    while left := first & set(connection.execute(LOCKERS, {"parent": parent}).scalars()):
        if monotonic() > deadline:
            raise Busy(f"{len(left)} transactions have worked with {parent} for more than {LOCK_SECONDS} s.")
        connection.execute(text("select pg_sleep(:seconds)"), {"seconds": LOOK_SECONDS})
