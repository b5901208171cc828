"""`errhouse db maintain`: every step does its work once, alone, and whatever happens to the others."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from models.leaves import let_go, standing
from models.maintain import Step, claimed, maintain, urgent
from tests.support import warehouse
from tests.support.lifecycle import TODAY, Past, past
from tests.support.loading import NOON, settings
from tests.support.server import errhouse
from tests.support.wait import until

DAY = timedelta(days=1)
WITHIN = 20
INDEXES = """
    select t.relname as leaf, c.relname as index, i.indisvalid as is_valid, c.oid::int as oid
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
    join pg_am a on a.oid = c.relam where a.amname = 'gin' and t.relname like 'fact_event%%' order by 1
"""


@pytest.fixture
def house(database_url: str) -> Iterator[Past]:
    with past(database_url) as made:
        yield made


def run(house: Past, **overrides: object) -> dict[str, Step]:
    steps = maintain(house.engine, settings(Path(), **overrides), NOON, pause=lambda _: None)
    return {step.name: step for step in steps}


def indexes(house: Past) -> dict[str, int]:
    found = warehouse.rows(house.url, INDEXES)
    assert all(row["is_valid"] for row in found)
    return {row["leaf"].removeprefix("fact_event_p"): row["oid"] for row in found}


def leaves(house: Past, parent: str) -> list[str]:
    query = "select inhrelid::regclass::text as leaf from pg_inherits where inhparent = cast(%s as regclass) order by 1"
    return [row["leaf"].rpartition("_p")[2] for row in warehouse.rows(house.url, query, f"warehouse.{parent}")]


def test_everything_is_done_once_and_then_there_is_nothing_to_do(house: Past) -> None:
    house.load(range(40, -1, -1))
    first = run(house, EVENT_RETENTION_DAYS=20, PAYLOAD_RETENTION_DAYS=10)
    assert [step for step in first.values() if not step.is_done] == []
    news = {name for name, step in first.items() if step.is_news}
    assert news == {"partitions", "fold", "event retention", "payload retention", "closed partitions", "statistics"}
    assert house.value("select count(*)::int from warehouse.rollup_delta") == 0
    assert house.value("select sum(event_count)::int from warehouse.rollup_day") == 41
    assert house.days()[0] < 27
    again = run(house, EVENT_RETENTION_DAYS=20, PAYLOAD_RETENTION_DAYS=10)
    assert [step for step in again.values() if step.is_news or not step.is_done] == []


def test_partitions_are_made_ahead_and_behind_as_far_as_things_are_kept(house: Past) -> None:
    run(house, EVENT_RETENTION_DAYS=10, PAYLOAD_RETENTION_DAYS=3)
    assert leaves(house, "fact_event") == ["2026_11_09", "2026_11_16", "2026_11_23", "2026_11_30", "2026_12_07"]
    assert leaves(house, "event_payload") == ["2026_11_16", "2026_11_23", "2026_11_30", "2026_12_07"]
    assert leaves(house, "rollup_hour") == ["2026_11_01", "2026_12_01"]
    assert leaves(house, "rollup_hour_group") == ["2026_11_23", "2026_11_30"]
    run(house)
    assert leaves(house, "fact_event")[0] == "2026_10_19"


def test_closed_partitions_are_indexed_frozen_and_analyzed_once(house: Past) -> None:
    house.load([12, 11, 2, 0], tags={"region": "eu"})
    run(house)
    made = indexes(house)
    assert "2026_11_09" in made
    assert "2026_11_23" not in made  # it is written to
    leaf = "warehouse.fact_event_p2026_11_09"
    assert house.value("select count(*)::int from pg_stats where tablename = 'fact_event_p2026_11_09'") > 10
    assert house.value("select count(*)::int from pg_stats where tablename = 'fact_event' and inherited") > 10
    vacuumed = f"select vacuum_count::int from pg_stat_user_tables where relid = '{leaf}'::regclass"
    count = until(lambda: house.value(vacuumed), WITHIN, "the server tells of the vacuum")
    assert run(house)["closed partitions"].is_news is False
    assert indexes(house) == made
    assert house.value(vacuumed) == count
    found = house.value(f'select count(*)::int from {leaf} where tags @> \'{{"region": "eu"}}\'')
    assert found == 2


def test_an_index_that_was_not_finished_is_made_again(house: Past) -> None:
    house.load([12])
    run(house)
    made = indexes(house)
    name = "warehouse.ix_fact_event_p2026_11_09_tags"
    house.run(f"update pg_index set indisvalid = false where indexrelid = '{name}'::regclass")
    assert run(house)["closed partitions"].is_news
    again = indexes(house)
    assert again["2026_11_09"] != made["2026_11_09"]
    # killed between the index and the vacuum: what is left of the work is done
    house.run(f"comment on index {name} is null")
    assert run(house)["closed partitions"].is_news
    assert indexes(house) == again


def test_days_that_are_due_are_rebuilt_oldest_first_and_struck_off(house: Past) -> None:
    house.load([3, 2])
    run(house)
    days = [TODAY - 3 * DAY, TODAY - 2 * DAY]
    for day in days:
        house.run(f"insert into warehouse.rebuild_due values ('{day}')")
    house.run("update warehouse.rollup_day set event_count = 7", "delete from warehouse.rollup_hour")
    assert urgent(house.engine, settings(Path()), NOON, -1)[0].told.startswith("0 of 2 days")
    assert "2 of 2 days" in run(house)["rebuild"].told
    assert house.value("select count(*)::int from warehouse.rebuild_due") == 0
    assert house.value("select sum(event_count)::int from warehouse.rollup_day") == 2
    assert house.value("select sum(event_count)::int from warehouse.rollup_hour") == 2
    assert not urgent(house.engine, settings(Path()), NOON, -1)[0].is_news


def test_rollups_go_by_the_month_after_their_events_and_hours_of_issues_by_the_week(house: Past) -> None:
    house.load([100, 60, 12, 1])
    run(house)
    assert house.days("rollup_hour_group", "hour") == [12, 1]
    done = run(house, EVENT_RETENTION_DAYS=30, ROLLUP_RETENTION_DAYS=70, HOUR_GROUP_RETENTION_DAYS=1)
    assert all(step.is_done for step in done.values())
    assert house.days("rollup_day", "day") == house.days("rollup_hour", "hour") == [60, 12, 1]
    assert house.days("rollup_day_user", "day") == [60, 12, 1]
    assert house.days("rollup_hour_group", "hour") == [1]
    assert house.days() == [12, 1]
    # events are kept for ever: so are their rollups
    run(house, EVENT_RETENTION_DAYS=0, ROLLUP_RETENTION_DAYS=7)
    assert house.days("rollup_day", "day") == [60, 12, 1]


def test_a_step_that_cannot_be_done_is_told_and_the_others_go_on(house: Past) -> None:
    house.load([1])
    house.run("alter table warehouse.rebuild_due rename to rebuild_never")
    steps = run(house)
    assert [name for name, step in steps.items() if not step.is_done] == ["rebuild", "audit of yesterday"]
    assert "42P01" in steps["rebuild"].told
    assert house.value("select sum(event_count)::int from warehouse.rollup_day") == 1


def test_numbers_of_yesterday_that_do_not_agree_are_told(house: Past) -> None:
    house.load([1])
    run(house)
    house.run("update warehouse.rollup_day set event_count = 7")
    assert "do not agree" in run(house)["audit of yesterday"].told


def test_what_a_killed_run_has_detached_is_dropped_and_noted_soon(house: Past) -> None:
    house.load([40, 1])
    with house.engine.connect() as connection:
        oldest = standing(connection, "fact_event")[0]
    let_go(house.engine, "fact_event", oldest, lambda _: None)
    with claimed(house.engine):
        assert not any(step.is_news for step in urgent(house.engine, settings(Path()), NOON, 0))
    assert any(step.is_news for step in urgent(house.engine, settings(Path()), NOON, 0))
    assert [events for *_, events, _ in house.removals()] == [1]
    assert not any(step.is_news for step in urgent(house.engine, settings(Path()), NOON, 0))


def test_a_second_run_leaves_to_the_first_what_it_is_at(house: Past) -> None:
    house.load([40, 1])
    with claimed(house.engine) as is_ours:
        assert is_ours
        steps = run(house, EVENT_RETENTION_DAYS=20)
        assert list(steps) == ["partitions", "fold", "rebuild", "others"]
        assert all(step.is_done for step in steps.values())
        assert house.days() == [40, 1]
    run(house, EVENT_RETENTION_DAYS=20)
    assert house.days() == [1]


def test_an_outage_is_told_step_by_step(house: Past) -> None:
    name = psycopg.conninfo.conninfo_to_dict(house.url)["dbname"]
    house.engine.dispose()
    with psycopg.connect(house.url, dbname="postgres", autocommit=True) as elsewhere:
        elsewhere.execute(f"alter database {name} allow_connections false".encode())
        try:
            steps = run(house)
        finally:
            elsewhere.execute(f"alter database {name} allow_connections true".encode())
    assert not any(step.is_done for step in steps.values())


def test_the_commands_do_it_and_say_so(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    done = errhouse("db", "maintain", "--json", data_dir=folder, database_url=database_url)
    assert done.returncode == 0, done.stderr
    steps = json.loads(done.stdout)
    assert {"name", "told", "seconds", "is_done"} <= set(steps[0])
    assert [step["name"] for step in steps][:3] == ["partitions", "fold", "rebuild"]
    errhouse("project", "add", "shop", data_dir=folder, database_url=database_url)
    set_ = errhouse(
        "project", "retention", "shop", "--events", "9", "--json", data_dir=folder, database_url=database_url
    )
    assert json.loads(set_.stdout) == {"project_id": 1, "project": "shop", "event_days": 9, "payload_days": None}
    back = errhouse("project", "retention", "1", "--default", data_dir=folder, database_url=database_url)
    assert "events are kept for ever" in back.stdout
    assert "payloads are kept for 30 days" in back.stdout
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("alter table warehouse.rebuild_due rename to rebuild_never")
    failed = errhouse("db", "maintain", data_dir=folder, database_url=database_url)
    assert failed.returncode == 1
    assert "failed" in failed.stdout
