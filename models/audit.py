"""
Proof that the numbers add up: events there, rollups, and what the loader wrote down of its work.

Everything is read of one snapshot, for events are loaded meanwhile. A rollup is compared as it is read: with the deltas
that are not folded yet.
"""

from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.exc import ProgrammingError

from models.audit_sql import (
    BOOKS,
    COVERED,
    DUE_COUNT,
    FACT,
    GROUP_HOURS_UNLIKE,
    GROUPS_UNLIKE,
    LIVE,
    RELEASES_UNLIKE,
    TALLIES_UNLIKE,
)
from models.clock import midnight
from models.errors import ModelsError
from models.leaves import detached
from models.worded import counted

ONE_DAY = timedelta(days=1)
LOOKS = 3
DROPPED = "42P01"  # undefined_table: it was there a moment ago
Counts = dict[tuple[int, date], int]
"""Events by project and UTC day."""


class AuditDisturbed(ModelsError):
    """Tables were dropped while they were counted, again and again."""


class Difference(NamedTuple):
    """Two numbers that should be one: of which project and day (None: of all), what is counted, and how often."""

    project_id: int | None
    day: date | None
    what: str
    expected: int
    found: int


class Audit(NamedTuple):
    """What was compared, how much of it, and what does not agree. `is_whole`: all days, and so the sums over all."""

    event_count: int
    day_count: int
    project_count: int
    kept_day_count: int
    due_day_count: int
    is_whole: bool
    differences: list[Difference]


class Scope(NamedTuple):
    """
    What is to be compared.

    Takes: `today`, the UTC day; for how many days the hours of groups are kept; the first and last day, None: no bound;
    the first day of which rollups are kept, None: of all.
    """

    today: date
    group_hour_days: int
    first: date | None = None
    last: date | None = None
    rollups_first: date | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all days are asked for."""
        return self.first is None and self.last is None

    @property
    def from_on(self) -> date | None:
        """Give the first day to compare; None when there is no bound."""
        return max((each for each in (self.first, self.rollups_first) if each is not None), default=None)

    def hours_of_groups(self) -> "Scope":
        """Give the same for the days whose hours of groups are kept."""
        kept = self.today - timedelta(days=self.group_hour_days)
        return self._replace(first=max(kept, self.from_on or kept))


def audit(engine: Engine, scope: Scope) -> Audit:
    """
    Compare everything that must agree, over one snapshot that nobody waits for.

    What does not agree is looked at twice: partitions come and go between snapshots, since DDL knows none.
    """
    found = _looked(engine, scope)
    return _looked(engine, scope) if found.differences else found


def _looked(engine: Engine, scope: Scope) -> Audit:
    for _ in range(LOOKS):
        try:
            with engine.connect().execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            ) as connection:
                return audited(connection, scope)
        except ProgrammingError as error:
            if getattr(error.orig, "sqlstate", None) != DROPPED:
                raise
    raise AuditDisturbed("Partitions are being dropped one after the other; audit again when that is done.")


def audited(connection: Connection, scope: Scope) -> Audit:
    """Compare over this connection, whose transaction should be of one snapshot."""
    told = bounds(scope.from_on, scope.last)
    facts = counts(connection, "fact_event", told)
    aside = _put_aside(connection, told)
    facts.update({key: facts.get(key, 0) + number for key, number in aside.items()})
    live = {table: counts(connection, table, told) for table in LIVE}
    covered = {(project_id, day) for project_id, day in _rows(connection, COVERED, told)}
    found = days_unlike(facts, live, covered)
    hours = scope.hours_of_groups()
    found += _differences(connection, GROUP_HOURS_UNLIKE, bounds(hours.first, hours.last))
    found += _differences(connection, TALLIES_UNLIKE, {})
    if scope.is_whole:
        for statement in (GROUPS_UNLIKE, RELEASES_UNLIKE):
            found += _differences(connection, statement, {"is_kept": scope.rollups_first is None})
        ((loaded, there),) = _rows(connection, BOOKS, {})
        there += sum(aside.values())
        if loaded != there:
            found.append(Difference(None, None, "events there and removed, against events loaded", loaded, there))
    known = set(facts) | set(live["rollup_day"])
    return Audit(
        event_count=sum(facts.values()),
        day_count=len({day for _, day in known}),
        project_count=len({project_id for project_id, _ in known}),
        kept_day_count=len(covered & known),
        due_day_count=int(connection.execute(DUE_COUNT).scalar_one()),
        is_whole=scope.is_whole,
        differences=found,
    )


def bounds(first: date | None, last: date | None) -> dict[str, object]:
    """Give the parameters of the statements: the first day, the day after the last, and their midnights."""
    end = last + ONE_DAY if last else None
    return {
        "first": first or "-infinity",
        "end": end or "infinity",
        "since": midnight(first) if first else "-infinity",
        "until": midnight(end) if end else "infinity",
    }


def counts(connection: Connection, table: str, bounds: dict[str, object]) -> Counts:
    """Count events by project and day, as the fact or a live rollup tells them."""
    statement = FACT if table == "fact_event" else LIVE[table]
    return {(project_id, day): number for project_id, day, number in _rows(connection, statement, bounds)}


def days_unlike(facts: Counts, live: dict[str, Counts], covered: set[tuple[int, date]]) -> list[Difference]:
    """
    Tell where counts by project and day do not agree.

    Takes: `covered`, where events were let go of: there the rollups are compared with each other, and hold the more.
    """
    found = []
    for key in sorted({*facts, *(key for each in live.values() for key in each)}):
        is_let_go = key in covered
        expected = live["rollup_day"].get(key, 0) if is_let_go else facts.get(key, 0)
        for table, there in live.items():
            if there.get(key, 0) != expected:
                found.append(Difference(*key, table, expected, there.get(key, 0)))
        if is_let_go and facts.get(key, 0) > expected:
            found.append(Difference(*key, "rollup_day, with events let go of", facts[key], expected))
    return found


def sentence(found: Audit) -> str:
    """Say in one sentence what was compared and that it agrees."""
    parts = ["the events, the rollups by hour, day, culprit and user"]
    if found.is_whole:
        parts.append("the totals of issues and releases, and what was loaded, met again, refused and removed")
    kept = f" ({found.kept_day_count:,} days of projects by their rollups alone)" if found.kept_day_count else ""
    return (
        f"{counted(found.event_count, 'event')} of {counted(found.day_count, 'day')} "
        f"in {counted(found.project_count, 'project')}{kept}: "
        f"{'; '.join(parts)} agree to the unit."
    )


def _put_aside(connection: Connection, bounds: dict[str, object]) -> Counts:
    """Count events of partitions that are detached already and not dropped and noted yet."""
    found: Counts = {}
    for each in detached(connection):
        if each.parent == "fact_event":
            statement = text(str(FACT).replace("warehouse.fact_event", each.table))
            for project_id, day, number in _rows(connection, statement, bounds):
                found[project_id, day] = found.get((project_id, day), 0) + number
    return found


def _differences(connection: Connection, statement: TextClause, told: dict[str, object]) -> list[Difference]:
    return [Difference(*row) for row in _rows(connection, statement, told)]


def _rows(connection: Connection, statement: TextClause, told: dict[str, object]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(statement, told)]
