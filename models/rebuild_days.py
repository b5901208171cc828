"""Days rebuilt one after the other, for `errhouse db rebuild`: what each changed, and patience with loaders."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from models.audit import bounds, counts
from models.audit_sql import LIVE
from models.rebuild import NothingToRebuildFrom, hold, rebuild

ATTEMPTS = 5
PAUSE_SECONDS = 2.0
IN_THE_WAY = frozenset({"55P03", "40P01"})  # a lock was not given in time; a deadlock


class Rebuilt(NamedTuple):
    """
    One day that was rebuilt: of how many projects, and how many events it has.

    `changed`: of each rollup that held another number, how many it held before and holds now.
    """

    day: date
    project_count: int
    event_count: int
    changed: dict[str, tuple[int, int]]


def rebuild_days(
    engine: Engine,
    days: Iterable[date],
    today: date,
    group_hour_days: int,
    *,
    pause: Callable[[float], None],
    say: Callable[[str], None],
    project_id: int | None = None,
) -> Iterator[Rebuilt]:
    """
    Make the rollups of each day again, one transaction a day, and tell of each once it is committed.

    Takes: `pause`, which waits so many seconds when another holds a lock; `say`, which tells a person so.
    Raises: NothingToRebuildFrom; sqlalchemy.exc.DBAPIError when others were in the way all the time.
    """
    for day in days:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with engine.begin() as connection:
                    done = _rebuilt(connection, day, today, group_hour_days, project_id)
                break
            except OperationalError as error:
                if getattr(error.orig, "sqlstate", None) not in IN_THE_WAY or attempt == ATTEMPTS:
                    raise
                say(f"{day}: loading or folding holds what is to be changed; trying again in {PAUSE_SECONDS:.0f} s.")
                pause(PAUSE_SECONDS)
        yield done


def _rebuilt(connection: Connection, day: date, today: date, group_hour_days: int, project_id: int | None) -> Rebuilt:
    named = None if project_id is None else [project_id]
    held = hold(connection, named)  # first, so that nothing moves between the counts
    before = _events_of(connection, day, held)
    count = rebuild(connection, day, today, group_hour_days, named)
    if held and not count and before["rollup_day"]:
        raise NothingToRebuildFrom(
            f"Events of {day} were removed by retention or archived, so its rollups cannot be made again; keep them."
        )
    after = _events_of(connection, day, held)
    changed = {table: (before[table], after[table]) for table in before if before[table] != after[table]}
    return Rebuilt(day, count, after["rollup_day"], changed)


def _events_of(connection: Connection, day: date, project_ids: list[int]) -> dict[str, int]:
    found = {table: counts(connection, table, bounds(day, day)) for table in LIVE}
    return {
        table: sum(number for key, number in each.items() if key[0] in project_ids) for table, each in found.items()
    }
