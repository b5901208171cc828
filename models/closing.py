"""
Partitions of the fact that are closed: indexes are built anew, tags get one, and they are frozen and analyzed, once.

Keys that came in any order leave an index a third larger than it need be: 127 bytes an event instead of 90, measured.

An index on tags costs a loader twice the writing, so no partition that is written to has one. None of the statements
here waits in the way of loading: they take locks that reading, writing and each other's queue do not meet.
"""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, Engine, text

from models.leaves import Standing, by_itself, standing

CLOSED_AFTER = timedelta(days=2)
PATIENCE_SECONDS = 30  # for transactions that began before an index: nobody waits behind us meanwhile
ANALYZE_AFTER = timedelta(days=1)
DONE = "errhouse: built, and the partition frozen and analyzed"
PARENTS = ("fact_event", "event_payload", "rollup_hour", "rollup_hour_group", "rollup_day", "rollup_day_culprit")
ONLY_VERSION = 180_000  # from here on ANALYZE can leave out the partitions

# The index on the tags of a partition, and how far it is.
TAGS_INDEX = text(
    """
    select c.relname, i.indisvalid, coalesce(obj_description(c.oid, 'pg_class'), '')
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
    where i.indrelid = cast(:table as regclass) and a.amname = 'gin'
    """
)
# Partitioned tables and when their statistics were made; autovacuum never makes them.
ANALYZED = text(
    "select relname, last_analyze from pg_stat_user_tables where schemaname = 'warehouse' and relname = any(:parents)"
)


# What a rebuild of indexes that was broken off has left behind.
LEFT_OVER = text(
    """
    select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid
    where i.indrelid = cast(:table as regclass) and not i.indisvalid and c.relname ~ '_cc(new|old)[0-9]*$'
    """
)


class Index(NamedTuple):
    """The index on a partition's tags: whether it is whole, and whether everything else is done too."""

    name: str
    is_valid: bool
    is_done: bool


def close(engine: Engine, today: date) -> str:
    """
    Index the tags of closed partitions, freeze and analyze them; say what was done, if anything.

    Raises: sqlalchemy.exc.DBAPIError, such as for a lock; what is done by then stays done.
    """
    with engine.connect() as connection:
        closed = [each for each in standing(connection, "fact_event") if each.days.end <= today - CLOSED_AFTER]
        open_ = [each for each in closed if not each.is_pending and not _is_done(_index(connection, each.table))]
    for leaf in open_:
        _close(engine, leaf)
    return f"{len(open_)} closed partitions were indexed, frozen and analyzed." if open_ else ""


def analyze(engine: Engine, at: datetime) -> str:
    """
    Make the statistics of the partitioned tables that have none of the last day; say what was done, if anything.

    From PostgreSQL 18 on the parents alone; before, the server takes their partitions along.
    """
    with by_itself(engine, PATIENCE_SECONDS) as connection:
        found = connection.execute(ANALYZED, {"parents": list(PARENTS)}).all()
        due = [name for name, last in found if last is None or last < at - ANALYZE_AFTER]
        version = int(connection.execute(text("select current_setting('server_version_num')")).scalar_one())
        only = "only " if version >= ONLY_VERSION else ""
        for name in due:
            connection.exec_driver_sql(f"analyze {only}warehouse.{name}")
    return f"{len(due)} partitioned tables were analyzed." if due else ""


def _close(engine: Engine, leaf: Standing) -> None:
    with by_itself(engine, PATIENCE_SECONDS) as connection:
        run = connection.exec_driver_sql
        index = _index(connection, leaf.table)
        if index and not index.is_valid:
            run(f"drop index concurrently warehouse.{index.name}")
            index = None
        name = index.name if index else f"ix_{leaf.table.partition('.')[2]}_tags"
        if index is None:
            for left in connection.execute(LEFT_OVER, {"table": leaf.table}).scalars():
                run(f"drop index concurrently warehouse.{left}")
            run(f"reindex table concurrently {leaf.table}")
            run(f"create index concurrently {name} on {leaf.table} using gin (tags jsonb_path_ops)")
        run(f"vacuum (freeze, analyze, truncate false) {leaf.table}")  # truncating would lock readers out
        run(f"comment on index warehouse.{name} is '{DONE}'")


def _index(connection: Connection, table: str) -> Index | None:
    found = connection.execute(TAGS_INDEX, {"table": table}).first()
    return Index(found[0], found[1], found[2] == DONE) if found else None


def _is_done(index: Index | None) -> bool:
    return index is not None and index.is_valid and index.is_done
