"""What is older than it is kept goes, noted to the unit, whatever crashes, waits or comes in late."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psycopg
import pytest

from models import project_retention, retention
from models.errors import ModelsError
from models.leaves import Busy, Standing, let_go, standing
from models.retention import kept, remove_partitions
from tests.support import warehouse
from tests.support.lifecycle import TODAY, Past, past
from tests.support.loading import NOON, PROJECT, settings

OLD = range(40, 33, -1)  # the weeks from 12 and 19 October
DAY = timedelta(days=1)
EVENTS = (retention.EVENTS,)
FIRST = TODAY - timedelta(days=29)
ODD_TIMES = "insert into warehouse.event_odd_time select project_id, event_id, occurred_at from warehouse.fact_event"
SOURCES = (
    "insert into warehouse.event_source (project_id, event_id, source, occurred_at, received_at) "
    "select project_id, event_id, 1, occurred_at, received_at from warehouse.fact_event"
)


@pytest.fixture
def house(database_url: str) -> Iterator[Past]:
    with past(database_url) as made:
        yield made


def remove(house: Past, first: date | None = FIRST, parents: tuple[str, ...] = EVENTS) -> str:
    return remove_partitions(house.engine, parents, first, NOON, lambda _: None)


def leaves(house: Past, parent: str = "fact_event") -> list[Standing]:
    with house.engine.connect() as connection:
        return standing(connection, parent)


def left_overs(house: Past) -> int:
    count: int = house.value("select count(*) from pg_class where relname like '%%detached%%' and relkind = 'r'")
    return count


def half_detach(house: Past, table: str) -> None:
    """Leave a partition as a `db maintain` does that is killed while it waits for a reader."""
    with psycopg.connect(house.url) as reader:
        reader.execute("select count(*) from warehouse.fact_event")
        with psycopg.connect(house.url, autocommit=True, options="-c lock_timeout=200ms") as killed:
            first, end = next(
                (str(each.days.first), str(each.days.end)) for each in leaves(house) if each.table == table
            )
            killed.execute(f"comment on table {table} is 'errhouse lets go of fact_event {first} {end}'".encode())
            with pytest.raises(psycopg.errors.LockNotAvailable):
                killed.execute(f"alter table warehouse.fact_event detach partition {table} concurrently".encode())
    assert [each.table for each in leaves(house) if each.is_pending] == [table]


def test_whole_partitions_go_with_their_payloads_later_and_rollups_never(house: Past) -> None:
    assert house.load([*OLD, 20, 1], sample_rate=0.5) == 9
    house.run(ODD_TIMES)
    house.run(SOURCES)
    deltas = house.value("select sum(event_count)::int from warehouse.rollup_delta")
    said = remove(house)
    assert "2 partitions with 7 rows" in said
    assert house.days() == [20, 1]
    assert house.days("event_odd_time") == house.days("event_source") == [20, 1]
    assert house.days("event_payload") == [*OLD, 20, 1]
    assert house.removals() == [
        (date(2026, 10, 12), date(2026, 10, 19), 4, 0),
        (date(2026, 10, 19), date(2026, 10, 26), 3, 0),
    ]
    assert remove(house, parents=(retention.PAYLOADS,))
    assert house.days("event_payload") == [20, 1]
    assert [(events, payloads) for *_, events, payloads in house.removals()] == [(4, 0), (0, 4), (3, 0), (0, 3)]
    assert house.value("select sum(event_count)::int from warehouse.rollup_delta") == deltas
    assert remove(house) == ""
    assert left_overs(house) == 0


def test_a_partition_goes_when_its_last_day_has_ended_long_enough_ago(house: Past) -> None:
    house.load(OLD)
    remove(house, date(2026, 10, 18))
    assert house.days() == [*OLD]
    remove(house, date(2026, 10, 19))
    assert house.days() == [36, 35, 34]


def test_a_late_event_that_is_older_makes_a_partition_that_the_next_run_removes(house: Past) -> None:
    house.load([*OLD, 1])
    remove(house)
    assert house.load([38, 37]) == 2
    assert house.days() == [38, 37, 1]
    remove(house)
    assert house.days() == [1]
    assert sum(events for *_, events, _ in house.removals()) == 9
    assert len(house.removals()) == 2


def test_what_was_detached_before_a_crash_is_dropped_and_stands_in_nobody_s_way(house: Past) -> None:
    house.load([*OLD, 1])
    for leaf in leaves(house):
        if leaf.days.end <= FIRST:
            let_go(house.engine, "fact_event", leaf, lambda _: None)
    assert house.days() == [1]
    assert house.removals() == []
    assert house.load([38]) == 1  # its partition has the name of the one that waits to be dropped
    assert house.days() == [38, 1]
    assert left_overs(house) == 1
    remove(house)
    assert house.days() == [1]
    assert sum(events for *_, events, _ in house.removals()) == 8
    assert left_overs(house) == 0


def test_a_detaching_that_was_interrupted_is_finished(house: Past) -> None:
    house.load([*OLD, 1])
    half_detach(house, leaves(house)[0].table)
    remove(house)
    assert house.days() == [1]
    assert [events for *_, events, _ in house.removals()] == [4, 3]


def test_a_late_event_finishes_a_detaching_that_was_interrupted(house: Past) -> None:
    house.load([*OLD, 1])
    half_detach(house, leaves(house)[0].table)
    assert house.load([38]) == 1
    assert house.days() == [38, 36, 35, 34, 1]
    remove(house)
    assert sum(events for *_, events, _ in house.removals()) == 8


def test_who_reads_for_long_is_left_in_peace_and_no_partition_half_detached(
    house: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.leaves.ATTEMPTS", 1)
    house.load([*OLD, 1])
    with psycopg.connect(house.url) as reader:
        reader.execute("select count(*) from warehouse.fact_event")
        leaf = leaves(house)[0]
        with pytest.raises(Busy, match="in use by others"):
            let_go(house.engine, "fact_event", leaf, lambda _: None)
        assert not any(each.is_pending for each in leaves(house))
    remove(house)
    assert house.days() == [1]


def test_a_table_that_an_operator_detached_is_kept(house: Past) -> None:
    house.load([*OLD, 1])
    table = leaves(house)[0].table
    house.run(f"alter table warehouse.fact_event detach partition {table}")
    remove(house)
    assert house.value(f"select count(*) from {table}") == 4
    assert [events for *_, events, _ in house.removals()] == [3]


def test_a_mark_is_taken_back_from_what_is_to_stay_after_all(house: Past) -> None:
    house.load([*OLD, 1])
    table = leaves(house)[0].table
    house.run(f"comment on table {table} is 'errhouse lets go of fact_event 2026-10-12 2026-10-19'")
    remove(house, None)
    assert house.value("select obj_description(cast(%s as regclass), 'pg_class')", table) is None
    assert house.days() == [*OLD, 1]


def test_the_count_that_is_noted_is_exact_while_late_events_come_in(house: Past) -> None:
    house.load([*OLD])
    stop, loaded, trouble = Event(), [0], []

    def load() -> None:
        with past(house.url) as other:
            while not stop.is_set():
                try:
                    loaded[0] += other.load([40, 36, 34, 1])
                except Exception as error:  # noqa: BLE001 - a loader tries again; the test tells
                    trouble.append(str(error))

    loader = Thread(target=load)
    loader.start()
    try:
        for _ in range(6):
            remove(house)
    finally:
        stop.set()
        loader.join()
    assert loaded[0] > 0
    gone = sum(events for *_, events, _ in house.removals())
    there = house.value("select count(*)::int from warehouse.fact_event")
    # a load that was refused whole is told by the tally too: nothing is counted that was not committed
    assert gone + there == warehouse.tally(house.url)["loaded"]
    assert left_overs(house) == 0


def test_no_payload_stays_where_none_is_kept(house: Past) -> None:
    house.load([*OLD, 1, 0])
    assert remove(house, TODAY, (retention.PAYLOADS,))
    assert house.days("event_payload") == []
    there = [leaf.days for leaf in leaves(house, "event_payload")]
    assert remove(house, TODAY, (retention.PAYLOADS,)) == ""
    assert [leaf.days for leaf in leaves(house, "event_payload")] == there
    assert house.days() == [*OLD, 1, 0]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ((0, 30, 0), (None, 30, None)),
        ((10, 30, 0), (10, 10, None)),
        ((90, 30, 365), (90, 30, 365)),
        ((90, 0, 30), (90, 0, 90)),
        ((0, 30, 30), (None, 30, None)),
    ],
)
def test_payloads_go_no_later_than_their_events_and_rollups_no_earlier(
    tmp_path: Path, days: tuple[int, int, int], expected: tuple[int | None, ...]
) -> None:
    events, payloads, rollups = days
    made = settings(
        tmp_path, EVENT_RETENTION_DAYS=events, PAYLOAD_RETENTION_DAYS=payloads, ROLLUP_RETENTION_DAYS=rollups
    )
    found = kept(made, TODAY)
    assert tuple((TODAY - day).days if day else None for day in found[:3]) == expected
    assert (TODAY - found.group_hours).days == 14  # type: ignore[operator]


def test_a_project_may_keep_its_events_for_less_time(house: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_retention, "CHUNK_ROWS", 2)
    for _ in range(3):
        house.load([9, 5, 1])
    house.load([9, 5, 1], project=7)
    house.run(ODD_TIMES)
    house.run(SOURCES)
    house.run(f"update warehouse.dim_project set event_retention_days = 3 where project_id = {PROJECT}")
    assert "6 events and 6 payloads" in project_retention.remove_of_projects(house.engine, NOON)
    for table in ("fact_event", "event_payload", "event_odd_time", "event_source"):
        assert count_of(house, table) == {PROJECT: 3, 7: 3}, table
    noted = warehouse.rows(house.url, "select * from warehouse.removal order by first_on")
    assert [(n["project_id"], n["first_on"], n["end_on"], n["event_count"], n["payload_count"]) for n in noted] == [
        (PROJECT, TODAY - 9 * DAY, TODAY - 8 * DAY, 3, 3),
        (PROJECT, TODAY - 5 * DAY, TODAY - 4 * DAY, 3, 3),
    ]
    assert project_retention.remove_of_projects(house.engine, NOON) == ""
    assert house.load([9]) == 1  # late: it goes too, and is added to what was noted of its day
    project_retention.remove_of_projects(house.engine, NOON)
    assert [events for *_, events, _ in house.removals()] == [4, 3]


@pytest.mark.parametrize(("days", "left"), [(3, {PROJECT: 1, 7: 3}), (0, {7: 3})])
def test_a_project_may_keep_its_payloads_for_less_time_or_none(house: Past, days: int, left: dict[int, int]) -> None:
    house.load([9, 5, 1])
    house.load([9, 5, 1], project=7)
    house.run(f"update warehouse.dim_project set payload_retention_days = {days} where project_id = {PROJECT}")
    project_retention.remove_of_projects(house.engine, NOON)
    assert count_of(house, "event_payload") == left
    assert count_of(house, "fact_event") == {PROJECT: 3, 7: 3}
    assert {events for *_, events, _ in house.removals()} == {0}


def test_what_a_project_keeps_is_set_by_name_or_id_and_never_more_than_all_others(house: Past, tmp_path: Path) -> None:
    house.load([1])
    house.run(
        f"update warehouse.dim_project set name = 'shop' where project_id = {PROJECT}",
        "insert into warehouse.dim_project (project_id, name, created_at) values (8, 'twin', now())",
        "insert into warehouse.dim_project (project_id, name, created_at) values (9, 'twin', now())",
    )
    given = settings(tmp_path, EVENT_RETENTION_DAYS=90)
    with house.engine.begin() as connection:
        found = project_retention.of_project(connection, "shop")
        assert found == project_retention.of_project(connection, str(PROJECT))
        assert found[2:] == (None, None)
        project_retention.set_for(connection, given, found._replace(event_days=30, payload_days=0))
        assert project_retention.of_project(connection, "shop")[2:] == (30, 0)
        for wanted in (found._replace(event_days=91), found._replace(payload_days=31)):
            with pytest.raises(ModelsError, match="keeps no more"):
                project_retention.set_for(connection, given, wanted)
        with pytest.raises(ModelsError, match="2 projects are called twin; give an id: 8, 9"):
            project_retention.of_project(connection, "twin")
        with pytest.raises(ModelsError, match="no project nowhere"):
            project_retention.of_project(connection, "nowhere")


def count_of(house: Past, table: str) -> dict[int, int]:
    query = f"select project_id, count(*)::int as n from warehouse.{table} group by project_id"
    found: list[dict[str, Any]] = warehouse.rows(house.url, query)
    return {row["project_id"]: row["n"] for row in found}
