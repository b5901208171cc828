"""Every difference is found, told in its place, and ends the command with 1; what is right is told in one sentence."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from ingest.cli import app
from models.audit import Difference, Scope, audit, sentence
from models.clock import now
from models.engine import engine_for
from models.fold import fold_all
from models.leaves import Standing, let_go, standing
from tests.support.facts import Fact, put
from tests.support.loading import NOON, PROJECT

TODAY = NOON.date()
ONE_DAY = timedelta(days=1)
YESTERDAY = TODAY - ONE_DAY
WHOLE = Scope(TODAY, 14)
ROLLUPS = ("rollup_hour", "rollup_day_culprit", "rollup_day_user")
NOTE = """
    insert into warehouse.removal
        (removal_id, removed_at, reason, project_id, first_on, end_on, event_count, payload_count)
    values (:id, :at, :reason, :project, :day, cast(:day as date) + 1, :count, 0)
"""


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Ten events a day on three days, in two projects; those of one batch are not folded yet."""
    made = engine_for(database_url)
    for days in (0, 1, 20):
        at = NOON - days * ONE_DAY
        put(made, [Fact(at, group_key=g, release_key=g % 3, project_id=PROJECT + g % 2) for g in range(1, 9)])
    fold_all(made, TODAY, 14)
    for days in (0, 1, 20):
        put(made, [Fact(NOON - days * ONE_DAY, group_key=2), Fact(NOON - days * ONE_DAY, group_key=70)])
    yield made
    made.dispose()


def execute(engine: Engine, statement: str, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def found(engine: Engine, scope: Scope = WHOLE) -> list[Difference]:
    return audit(engine, scope).differences


def test_what_agrees_is_told_in_one_sentence(engine: Engine) -> None:
    made = audit(engine, WHOLE)
    assert made.differences == []
    assert sentence(made) == (
        "30 events of 3 days in 2 projects: the events, the rollups by hour, day, culprit and user; the totals of "
        "issues and releases, and what was loaded, met again, refused and removed agree to the unit."
    )


def test_a_partition_that_is_detached_and_not_dropped_yet_still_counts(engine: Engine) -> None:
    leaf = next(each for each in _standing(engine) if each.days.first <= TODAY < each.days.end)
    let_go(engine, "fact_event", leaf, lambda _: None)
    assert leaf.table not in {each.table for each in _standing(engine)}
    made = audit(engine, WHOLE)
    assert made.differences == []
    assert made.event_count == 30


def _standing(engine: Engine) -> list[Standing]:
    with engine.connect() as connection:
        return standing(connection, "fact_event")


@pytest.mark.parametrize("table", ROLLUPS)
def test_a_rollup_that_lost_a_day_of_a_project_is_told(engine: Engine, table: str) -> None:
    when = "hour >= :day and hour < cast(:day as date) + 1" if table == "rollup_hour" else "day = :day"
    execute(engine, f"delete from warehouse.{table} where project_id = 43 and {when}", day=YESTERDAY)
    assert found(engine) == [Difference(43, YESTERDAY, table, 4, 0)]


def test_a_day_that_is_wrong_is_wrong_in_all_it_adds_up_to(engine: Engine) -> None:
    execute(engine, "update warehouse.rollup_day set event_count = 5 where day = :day and group_key = 3", day=YESTERDAY)
    assert found(engine) == [
        Difference(43, YESTERDAY, "rollup_day", 4, 8),
        Difference(43, YESTERDAY, "rollup_hour_group, group 3", 5, 1),
        Difference(43, None, "rollup_group, group 3", 7, 3),
    ]


def test_a_lost_event_and_a_lost_delta_are_told(engine: Engine) -> None:
    execute(engine, "delete from warehouse.rollup_delta where group_key = 70 and hour >= :noon", noon=NOON)
    tables = ("rollup_day", *ROLLUPS)
    assert found(engine) == [Difference(PROJECT, TODAY, table, 6, 5) for table in tables]
    execute(engine, "delete from warehouse.fact_event where group_key = 70 and occurred_at = :noon", noon=NOON)
    assert found(engine) == [Difference(None, None, "events there and removed, against events loaded", 30, 29)]


def test_an_event_more_than_counted_is_told(engine: Engine) -> None:
    execute(
        engine,
        "insert into warehouse.fact_event (event_id, project_id, occurred_at, received_at, loaded_at, group_key, "
        "level, time_quality, source) values (gen_random_uuid(), 44, :noon, :noon, :noon, 1, 40, 0, 4)",
        noon=NOON,
    )
    of_day = [Difference(44, TODAY, table, 1, 0) for table in ("rollup_day", *ROLLUPS)]
    assert found(engine) == [
        *of_day,
        Difference(None, None, "events there and removed, against events loaded", 30, 31),
    ]


@pytest.mark.parametrize(("table", "key"), [("rollup_group", "group_key"), ("rollup_release", "release_key")])
def test_totals_of_all_days_are_compared_with_the_days(engine: Engine, table: str, key: str) -> None:
    name = key.removesuffix("_key")
    execute(engine, f"update warehouse.{table} set event_count = event_count + 1 where {key} = 2 and project_id = 42")
    expected = 3 if name == "group" else 6
    assert found(engine) == [Difference(42, None, f"{table}, {name} 2", expected, expected + 1)]
    execute(engine, f"delete from warehouse.{table} where {key} = 2 and project_id = 42")
    assert found(engine) == [Difference(42, None, f"{table}, {name} 2", expected, 0)]


def test_totals_may_hold_more_where_days_of_rollups_were_let_go_of(engine: Engine) -> None:
    fold_all(engine, TODAY, 14)
    for table in ("rollup_day", "rollup_day_culprit", "rollup_day_user"):
        execute(engine, f"delete from warehouse.{table} where day < :day", day=YESTERDAY)
    scope = WHOLE._replace(rollups_first=YESTERDAY)
    assert found(engine, scope) == []
    execute(engine, "update warehouse.rollup_group set event_count = 1 where group_key = 2")
    assert found(engine, scope) == [Difference(42, None, "rollup_group, group 2", 4, 1)]


def test_hours_of_groups_are_compared_for_the_days_they_are_kept(engine: Engine) -> None:
    execute(engine, "delete from warehouse.rollup_hour_group where group_key = 4")
    assert found(engine) == [
        Difference(42, YESTERDAY, "rollup_hour_group, group 4", 1, 0),
        Difference(42, TODAY, "rollup_hour_group, group 4", 1, 0),
    ]


def test_a_tally_that_does_not_add_up_is_told(engine: Engine) -> None:
    execute(engine, "update warehouse.load_tally set refused_count = 2")
    assert found(engine) == [Difference(None, TODAY, "load_tally, origin file", 30, 32)]


def test_events_that_were_let_go_of_leave_the_rollups_to_be_compared_with_each_other(engine: Engine) -> None:
    gone = "delete from warehouse.fact_event where project_id = :project and occurred_at < :day"
    execute(engine, gone, project=PROJECT, day=YESTERDAY)
    note = {"id": uuid4(), "at": NOON, "reason": "archive", "project": PROJECT, "day": TODAY - 20 * ONE_DAY}
    assert len(found(engine)) == 5
    execute(engine, NOTE, count=6, **note)
    assert found(engine) == []
    assert audit(engine, WHOLE).kept_day_count == 1
    execute(engine, "delete from warehouse.rollup_day_user where day < :day", day=YESTERDAY)
    assert [each[:3] for each in found(engine)] == [
        (PROJECT, TODAY - 20 * ONE_DAY, "rollup_day_user"),
        (43, TODAY - 20 * ONE_DAY, "rollup_day_user"),
    ]


def test_a_removal_on_request_is_no_excuse_for_a_rollup(engine: Engine) -> None:
    gone = "delete from warehouse.fact_event where project_id = :project and occurred_at < :day"
    execute(engine, gone, project=PROJECT, day=YESTERDAY)
    note = {"id": uuid4(), "at": NOON, "reason": "delete", "project": PROJECT, "day": TODAY - 20 * ONE_DAY}
    execute(engine, NOTE, count=6, **note)
    assert {each.what for each in found(engine)} == {"rollup_day", *ROLLUPS}


def test_only_the_days_that_are_asked_for_are_compared(engine: Engine) -> None:
    execute(engine, "delete from warehouse.rollup_hour where hour < :day", day=YESTERDAY)
    made = audit(engine, WHOLE._replace(first=YESTERDAY, last=YESTERDAY))
    assert (made.event_count, made.day_count, made.is_whole, made.differences) == (10, 1, False, [])
    long_ago = TODAY - 20 * ONE_DAY
    assert [each.day for each in found(engine, WHOLE._replace(first=long_ago, last=long_ago))] == [long_ago] * 2


@pytest.fixture
def errhouse(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("ERRHOUSE_DATABASE_URL", database_url)
    monkeypatch.setenv("ERRHOUSE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, words)

    return run


def test_the_command_ends_with_0_when_all_is_well(engine: Engine, errhouse: Any) -> None:
    assert found(engine) == []
    done = errhouse("db", "audit")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("30 events of 3 days in 2 projects: ")
    told = json.loads(errhouse("db", "audit", "--json").stdout)
    assert (told["ok"], told["differences"], told["checked"]["event_count"]) == (True, [], 30)


def test_the_command_ends_with_1_lists_what_differs_and_says_what_mends_it(engine: Engine, errhouse: Any) -> None:
    execute(engine, "delete from warehouse.rollup_day_user where project_id = 43")
    done = errhouse("db", "audit", "--from", str(YESTERDAY), "--to", str(TODAY))
    assert done.exit_code == 1
    assert re.search(r"43 .* 2026-11-23 .* rollup_day_user .* 4 .* 0", done.stdout)
    assert done.stderr == "Run `errhouse db rebuild 2026-11-23 --to 2026-11-24`.\n"
    told = json.loads(errhouse("db", "audit", "--json").stdout)
    assert not told["ok"]
    assert told["differences"][-1] == {
        "project_id": 43,
        "day": "2026-11-24",
        "what": "rollup_day_user",
        "expected": 4,
        "found": 0,
    }
    assert "rollup_day_user" not in errhouse("db", "rebuild", "2026-11-04", "--project", "42").stdout
    done = errhouse("db", "rebuild", "2026-11-04", "--to", "2026-11-24")
    assert done.exit_code == 0
    assert "2026-11-23: 10 events in 2 projects; rollup_day_user 6 -> 10.\n" in done.stdout
    assert errhouse("db", "audit").exit_code == 0


def test_days_that_wait_to_be_counted_are_named_as_the_cause(engine: Engine, errhouse: Any) -> None:
    execute(engine, "delete from warehouse.rollup_day_user where project_id = 43")
    execute(engine, "insert into warehouse.rebuild_due values (:day)", day=YESTERDAY)
    done = errhouse("db", "audit")
    assert done.exit_code == 1
    assert done.stderr == "1 day not counted yet; run `errhouse db maintain`, then audit again.\n"


def test_days_in_the_wrong_order_are_refused(errhouse: Any) -> None:
    for words in (
        ("audit", "--from", "2026-11-24", "--to", "2026-11-23"),
        ("rebuild", "2026-11-24", "--to", "2026-11-23"),
    ):
        done = errhouse("db", *words)
        assert "is before" in str(done.exception)


def test_a_day_that_was_let_go_of_is_not_rebuilt(engine: Engine, errhouse: Any) -> None:
    note = {"id": uuid4(), "at": now(), "reason": "retention", "project": None, "day": YESTERDAY}
    execute(engine, NOTE, count=10, **note)
    done = errhouse("db", "rebuild", str(YESTERDAY))
    assert "cannot be made again; keep them." in str(done.exception)
