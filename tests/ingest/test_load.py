"""A batch is one transaction: rows, tally, what is set aside and the position come together or not at all."""

import time
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import event, text

from ingest.errors import Reason
from ingest.interpret import Aside
from ingest.load import FOUNDED, Loader
from ingest.progress import Tally
from ingest.records import Door, Payload
from ingest.rows import BATCH_COLUMNS, Row, row
from tests.proof.lines import report
from tests.support import builders, warehouse
from tests.support.loading import NOON, PROJECT, Clock, legacy, loading, record, sdk, store, told, us, webhook

DAY = timedelta(days=1)
SPOOL = UUID(int=7)
COLUMNS = [name for name, _ in BATCH_COLUMNS]
BAD_VALUES: list[tuple[str, Any]] = [
    ("message", "a\x00b"), ("url", "\ud800"), ("tags", "{"), ("tags", '"\\u0000"'), ("time_quality", None),
    ("level", None), ("group_key", 2**70), ("sample_weight", "x"), ("received_at", None), ("group_key", None),
    ("title", b"bytes"), ("source", None),
]  # fmt: skip


def rows(count: int) -> list[Row]:
    return [row(record(message=f"event {n}", transaction=f"/{n % 7}"), PROJECT, None) for n in range(count)]


def spoiled(good: Row, column: str, value: object) -> Row:
    """Give a row with a value that no normalizer lets pass."""
    values = list(good.values)
    values[COLUMNS.index(column)] = value
    return msgspec.structs.replace(good, values=tuple(values))


def owner(number: int) -> Payload:
    return Payload(us(NOON), Door.STORE, b"payload %d" % number, PROJECT, {})


def commit(loader: Loader, made: list[Row]) -> Tally:
    loader._partitions.ensure({each.occurred_at.date() for each in made})
    return loader._commit(made, [owner(n) for n in range(len(made))], [], len(made), "test", None)


@pytest.mark.scenario("G-02")
def test_a_batch_that_comes_twice_adds_nothing_and_is_counted(database_url: str) -> None:
    batch = [sdk(builders.event(timestamp=told(NOON))) for _ in range(5)] + [store({"event_id": "x"}), owner(1)]
    with loading(database_url) as (loader, _):
        first, second = (loader.load(batch, origin="test") for _ in range(2))
    assert (first.payloads, first.events, first.loaded, first.duplicates, first.set_aside) == (7, 5, 5, 0, 2)
    assert second == first._replace(loaded=0, duplicates=5)
    assert warehouse.tally(database_url) == first.plus(second)._asdict()


def test_the_tally_is_kept_by_origin_and_day(database_url: str) -> None:
    clock = Clock(NOON)
    with loading(database_url, clock) as (loader, _):
        for origin, at in (("a", NOON), ("a", NOON + DAY), ("b", NOON + DAY), ("b", NOON + DAY)):
            clock.now = at
            loader.load([sdk(builders.event(timestamp=told(NOON)))], origin=origin)
        loader.load([], origin="c")
    found = warehouse.rows(
        database_url, "select origin, loaded_on, loaded_count from warehouse.load_tally order by 1, 2"
    )
    day = date(2026, 11, 24)
    assert [tuple(each.values()) for each in found] == [("a", day, 1), ("a", day + DAY, 1), ("b", day + DAY, 2)]


@pytest.mark.scenario("D-08")
@pytest.mark.parametrize(("count", "bad"), [(1000, 1), (1000, 5), (1000, 20), (30, 30)])
def test_bad_rows_are_set_aside_and_every_good_one_is_stored(database_url: str, count: int, bad: int) -> None:
    load_with_bad_rows(database_url, count, bad)


@pytest.mark.scenario("D-08", tier=2)
@pytest.mark.timeout(1800)
def test_a_batch_of_nothing_but_bad_rows_is_set_aside_row_by_row(database_url: str) -> None:
    load_with_bad_rows(database_url, 1000, 1000)


def load_with_bad_rows(database_url: str, count: int, bad: int) -> None:
    made = rows(count)
    places = [n * count // bad for n in range(bad)]
    for n, place in enumerate(places):
        made[place] = spoiled(made[place], *BAD_VALUES[n % len(BAD_VALUES)])
    copies = 0

    def seen(*_: object) -> None:
        nonlocal copies
        copies += 1

    with loading(database_url) as (loader, engine):
        event.listen(engine, "savepoint", seen)
        begun = time.monotonic()
        tally = commit(loader, made)
        seconds = time.monotonic() - begun
    assert tally == Tally(count, count, count - bad, 0, bad, bad)
    assert copies <= 2 * bad * count.bit_length() + 1
    told_ = f"rows {count} bad {bad} stored {tally.loaded} aside {tally.set_aside} copies {copies} {seconds:.2f} s"
    report(f"D-08 pass {told_}")
    good = {each.identity[1] for n, each in enumerate(made) if n not in places}
    assert {
        each["event_id"] for each in warehouse.rows(database_url, "select event_id from warehouse.fact_event")
    } == good
    aside = warehouse.rows(database_url, "select reason, detail, body_bytes from warehouse.set_aside")
    assert len(aside) == bad
    assert {each["reason"] for each in aside} == {"row_refused"}
    assert all(each["detail"].startswith("PostgreSQL refused the row (") for each in aside)


@pytest.mark.scenario("D-08")
@pytest.mark.parametrize(("column", "value"), BAD_VALUES)
def test_each_kind_of_bad_row_stands_alone(database_url: str, column: str, value: object) -> None:
    made = rows(3)
    made[1] = spoiled(made[1], column, value)
    with loading(database_url) as (loader, _):
        assert commit(loader, made) == Tally(3, 3, 2, 0, 1, 1)


def test_a_bad_dimension_is_a_bad_row_too(database_url: str) -> None:
    made = rows(3)
    table, told_ = made[1].dimensions[0]
    made[1] = msgspec.structs.replace(made[1], dimensions=((table, (*told_[:2], "a\x00b")), *made[1].dimensions[1:]))
    with loading(database_url) as (loader, _):
        assert commit(loader, made) == Tally(3, 3, 2, 0, 1, 1)


def test_what_only_a_refused_row_told_of_dimensions_is_told_again_by_the_next(database_url: str) -> None:
    first, second, third = (row(record(transaction=name), PROJECT, None) for name in ("/common/", "/rare/", "/rare/"))
    with loading(database_url) as (loader, _):
        assert commit(loader, [first, spoiled(second, *BAD_VALUES[0])]).refused == 1
        assert commit(loader, [third]).loaded == 1
    found = warehouse.rows(database_url, "select culprit, transaction from analytics.events order by 1")
    assert [tuple(each.values()) for each in found] == [("/common/", "/common/"), ("/rare/", "/rare/")]


@pytest.mark.scenario("D-08")
def test_a_check_with_a_name_sets_the_row_aside_with_its_code(database_url: str) -> None:
    with loading(database_url) as (loader, engine):
        with engine.begin() as connection:
            connection.execute(text("alter table warehouse.fact_event add constraint no_debug check (level <> 10)"))
        made = rows(3)
        assert commit(loader, [made[0], spoiled(made[1], "level", 10), made[2]]).refused == 1
    detail = warehouse.value(database_url, "select detail from warehouse.set_aside")
    assert "23514" in detail
    assert "no_debug" in detail


@pytest.mark.scenario("D-16")
def test_a_partition_that_was_dropped_behind_the_loader_s_back_is_made_again(database_url: str) -> None:
    with loading(database_url) as (loader, engine):
        loader.load([sdk(builders.event(timestamp=told(NOON)))], origin="test")
        with engine.begin() as connection:
            connection.execute(text("drop table warehouse.fact_event_p2026_11_23, warehouse.event_payload_p2026_11_23"))
        tally = loader.load([sdk(builders.event(timestamp=told(NOON)))], origin="test")
    assert (tally.loaded, tally.refused) == (1, 0)
    assert warehouse.value(database_url, "select count(*) from warehouse.fact_event") == 1


def test_what_was_damaged_before_it_could_be_read_is_kept_and_counted(database_url: str) -> None:
    damaged = Aside(Payload(us(NOON), Door.FILE, b"\x00\x01"), Reason.SPOOL_DAMAGED, "no frame")
    with loading(database_url) as (loader, _):
        tally = loader.load([sdk(builders.event(timestamp=told(NOON)))], origin="test", asides=[damaged])
    assert tally == Tally(2, 1, 1, 0, 0, 1)
    assert warehouse.value(database_url, "select reason from warehouse.set_aside") == "spool_damaged"


def test_a_project_that_is_known_by_its_slug_alone_is_founded_and_found_again(database_url: str) -> None:
    def named(slug: str) -> Payload:
        one = builders.event(timestamp=told(NOON))
        return legacy(one, project=None, project_slug=slug)  # type: ignore[arg-type]

    with loading(database_url) as (loader, _):
        loader.load([named("front"), named("front"), named("back")], origin="test")
    with loading(database_url) as (loader, _):
        loader.load(
            [named("front"), legacy(builders.event(timestamp=told(NOON)), project=7, project_slug="seven")],
            origin="test",
        )
    with loading(database_url) as (loader, _):
        loader.load([named("seven")], origin="test")
    found = warehouse.rows(
        database_url, "select project, project_id, count(*) as n from analytics.events group by 1, 2 order by 1"
    )
    assert [(each["project"], each["n"]) for each in found] == [("back", 1), ("front", 3), ("seven", 2)]
    assert [each["project_id"] >= FOUNDED for each in found] == [True, True, False]


def test_events_of_many_years_are_loaded_in_one_batch(database_url: str) -> None:
    batch = [webhook(builders.event(timestamp=told(NOON - n * 400 * DAY))) for n in range(12)]
    with loading(database_url) as (loader, _):
        assert loader.load(batch, origin="test").loaded == 12
        assert loader.load(batch, origin="test").duplicates == 12
