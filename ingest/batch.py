"""
The statements of loading: a batch of rows into the fact, its payloads and dimensions, over one open transaction.

Identity is (project_id, event_id), though forms round or correct an event's time differently. The primary key alone
cannot hold that across partitions, so a batch is also compared with the rows from a day before its first to a day
after its last instant, with `event_odd_time`, and, for rows of doubtful time, with every partition. Loaders of the same
project take turns by a transaction-level advisory lock, so two forms of one event cannot race each other in.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Column, Connection, Table, Text, bindparam, cast, func, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert

from ingest.groups import fill_issues, insert_groups, later
from ingest.rows import BATCH_COLUMNS, FACT_COLUMNS, DimensionRow, Row
from ingest.twins import insert_sources, is_conflict, twins_of
from models import DIMENSIONS, DimProject, failpoints
from models.delta import DELTA_COLUMNS, DELTA_GROUP, DELTA_SELECT

ONE_DAY = timedelta(days=1)
KNOWN_DIMENSIONS = 200_000
MEMORY_OF_ISSUES = timedelta(minutes=1)  # so long what another loader is told of a group may be overlooked

# The batch as COPY brings it; emptied at each commit, local to the connection, never in the write-ahead log.
BATCH_TABLE = text(
    "create temporary table if not exists batch_event ("
    + ", ".join(f"{name} {'text' if kind == 'jsonb' else kind}" for name, kind in BATCH_COLUMNS)
    + ") on commit delete rows"
)
COPY_BATCH = "copy batch_event from stdin (format binary)"

# Every probe must walk an index: a fresh partition has no statistics, and the planner may think it small.
PLAN_BY_INDEX = text("select set_config('enable_seqscan', 'off', true)")

# Rows of doubtful time that already have a twin, wherever it lies.
DROP_KNOWN_ODD = text(
    """
    delete from batch_event b
    where b.time_quality <> 0 and exists (
        select from warehouse.fact_event e where e.project_id = b.project_id and e.event_id = b.event_id offset 0
    )
    """
)

_FACT = ", ".join(name for name, _ in FACT_COLUMNS)
_FRESH = ", ".join(f"b.{name}::jsonb" if kind == "jsonb" else f"b.{name}" for name, kind in FACT_COLUMNS)

# The batch becomes rows: what is new goes into the fact, its payload beside it, what it adds to the counts into the
# deltas, and we are told which they were.
# `offset 0` keeps each search for a twin a probe per row, whatever the planner thinks of hashing whole partitions.
INSERT_EVENTS = text(
    f"""
    with event_inserted as (
        insert into warehouse.fact_event ({_FACT}, loaded_at)
        select {_FRESH}, :loaded_at
        from batch_event b
        where not exists (
            select from warehouse.fact_event e
            where e.project_id = b.project_id and e.event_id = b.event_id
            and e.occurred_at >= :since and e.occurred_at < :until
            offset 0
        ) and not exists (
            select from warehouse.event_odd_time o where o.project_id = b.project_id and o.event_id = b.event_id
            offset 0
        )
        order by b.project_id, b.occurred_at
        on conflict (project_id, event_id, occurred_at) do nothing
        returning project_id, event_id, occurred_at, received_at, loaded_at, group_key, culprit_key, environment_key,
            release_key, user_key, level, sample_weight, handled, time_quality
    ), payload_inserted as (
        insert into warehouse.event_payload (project_id, event_id, occurred_at, codec, body)
        select i.project_id, i.event_id, i.occurred_at, b.codec, b.body
        from event_inserted i join batch_event b on b.project_id = i.project_id and b.event_id = i.event_id
        where b.body is not null
        on conflict (project_id, event_id, occurred_at) do nothing
    ), odd_time_inserted as (
        insert into warehouse.event_odd_time (project_id, event_id, occurred_at)
        select project_id, event_id, occurred_at from event_inserted where time_quality <> 0
        on conflict (project_id, event_id) do nothing
    ), delta_inserted as (
        insert into warehouse.rollup_delta ({DELTA_COLUMNS})
        {DELTA_SELECT} from event_inserted {DELTA_GROUP}
    )
    select project_id, event_id from event_inserted
    """  # noqa: S608 - column names are our constants
)

ERASURE_COUNT = text("select count(*) from warehouse.erasure")

Project = tuple[int, str | None, str | None]
"""A project's id, slug and name, as a form told them."""


class Loaded(NamedTuple):
    """
    What became of a batch: how many rows are new, and how many events had one already.

    `conflicts`: the places of those, in the batch, that are none of both, for another event has their id.
    """

    new: int
    known: int
    conflicts: tuple[int, ...] = ()


class KnownDimensions:
    """
    Which dimension rows are committed, so that a batch sends only new ones. Bounded; forgetting costs only time.

    Rows of a batch are remembered once its transaction is through: `remember` after the commit. Of a group's issues
    only the one it has can be remembered, and not for long, since other loaders move groups too.
    """

    def __init__(self) -> None:
        self._known: set[tuple[Any, ...]] = set()
        self._issues: dict[tuple[int, int], int | None] = {}
        self._issues_since: datetime | None = None
        self._erasure_count = 0

    def heed_erasures(self, connection: Connection) -> None:
        """Forget, if rows were erased since the last time; ask when the turn is taken, so that none comes between."""
        count = connection.execute(ERASURE_COUNT).scalar_one()
        if count != self._erasure_count:
            self.forget()
            self._erasure_count = count

    def forget(self) -> None:
        """Trust nothing: the database may be another one."""
        self._known.clear()
        self._issues.clear()

    def unknown(self, marks: Iterable[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
        """Give those that are not known to be committed."""
        return set(marks) - self._known

    def remember(self, marks: set[tuple[Any, ...]]) -> None:
        """Note what is committed now."""
        if len(self._known) + len(marks) > KNOWN_DIMENSIONS:
            self.forget()
        for mark in marks - self._known:
            if mark[0] != "dim_group" or mark[3] is None or self._issues.get(mark[1:3]) == mark[3]:
                self._known.add(mark)

    def has_issue(self, project_id: int, group_key: int, issue_id: int | None) -> None:
        """Note which issue a group has, if the transaction is through: what was known of others is wrong."""
        before = self._issues.get((project_id, group_key))
        if before != issue_id:
            self._known.discard(("dim_group", project_id, group_key, before))
            self._issues[project_id, group_key] = issue_id

    def age(self, now: datetime) -> None:
        """Forget the issues of groups when they have been known for long."""
        if self._issues_since is None or abs(now - self._issues_since) >= MEMORY_OF_ISSUES:  # it may be set back
            self._known.difference_update(("dim_group", *group, issue) for group, issue in self._issues.items())
            self._issues.clear()
            self._issues_since = now


def insert_rows(connection: Connection, rows: Sequence[Row], loaded_at: datetime, known: KnownDimensions) -> Loaded:
    """
    Load rows over an open transaction that has taken its turn.

    The caller commits, and then calls `known.remember(marks(rows))`, for the rows that went in.

    Raises: sqlalchemy.exc.DBAPIError; `ingest.sqlstate.verdict` tells what it means.
    """
    if not rows:
        return Loaded(0, 0)
    unique: dict[tuple[int, UUID], Row] = {}
    for row in rows:
        unique.setdefault(row.identity, row)
    since = min(row.occurred_at for row in rows) - ONE_DAY
    until = max(row.occurred_at for row in rows) + ONE_DAY
    insert_dimensions(connection, rows, loaded_at, known)
    failpoints.passed(failpoints.DIMENSIONS_SENT)
    connection.execute(BATCH_TABLE)
    _copy(connection, unique.values())
    failpoints.passed(failpoints.COPY_DONE)
    connection.execute(PLAN_BY_INDEX)
    if any(row.is_odd_time for row in unique.values()):
        connection.execute(DROP_KNOWN_ODD)
    window = {"since": since, "until": until}
    inserted = {
        (project_id, event_id)
        for project_id, event_id in connection.execute(
            INSERT_EVENTS, {"loaded_at": loaded_at, "batch_id": uuid4(), **window}
        )
    }
    failpoints.passed(failpoints.MERGED)
    if len(inserted) == len(rows):
        return Loaded(len(rows), 0)
    fresh = {id(unique[identity]) for identity in inserted}
    again = [place for place, row in enumerate(rows) if id(row) not in fresh]
    conflicts = _meet(connection, rows, again, window, known)
    return Loaded(len(inserted), len(again) - len(conflicts), conflicts)


def _meet(
    connection: Connection,
    rows: Sequence[Row],
    again: Sequence[int],
    window: dict[str, datetime],
    known: KnownDimensions,
) -> tuple[int, ...]:
    """Note what the rows at these places tell of events that have their rows already; give those that conflict."""
    twins = twins_of(connection, [rows[place] for place in again], window)
    conflicts = []
    met = []
    for place, twin in zip(again, twins, strict=True):
        if twin is not None and is_conflict(rows[place], twin):
            conflicts.append(place)
        elif twin is not None:
            met.append((rows[place], twin))
    insert_sources(connection, met)
    told = [
        (row.identity[0], twin.group_key, row.values[-1], twin.occurred_at)
        for row, twin in met
        if row.values[-1] is not None
    ]
    for has in fill_issues(connection, told):
        known.has_issue(*has)
    return tuple(conflicts)


def marks(rows: Iterable[Row]) -> set[tuple[Any, ...]]:
    """Give what a batch tells of dimensions: the things `KnownDimensions` remembers."""
    rows = list(rows)
    told: set[tuple[Any, ...]] = {(table, dimension[0], dimension[1]) for table, dimension in _dimensions(rows)}
    told.update([("dim_group", row.group[0], row.group[1], row.group[3]) for row in rows])
    told.update([("dim_project", *project) for project in {row.project for row in rows}])
    return told


def _dimensions(rows: Sequence[Row]) -> Iterable[tuple[str, DimensionRow]]:
    """Give the dimensions rows point to; what many of them share is one object, and given once."""
    return {id(told): told for row in rows for told in row.dimensions}.values()


def _copy(connection: Connection, rows: Collection[Row]) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - an open connection has one
    with driver.cursor() as cursor, cursor.copy(COPY_BATCH) as copy:
        copy.set_types(["text" if kind == "jsonb" else kind for _, kind in BATCH_COLUMNS])
        failpoints.passed(failpoints.COPY_BEGUN)
        for number, row in enumerate(rows):
            if number == len(rows) // 2:
                failpoints.passed(failpoints.COPY_HALF)
            copy.write_row(row.values)


def insert_dimensions(connection: Connection, rows: Sequence[Row], loaded_at: datetime, known: KnownDimensions) -> None:
    """Send what the rows tell of dimensions, groups and projects, but for what is `known` to be committed."""
    known.age(loaded_at)
    unknown = known.unknown(marks(rows))
    if not unknown:
        return
    fresh: dict[str, dict[tuple[int, int], DimensionRow]] = {}
    groups: dict[tuple[int, int], DimensionRow] = {}
    projects: list[Project] = []
    for table, dimension in _dimensions(rows):
        if (table, dimension[0], dimension[1]) in unknown:
            fresh.setdefault(table, {})[dimension[0], dimension[1]] = dimension
    for row in rows:
        if ("dim_group", row.group[0], row.group[1], row.group[3]) in unknown:
            key = (row.group[0], row.group[1])
            groups[key] = later(groups.get(key, row.group), row.group)
        if ("dim_project", *row.project) in unknown:
            projects.append(row.project)
    for table, dimensions in sorted(fresh.items()):
        statement, columns = _INSERT_DIMENSION[table]
        ordered = [dimensions[key] for key in sorted(dimensions)]
        connection.execute(
            statement, {name: list(values) for name, values in zip(columns, zip(*ordered, strict=True), strict=True)}
        )
    for has in insert_groups(connection, groups):
        known.has_issue(*has)
    insert_projects(connection, projects, loaded_at)


def insert_projects(connection: Connection, projects: Iterable[Project], created_at: datetime) -> None:
    """Add projects, or call them as they were told last; what a form does not tell stays."""
    latest: dict[int, Project] = {}
    for project in projects:
        known_slug, known_name = latest.get(project[0], project)[1:]
        latest[project[0]] = (project[0], project[1] or known_slug, project[2] or known_name)
    if latest:
        connection.execute(
            _INSERT_PROJECT,
            [
                {"project_id": project_id, "slug": slug, "name": name, "created_at": created_at}
                for project_id, slug, name in (latest[key] for key in sorted(latest))
            ],
        )


def _dimension_insert(table: Table, columns: Sequence[Column[Any]]) -> Any:
    """Build `insert … select unnest(…), … on conflict do nothing` for one dimension: one statement a batch."""
    lists = []
    for column in columns:
        is_json = isinstance(column.type, JSONB)
        values = func.unnest(cast(bindparam(column.name), ARRAY(Text if is_json else column.type)))
        lists.append(cast(values, JSONB) if is_json else values)
    made = insert(table).from_select([column.name for column in columns], select(*lists))
    return made.on_conflict_do_nothing(index_elements=[column.name for column in table.primary_key])


def _dimension_inserts() -> dict[str, tuple[Any, tuple[str, ...]]]:
    made = {}
    for dimension in DIMENSIONS:
        table: Table = dimension.__table__  # type: ignore[attr-defined]
        names = ("project_id", dimension.KEY, *dimension.ATTRIBUTES)
        made[table.name] = (_dimension_insert(table, [table.c[name] for name in names]), names)
    return made


_INSERT_DIMENSION = _dimension_inserts()


def _project_insert() -> Any:
    statement = insert(DimProject)
    told = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["project_id"],
        set_={"slug": func.coalesce(told.slug, DimProject.slug), "name": func.coalesce(told.name, DimProject.name)},
        where=(told.slug.is_not(None) & told.slug.is_distinct_from(DimProject.slug))
        | (told.name.is_not(None) & told.name.is_distinct_from(DimProject.name)),
    )


_INSERT_PROJECT = _project_insert()
