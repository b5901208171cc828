"""The rules of the first day that keep the warehouse ready for more than one node; each is dear to mend later."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import BigInteger, Column, DateTime, Identity, Sequence, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql

from ingest import dimensions, groups, progress, set_aside
from models import (
    DIMENSIONS,
    ROLLUP_DELTA,
    Base,
    DimGroup,
    DimIssue,
    EventOddTime,
    EventPayload,
    EventSource,
    FactEvent,
    IssueChange,
    RollupDay,
    RollupDayCulprit,
    RollupDayUser,
    RollupGroup,
    RollupHour,
    RollupHourGroup,
    RollupRelease,
)
from models.partitions import PARENTS
from tests.support.server import ROOT

FACTS: tuple[Table, ...] = tuple(each.__table__ for each in (FactEvent, EventPayload, EventOddTime, EventSource))  # type: ignore[misc]
DIMS: tuple[Table, ...] = tuple(each.__table__ for each in (*DIMENSIONS, DimGroup))  # type: ignore[attr-defined]
ISSUES: tuple[Table, ...] = tuple(each.__table__ for each in (DimIssue, IssueChange))  # type: ignore[misc]
KEPT = (RollupHour, RollupHourGroup, RollupDay, RollupDayCulprit, RollupDayUser, RollupGroup, RollupRelease)
ROLLUPS: tuple[Table, ...] = tuple(each.__table__ for each in KEPT)  # type: ignore[misc]
BIG = (*FACTS, *DIMS, *ISSUES, *ROLLUPS)
# instants by names that say more than `_at`
INSTANTS = {"hour", "minute", "scheduled_for", "period_start", "period_end", "open_until", "claimed_until"}
TABLES = tuple(Base.metadata.sorted_tables)

FORBIDDEN = ("grouping sets", "rollup (", "rollup(", "cube (", "cube(", "tablesample", "with recursive", "for update")
UPSERT = re.compile(
    r"insert\s+into\s+(?:warehouse\.)?(\w+).*?on\s+conflict\s*(?:\(([^)]*)\))?", re.IGNORECASE | re.DOTALL
)
SET = re.compile(r"on\s+conflict[^;]*?do\s+update\s+set\s((?:(?!\swhere\s|\sreturning\s|\"\"\").)*)", re.DOTALL)
NOT_IMMUTABLE = re.compile(r"\b(now|clock_timestamp|statement_timestamp|random|gen_random_uuid|current_timestamp)\b")

# statements that are put together in code, as they are sent
BUILT = {
    **{f"dimensions {name}": statement for name, (statement, _) in dimensions._INSERT_DIMENSION.items()},
    "groups group": groups.INSERT_GROUP,
    "dimensions project": dimensions._INSERT_PROJECT,
    "progress tally": progress.ADD_TALLY,
    "progress position": progress.MOVE_POSITION,
    "set aside": set_aside._KEEP,
}


def name_of(table: Table) -> str:
    return table.name


def shipped() -> Iterator[tuple[str, str]]:
    """Give every text that may be or hold SQL: our sources without their comments, and the statements built in code."""
    for room in ("ingest", "models", "reports", "migrations"):
        for path in sorted((ROOT / room).rglob("*.py")):
            lines = [re.sub(r"\s#.*$", "", line) for line in path.read_text().splitlines()]
            yield str(path.relative_to(ROOT)), "\n".join(lines).lower()
    for name, statement in BUILT.items():
        yield name, str(statement.compile(dialect=postgresql.dialect())).lower()


def key_of(table: Table) -> list[str]:
    return [column.name for column in table.primary_key.columns]


@pytest.mark.parametrize("table", BIG, ids=name_of)
def test_project_id_is_a_bigint_that_is_never_null_and_first_in_every_unique_key(table: Table) -> None:
    project_id = table.columns["project_id"]
    assert isinstance(project_id.type, BigInteger)
    assert not project_id.nullable
    unique = [constraint for constraint in table.constraints if isinstance(constraint, UniqueConstraint)]
    keys = [key_of(table), *([column.name for column in each.columns] for each in unique)]
    keys += [[column.name for column in index.columns] for index in table.indexes if index.unique]
    assert [key for key in keys if key[0] != "project_id"] == []


def test_the_big_tables_are_all_that_grow_with_events() -> None:
    # a new table belongs to one of the two lists, and whoever adds it says to which
    assert {table.name for table in TABLES} - {table.name for table in BIG} == {
        "alert_count",
        "alert_feed",
        "alert_rule",
        "alert_state",
        "analyst_project",
        "console_session",
        "console_user",
        "delivery",
        "dim_project",
        "erasure",
        "hook",
        "load_tally",
        "outbox",
        "payload_dictionary",
        "project_key",
        "rebuild_due",
        "removal",
        "report_artifact",
        "report_run",
        "report_schedule",
        "rollup_delta",
        "script_run",
        "set_aside",
        "spool_position",
        "target",
        "target_state",
        "ticket",
    }
    assert ROLLUP_DELTA.c.project_id.nullable is False  # it is emptied every few seconds


def test_the_fact_s_key_is_legal_for_distribution_by_project_and_by_event() -> None:
    assert key_of(FactEvent.__table__) == ["project_id", "event_id", "occurred_at"]  # type: ignore[arg-type]
    assert key_of(EventPayload.__table__) == ["project_id", "event_id", "occurred_at"]  # type: ignore[arg-type]


@pytest.mark.parametrize("table", DIMS, ids=name_of)
def test_dimensions_are_keyed_by_project_and_hash(table: Table) -> None:
    assert key_of(table) == ["project_id", table.name.removeprefix("dim_") + "_key"]


@pytest.mark.parametrize("table", TABLES, ids=name_of)
def test_nothing_counts_up_by_itself(table: Table) -> None:
    def counts(column: Column[object]) -> bool:
        return (
            isinstance(column.server_default, Identity)
            or isinstance(column.default, Sequence)
            or column.identity is not None
            or (column.autoincrement is True)
        )

    assert [column.name for column in table.columns if counts(column)] == []


@pytest.mark.parametrize("table", TABLES, ids=name_of)
def test_every_instant_has_a_time_zone(table: Table) -> None:
    instants = [column for column in table.columns if isinstance(column.type, DateTime)]
    assert [column.name for column in instants if not column.type.timezone] == []
    named = [column.name for column in table.columns if column.name.endswith("_at") or column.name in INSTANTS]
    assert named == [each.name for each in instants]


@pytest.mark.parametrize("table", BIG, ids=name_of)
def test_nothing_big_has_a_foreign_key(table: Table) -> None:
    assert list(table.foreign_keys) == []


def test_the_database_agrees(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:

        def found(query: str) -> list[tuple[object, ...]]:
            return connection.execute(query.encode()).fetchall()

        assert found("select * from information_schema.sequences where sequence_schema = 'warehouse'") == []
        inside = "table_schema in ('warehouse', 'analytics')"
        assert found(f"select * from information_schema.columns where {inside} and is_identity = 'YES'") == []
        naive = "data_type in ('timestamp without time zone', 'time without time zone')"
        assert found(f"select * from information_schema.columns where {inside} and {naive}") == []
        assert found("select conname from pg_constraint where contype = 'f'") == []
        assert found("select relname from pg_class where relispartition and relkind = 'p'") == []
        partitioned = (
            "select p.partrelid::regclass::text, pg_get_partkeydef(p.partrelid), partdefid from pg_partitioned_table p"
        )
        assert sorted(found(partitioned)) == [
            (f"warehouse.{parent.name}", f"RANGE ({parent.column})", 0) for parent in sorted(PARENTS)
        ]


def test_no_statement_uses_what_a_distributed_database_refuses() -> None:
    texts = {where: re.sub(r"\s+", " ", sql) for where, sql in shipped()}
    assert len(texts) > 60
    assert {where: word for where, sql in texts.items() for word in FORBIDDEN if word in sql} == {}


def test_every_upsert_names_the_whole_key_and_never_moves_a_row_to_another_project() -> None:
    keys = {table.name: key_of(table) for table in TABLES}
    seen: dict[str, list[tuple[str, str]]] = {}
    for where, sql in shipped():
        for table, named in UPSERT.findall(sql):
            seen.setdefault(table, []).append((where, named))
        assert not [each for each in SET.findall(sql) if re.search(r"\bproject_id\s*=", each)], where
        assert not [each for each in SET.findall(sql) if NOT_IMMUTABLE.search(each)], where
    assert {table for table in seen if table in keys} >= {"fact_event", "event_payload", "event_odd_time", "dim_group"}
    unlike = {
        f"{where}: {table}": named
        for table, told in seen.items()
        for where, named in told
        if keys.get(table) and [part.strip() for part in named.split(",")] != keys[table]
    }
    assert unlike == {}


def test_the_list_of_statements_built_in_code_is_complete() -> None:
    makers = {
        path.stem
        for room in ("ingest", "models", "reports")
        for path in (ROOT / room).rglob("*.py")
        if re.search(r"on_conflict_do_(nothing|update)", Path(path).read_text())
    }
    assert makers == {name.split()[0] if not name.startswith("set") else "set_aside" for name in BUILT}
