"""
The statements of loading: a batch of rows into the fact, its payloads and dimensions, over one open transaction.

Identity is (project_id, event_id), though forms round or correct an event's time differently. The primary key alone
cannot hold that across partitions, so a batch is also compared with the rows from a day before its first to a day
after its last instant, with `event_odd_time`, and, for rows of doubtful time, with every partition. Loaders of the same
project take turns by a transaction-level advisory lock, so two forms of one event cannot race each other in.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Column, Connection, Table, Text, bindparam, cast, func, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert

from ingest.rows import BATCH_COLUMNS, FACT_COLUMNS, DimensionRow, Row
from models import DIMENSIONS, DimGroup, DimProject
from models.delta import DELTA_COLUMNS, DELTA_GROUP, DELTA_SELECT

ONE_DAY = timedelta(days=1)
KNOWN_DIMENSIONS = 200_000

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

# A later form of an event that has its row may know what the first did not: the issue Sentry counts it to.
FILL_ISSUES = text(
    """
    update warehouse.dim_group g set issue_id = told.issue_id
    from unnest(cast(:project_ids as bigint[]), cast(:event_ids as uuid[]), cast(:issue_ids as bigint[]))
        as told(project_id, event_id, issue_id)
    join warehouse.fact_event e on e.project_id = told.project_id and e.event_id = told.event_id
    where e.occurred_at >= :since and e.occurred_at < :until
    and g.project_id = e.project_id and g.group_key = e.group_key and g.issue_id is null
    """
)
# The same for rows of doubtful time, which may lie on any day.
FILL_ODD_ISSUES = text(
    """
    update warehouse.dim_group g set issue_id = told.issue_id
    from unnest(cast(:project_ids as bigint[]), cast(:event_ids as uuid[]), cast(:issue_ids as bigint[]))
        as told(project_id, event_id, issue_id)
    join warehouse.event_odd_time o on o.project_id = told.project_id and o.event_id = told.event_id
    join warehouse.fact_event e
        on e.project_id = o.project_id and e.event_id = o.event_id and e.occurred_at = o.occurred_at
    where g.project_id = e.project_id and g.group_key = e.group_key and g.issue_id is null
    """
)

ERASURE_COUNT = text("select count(*) from warehouse.erasure")


class Loaded(NamedTuple):
    """What became of a batch: how many rows are new, and how many events had one already."""

    new: int
    known: int


class KnownDimensions:
    """
    Which dimension rows are committed, so that a batch sends only new ones. Bounded; forgetting costs only time.

    Rows of a batch are remembered once its transaction is through: `remember` after the commit.
    """

    def __init__(self) -> None:
        self._known: set[tuple[Any, ...]] = set()
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

    def unknown(self, marks: Iterable[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
        """Give those that are not known to be committed."""
        return set(marks) - self._known

    def remember(self, marks: set[tuple[Any, ...]]) -> None:
        """Note what is committed now."""
        if len(self._known) + len(marks) > KNOWN_DIMENSIONS:
            self._known.clear()
        self._known |= marks


def insert_rows(connection: Connection, rows: Sequence[Row], loaded_at: datetime, known: KnownDimensions) -> Loaded:
    """
    Load rows over an open transaction that has taken its turn.

    The caller commits, and then calls `known.remember(marks(rows))`, for the rows that went in.

    Raises: sqlalchemy.exc.DBAPIError; `ingest.sqlstate.verdict` tells what it means.
    """
    if not rows:
        return Loaded(0, 0)
    unique: dict[tuple[int, UUID], Row] = {}
    twins = [row for row in rows if unique.setdefault(row.identity, row) is not row]
    since = min(row.occurred_at for row in rows) - ONE_DAY
    until = max(row.occurred_at for row in rows) + ONE_DAY
    insert_dimensions(connection, rows, loaded_at, known)
    connection.execute(BATCH_TABLE)
    _copy(connection, unique.values())
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
    twins += [row for identity, row in unique.items() if identity not in inserted]
    _fill_issues(connection, twins, window)
    return Loaded(len(inserted), len(rows) - len(inserted))


def marks(rows: Iterable[Row]) -> set[tuple[Any, ...]]:
    """Give what a batch tells of dimensions: the things `KnownDimensions` remembers."""
    told: set[tuple[Any, ...]] = set()
    for row in rows:
        told.update((table, dimension[0], dimension[1]) for table, dimension in row.dimensions)
        told.add(("dim_group", row.group[0], row.group[1], row.group[3]))
        told.add(("dim_project", *row.project))
    return told


def _copy(connection: Connection, rows: Iterable[Row]) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - an open connection has one
    with driver.cursor() as cursor, cursor.copy(COPY_BATCH) as copy:
        copy.set_types(["text" if kind == "jsonb" else kind for _, kind in BATCH_COLUMNS])
        for row in rows:
            copy.write_row(row.values)


def _fill_issues(connection: Connection, twins: Sequence[Row], window: dict[str, datetime]) -> None:
    told = [(*row.identity, row.values[-1]) for row in twins if row.values[-1] is not None]
    if told:
        project_ids, event_ids, issue_ids = (list(column) for column in zip(*told, strict=True))
        issues = {"project_ids": project_ids, "event_ids": event_ids, "issue_ids": issue_ids}
        connection.execute(FILL_ISSUES, {**issues, **window})
        connection.execute(FILL_ODD_ISSUES, issues)


def insert_dimensions(connection: Connection, rows: Sequence[Row], loaded_at: datetime, known: KnownDimensions) -> None:
    """Send what the rows tell of dimensions, groups and projects, but for what is `known` to be committed."""
    unknown = known.unknown(marks(rows))
    if not unknown:
        return
    fresh: dict[str, dict[tuple[int, int], DimensionRow]] = {}
    groups: dict[tuple[int, int], DimensionRow] = {}
    projects: dict[int, tuple[int, str | None, str | None]] = {}
    for row in rows:
        for table, dimension in row.dimensions:
            if (table, dimension[0], dimension[1]) in unknown:
                fresh.setdefault(table, {})[dimension[0], dimension[1]] = dimension
        if ("dim_group", row.group[0], row.group[1], row.group[3]) in unknown:
            seen = groups.setdefault((row.group[0], row.group[1]), row.group)
            if seen[3] is None and row.group[3] is not None:
                groups[row.group[0], row.group[1]] = row.group
        if ("dim_project", *row.project) in unknown:
            known_slug, known_name = projects.get(row.project[0], row.project)[1:]
            projects[row.project[0]] = (row.project[0], row.project[1] or known_slug, row.project[2] or known_name)
    for table, dimensions in sorted(fresh.items()):
        statement, columns = _INSERT_DIMENSION[table]
        ordered = [dimensions[key] for key in sorted(dimensions)]
        connection.execute(
            statement, {name: list(values) for name, values in zip(columns, zip(*ordered, strict=True), strict=True)}
        )
    if groups:
        connection.execute(_INSERT_GROUP, [dict(zip(_GROUP_COLUMNS, groups[k], strict=True)) for k in sorted(groups)])
    if projects:
        connection.execute(
            _INSERT_PROJECT,
            [
                {"project_id": project_id, "slug": slug, "name": name, "created_at": loaded_at}
                for project_id, slug, name in sorted(projects.values())
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
_GROUP_COLUMNS = ("project_id", "group_key", "group_hash", "issue_id", "type", "title", "culprit", "fingerprint")


def _group_insert() -> Any:
    statement = insert(DimGroup)
    return statement.on_conflict_do_update(
        index_elements=["project_id", "group_key"],
        set_={"issue_id": statement.excluded.issue_id},
        where=DimGroup.issue_id.is_(None) & statement.excluded.issue_id.is_not(None),
    )


def _project_insert() -> Any:
    statement = insert(DimProject)
    told = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["project_id"],
        set_={"slug": func.coalesce(told.slug, DimProject.slug), "name": func.coalesce(told.name, DimProject.name)},
        where=(told.slug.is_not(None) & told.slug.is_distinct_from(DimProject.slug))
        | (told.name.is_not(None) & told.name.is_distinct_from(DimProject.name)),
    )


_INSERT_GROUP = _group_insert()
_INSERT_PROJECT = _project_insert()
