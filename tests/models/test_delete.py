"""Events deleted on request: they are gone from rows, payloads and every count, and nothing else is."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from ingest.cli import app
from models.audit import Scope, audit
from models.engine import engine_for
from models.fold import fold_all
from tests.support.facts import Fact, put
from tests.support.loading import NOON
from tests.support.warehouse import rows, value

TODAY = NOON.date()
ONE_DAY = timedelta(days=1)
BESIDE = """
    with payload as (
        insert into warehouse.event_payload (project_id, event_id, occurred_at, codec, body)
        select project_id, event_id, occurred_at, 0, 'x' from warehouse.fact_event
    ), source as (
        insert into warehouse.event_source (project_id, event_id, source, occurred_at, received_at)
        select project_id, event_id, 1, occurred_at, received_at from warehouse.fact_event
    ) insert into warehouse.event_odd_time select project_id, event_id, occurred_at from warehouse.fact_event
"""
GROUP = """
    insert into warehouse.dim_group (project_id, group_key, group_hash, issue_id, type, title, culprit)
    values (42, 3, 'three', :issue, 'error', 'three', 'here')
"""


@pytest.fixture
def ids(engine: Engine) -> list[UUID]:
    """Events of groups 1 to 4 on two days of one project, with all that hangs on them."""
    made = [
        found
        for days in (0, 1)
        for found in put(engine, [Fact(NOON - days * ONE_DAY, group_key=g, user_key=g) for g in range(1, 5)])
    ]
    fold_all(engine, TODAY, 14)
    with engine.begin() as connection:
        connection.execute(text(BESIDE))
        connection.execute(text(GROUP), {"issue": 4711})
    return made


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


@pytest.fixture
def errhouse(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("ERRHOUSE_DATABASE_URL", database_url)
    monkeypatch.setenv("ERRHOUSE_DATA_DIR", str(tmp_path))

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["db", "delete", "--project", "42", *words])

    return run


def left(url: str, table: str) -> int:
    found: int = value(url, f"select count(*)::int from warehouse.{table}")
    return found


def test_without_yes_it_only_counts(ids: list[UUID], database_url: str, errhouse: Any) -> None:
    done = errhouse("--event", ids[0].hex, "--event", str(ids[5]))
    assert done.exit_code == 1
    assert "2 events of 2 days found; `--yes` deletes them, and there is no way back." in done.stdout
    assert left(database_url, "fact_event") == 8


def test_events_are_deleted_by_id_with_all_that_hangs_on_them(
    ids: list[UUID], database_url: str, engine: Engine, errhouse: Any
) -> None:
    put(engine, [Fact(NOON, group_key=1)])  # not folded yet
    done = errhouse("--event", ids[0].hex, "--event", str(ids[5]), "--event", uuid4().hex, "--yes", "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told == {
        "deleted": True,
        "events": 2,
        "days": [
            {"day": "2026-11-23", "event_count": 1, "payload_count": 1},
            {"day": "2026-11-24", "event_count": 1, "payload_count": 1},
        ],
    }
    beside = ("event_payload", "event_odd_time", "event_source")
    assert [left(database_url, table) for table in ("fact_event", *beside)] == [7, 6, 6, 6]
    noted = "select reason, project_id, first_on, end_on, event_count, payload_count from warehouse.removal order by 3"
    assert [tuple(row.values()) for row in rows(database_url, noted)] == [
        ("delete", 42, TODAY - ONE_DAY, TODAY, 1, 1),
        ("delete", 42, TODAY, TODAY + ONE_DAY, 1, 1),
    ]
    assert audit(engine, Scope(TODAY, 14)).differences == []


@pytest.mark.parametrize("named", ["by Sentry", "by itself"])
def test_an_issue_is_deleted_by_the_id_that_sentry_or_the_views_give_it(
    ids: list[UUID], database_url: str, engine: Engine, errhouse: Any, named: str
) -> None:
    assert len(ids) == 8
    if named == "by itself":
        with engine.begin() as connection:
            connection.execute(text("update warehouse.dim_group set issue_id = null"))
    done = errhouse("--issue", "4711" if named == "by Sentry" else "3", "--yes")
    assert done.exit_code == 0
    assert "2 events of 2 days deleted." in done.stdout
    assert left(database_url, "fact_event") == 6
    assert value(database_url, "select count(*) from warehouse.rollup_group where group_key = 3") == 0
    assert audit(engine, Scope(TODAY, 14)).differences == []
    assert errhouse("--issue", "4711", "--yes").stdout == "No such event is there; `analytics.events` has the ids.\n"


def test_a_day_of_which_others_were_let_go_of_is_refused_whole(
    ids: list[UUID], database_url: str, engine: Engine, errhouse: Any
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("insert into warehouse.removal values (:id, :at, 'archive', 42, :day, cast(:day as date) + 1, 9, 0)"),
            {"id": uuid4(), "at": NOON, "day": TODAY},
        )
    done = errhouse("--event", ids[0].hex, "--yes")
    assert "its rollups cannot be made again; keep them." in str(done.exception)
    assert left(database_url, "fact_event") == 8
    assert left(database_url, "removal") == 1


def test_what_was_meant_must_be_said(errhouse: Any) -> None:
    assert "Say which events" in str(errhouse("--yes").exception)
    assert "Say which events" in str(errhouse("--issue", "1", "--event", "2").exception)
    assert "`nothing` is not an event id" in str(errhouse("--event", "nothing").exception)
