"""Rollups made again from the events: what was wrong is right, what was right stays, nothing is invented."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, event, text

from models.audit import Scope, audit
from models.engine import engine_for
from models.fold import fold_all
from models.rebuild import NothingToRebuildFrom, hold, rebuild
from models.rebuild_days import rebuild_days
from models.turns import take_turns
from tests.support.facts import Fact, put
from tests.support.loading import NOON, PROJECT
from tests.support.warehouse import rows, value

TODAY = NOON.date()
ONE_DAY = timedelta(days=1)
ALL = ("rollup_hour", "rollup_hour_group", "rollup_day", "rollup_day_culprit", "rollup_day_user", "rollup_group")
TABLES = (*ALL, "rollup_release")
NOTE = "insert into warehouse.removal values (:id, :at, :reason, :project, :day, cast(:day as date) + 1, 9, 0)"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


@pytest.fixture
def loaded(engine: Engine) -> Engine:
    """Three days of two projects, folded but for the last batch."""
    for days in (0, 1, 2):
        at = NOON - days * ONE_DAY
        put(
            engine,
            [Fact(at, group_key=g, release_key=g % 3, user_key=g * days, project_id=41 + g % 2) for g in range(9)],
        )
    fold_all(engine, TODAY, 14)
    put(engine, [Fact(NOON - ONE_DAY, group_key=3, sample_weight=2.0, user_key=77), Fact(NOON, group_key=99)])
    return engine


def state(url: str) -> dict[str, list[dict[str, Any]]]:
    return {table: rows(url, f"select * from warehouse.{table} t order by t") for table in TABLES}


def run(engine: Engine, day: Any = TODAY - ONE_DAY, project_ids: list[int] | None = None) -> int:
    with engine.begin() as connection:
        return rebuild(connection, day, TODAY, 14, project_ids)


def execute(engine: Engine, statement: str, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def test_a_rebuild_of_what_is_right_changes_no_number(loaded: Engine, database_url: str) -> None:
    fold_all(loaded, TODAY, 14)
    before = state(database_url)
    for days in range(4):
        assert run(loaded, TODAY - days * ONE_DAY) == 2
    assert state(database_url) == before
    assert audit(loaded, Scope(TODAY, 14)).differences == []


def test_deltas_of_the_day_are_counted_once_and_those_of_other_days_stay(loaded: Engine, database_url: str) -> None:
    run(loaded)
    assert value(database_url, "select count(*) from warehouse.rollup_delta") == 1
    assert audit(loaded, Scope(TODAY, 14)).differences == []
    fold_all(loaded, TODAY, 14)
    assert audit(loaded, Scope(TODAY, 14)).differences == []


@pytest.mark.parametrize("table", TABLES)
def test_whatever_is_lost_doubled_or_invented_is_mended(loaded: Engine, database_url: str, table: str) -> None:
    fold_all(loaded, TODAY, 14)
    right = state(database_url)
    harms = [f"delete from warehouse.{table}", f"update warehouse.{table} set event_count = event_count + 1"]
    if table in {"rollup_group", "rollup_release", "rollup_day"}:
        key = "release_key" if table == "rollup_release" else "group_key"
        harms.append(f"update warehouse.{table} set {key} = {key} + 1000")
    for harm in harms:
        execute(loaded, harm)
        assert state(database_url) != right
        for days in range(3):
            run(loaded, TODAY - days * ONE_DAY)
        assert state(database_url) == right


def test_a_project_that_is_named_is_rebuilt_alone(loaded: Engine) -> None:
    execute(loaded, "update warehouse.rollup_day set event_count = 1000 where day = :day", day=TODAY - ONE_DAY)
    assert run(loaded, project_ids=[41]) == 1
    wrong = {each.project_id for each in audit(loaded, Scope(TODAY, 14)).differences if each.day}
    assert wrong == {42}


def test_a_group_whose_last_event_is_gone_is_gone(loaded: Engine, database_url: str) -> None:
    fold_all(loaded, TODAY, 14)
    with loaded.begin() as connection:
        hold(connection, [PROJECT])
        connection.execute(text("delete from warehouse.fact_event where group_key = 99"))
        rebuild(connection, TODAY, TODAY, 14, [PROJECT])
    assert value(database_url, "select count(*) from warehouse.rollup_group where group_key = 99") == 0
    assert value(database_url, "select count(*) from warehouse.rollup_day where group_key = 99") == 0


def test_what_began_before_the_rollups_that_are_kept_keeps_its_beginning(engine: Engine, database_url: str) -> None:
    long_ago = NOON - 400 * ONE_DAY
    put(engine, [Fact(long_ago, release_key=5), Fact(release_key=5), Fact(group_key=2, release_key=6)])
    fold_all(engine, TODAY, 14)
    execute(engine, f"drop table warehouse.rollup_day_p{long_ago:%Y_%m}_01")
    execute(engine, "update warehouse.rollup_group set event_count = 9 where group_key = 2")
    run(engine, TODAY)
    found = rows(database_url, "select group_key, event_count, first_at from warehouse.rollup_group order by 1")
    assert [tuple(row.values()) for row in found] == [(1, 2, long_ago), (2, 1, NOON)]
    assert value(database_url, "select first_at from warehouse.rollup_release where release_key = 5") == long_ago


def test_events_that_were_let_go_of_are_not_counted_anew(loaded: Engine, database_url: str) -> None:
    fold_all(loaded, TODAY, 14)
    noted = {"id": uuid4(), "at": NOON, "project": PROJECT, "day": TODAY - ONE_DAY}
    execute(loaded, NOTE, reason="archive", **noted)
    execute(loaded, "delete from warehouse.fact_event where project_id = 42 and occurred_at < :now", now=NOON)
    before = state(database_url)
    with pytest.raises(NothingToRebuildFrom, match=r"^Events of 2026-11-23 were removed .*; keep them\.$"):
        run(loaded, project_ids=[PROJECT])
    assert run(loaded) == 1  # the other project
    assert state(database_url) == before


def test_a_removal_of_payloads_or_by_request_does_not_stand_in_the_way(loaded: Engine) -> None:
    noted = {"at": NOON, "project": PROJECT, "day": TODAY - ONE_DAY}
    execute(loaded, NOTE, id=uuid4(), reason="delete", **noted)
    execute(loaded, NOTE.replace("9, 0", "0, 9"), id=uuid4(), reason="retention", **noted)
    assert run(loaded, project_ids=[PROJECT]) == 1


def test_a_loader_waits_and_its_events_are_counted_once(loaded: Engine, database_url: str) -> None:
    order: list[str] = []

    def load() -> None:
        own = engine_for(database_url)
        with own.begin() as connection:
            take_turns(connection, [PROJECT])
            order.append("loaded")
        put(own, [Fact(NOON - ONE_DAY)])
        own.dispose()

    with loaded.begin() as connection:
        hold(connection)
        loading = threading.Thread(target=load)
        loading.start()
        rebuild(connection, TODAY - ONE_DAY, TODAY, 14)
        order.append("rebuilt")
    loading.join()
    assert order == ["rebuilt", "loaded"]
    assert audit(loaded, Scope(TODAY, 14)).differences == []


def test_somebody_in_the_way_is_waited_for_and_told_of(loaded: Engine, database_url: str) -> None:
    told: list[str] = []
    blocking = engine_for(database_url)
    blocker = blocking.connect()
    take_turns(blocker, [PROJECT])

    def pause(_: float) -> None:
        blocker.close()

    def hasten(connection: Any, _: Any) -> None:
        connection.execute("set lock_timeout = '100ms'")
        connection.commit()

    event.listen(loaded, "connect", hasten)
    loaded.dispose()
    done = list(rebuild_days(loaded, [TODAY], TODAY, 14, pause=pause, say=told.append))
    blocking.dispose()
    assert told == ["2026-11-24: loading or folding holds what is to be changed; trying again in 2 s."]
    assert [(each.day, each.project_count, each.changed) for each in done] == [(TODAY, 2, {})]


def test_it_tells_what_changed(loaded: Engine) -> None:
    fold_all(loaded, TODAY, 14)
    execute(loaded, "delete from warehouse.rollup_hour where project_id = 41")
    days = [TODAY - ONE_DAY, TODAY - 30 * ONE_DAY]
    done = list(rebuild_days(loaded, days, TODAY, 14, pause=lambda _: None, say=lambda _: None))
    assert [(each.event_count, each.changed) for each in done] == [(10, {"rollup_hour": (5, 10)}), (0, {})]
