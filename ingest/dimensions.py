"""
What rows point to: dimensions, groups and projects, sent once and remembered while they are known to be committed.

Rows of one batch share most of them, and so do later batches: what is remembered costs the database nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, Column, Connection, Table, Text, bindparam, cast, func, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert

from ingest.groups import insert_groups, later
from ingest.rows import DimensionRow, Row
from models import DIMENSIONS, DimProject

KNOWN_DIMENSIONS = 200_000
MEMORY_OF_ISSUES = timedelta(minutes=1)  # so long what another loader is told of a group may be overlooked

ERASURE_COUNT = text("select count(*) from warehouse.erasure")

Project = tuple[int, str | None, str | None]
"""A project's id, slug and name, as a form told them."""


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
