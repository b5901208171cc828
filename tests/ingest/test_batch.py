"""One event is one row, by (project_id, event_id), whatever brings it and however its time was rounded."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import permutations
from random import Random
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from ingest.batch import insert_rows
from ingest.dimensions import KnownDimensions, marks
from ingest.load import Loader
from ingest.records import Payload, TimeQuality
from ingest.rows import Row, row
from models.engine import engine_for
from models.partitions import Partitions
from models.turns import take_turns
from tests.support import warehouse
from tests.support.builders import event
from tests.support.loading import NOON, PROJECT, Clock, legacy, loading, read, record, sdk, store, told, webhook

DAY = timedelta(days=1)
EVENTS = "select * from analytics.events order by event_id, project_id"
MOMENT = NOON + timedelta(microseconds=363_647)


def load(url: str, *payloads: Payload, at: datetime = NOON) -> None:
    """Load each payload in a transaction of its own, by a loader that has just started."""
    for payload in payloads:
        with loading(url, Clock(at)) as (loader, _):
            loader.load([payload], origin="test")


@pytest.mark.parametrize("is_one_batch", [True, False])
def test_one_event_whose_time_was_rounded_on_its_way_is_one_row(database_url: str, is_one_batch: bool) -> None:
    one = event(event_id="a" * 32)
    rounded = [
        sdk({**one, "timestamp": told(MOMENT)}),
        webhook({**one, "timestamp": told(MOMENT, 3)}),
        legacy({**one, "timestamp": told(MOMENT, 0)}),
        store({**one, "timestamp": told(MOMENT, 1)}),
    ]
    if is_one_batch:
        with loading(database_url) as (loader, _):
            tally = loader.load(rounded, origin="test")
        assert (tally.events, tally.loaded, tally.duplicates) == (4, 1, 3)
    else:
        load(database_url, *rounded)
    (found,) = warehouse.rows(database_url, EVENTS)
    assert (found["occurred_at"], found["source"], found["time_quality"]) == (MOMENT, "sdk", "exact")


@pytest.mark.scenario("G-05")
def test_the_first_form_to_arrive_keeps_the_row_in_every_order(database_url: str) -> None:
    forms = {"sdk": sdk, "webhook_platform": webhook, "webhook_legacy": legacy}
    for order in permutations(forms):
        one = event(timestamp=told(MOMENT))
        with loading(database_url) as (loader, _):
            loader.load([forms[name](one) for name in order], origin="test")
        query = "select source from analytics.events where event_id = %s"
        assert [found["source"] for found in warehouse.rows(database_url, query, one["event_id"])] == [order[0]]


@pytest.mark.parametrize("days", [1, 7])
@pytest.mark.parametrize("hours", [-23, -3, 3, 23])
def test_a_clock_that_sentry_corrected_by_hours_makes_no_second_row(database_url: str, days: int, hours: int) -> None:
    one = event(event_id="a" * 32)
    with loading(database_url, PARTITION_DAYS=days) as (loader, _):
        loader.load([sdk({**one, "timestamp": told(MOMENT)})], origin="test")
        corrected = {**one, "timestamp": told(MOMENT + timedelta(hours=hours), 3)}
        tally = loader.load([webhook(corrected, at=NOON + DAY)], origin="test")
    assert (tally.loaded, tally.duplicates) == (0, 1)


@pytest.mark.scenario("G-07")
@pytest.mark.parametrize(("drift", "quality"), [(timedelta(hours=2), "drifted"), (timedelta(days=20), "drifted")])
def test_a_clock_that_is_off_by_its_own_account_makes_one_row_whatever_sentry_makes_of_it(
    database_url: str, drift: timedelta, quality: str
) -> None:
    # the sender says when it sent it, so its drift is known, and Sentry moves the event by days
    one = event(event_id="a" * 32, timestamp=told(MOMENT - drift))
    load(database_url, sdk(one, sent_at=told(NOON - drift)))
    load(database_url, webhook({**one, "timestamp": told(MOMENT)}), sdk({**one, "timestamp": told(MOMENT)}))
    (found,) = warehouse.rows(database_url, EVENTS)
    assert (found["time_quality"], found["occurred_at"]) == (quality, MOMENT - drift)


@pytest.mark.scenario("G-02", "G-07")
@pytest.mark.parametrize(
    ("timestamp", "quality"),
    [(None, "missing"), ("soon", "missing"), (told(NOON - 90 * DAY), "too_old"), (told(NOON + 400 * DAY), "future")],
)
@pytest.mark.parametrize("later", [timedelta(hours=1), timedelta(days=3), timedelta(days=25)])
def test_an_event_without_a_usable_time_that_comes_again_on_another_day_is_one_row(
    database_url: str, timestamp: str | None, quality: str, later: timedelta
) -> None:
    one = event(event_id="a" * 32, timestamp=timestamp)
    load(database_url, store(one))
    load(database_url, store(one, at=NOON + later), store(one, at=NOON + 2 * later), at=NOON + later)
    (found,) = warehouse.rows(database_url, EVENTS)
    assert (found["occurred_at"], found["time_quality"]) == (NOON, quality)


def test_an_event_of_doubtful_time_meets_its_row_of_a_good_one_and_the_other_way_round(database_url: str) -> None:
    one = event(event_id="a" * 32, timestamp=None)
    good = {**one, "timestamp": told(MOMENT)}
    load(database_url, sdk(good), store(one, at=NOON + 9 * DAY))
    other = event(event_id="b" * 32, timestamp=None)
    load(database_url, store(other, at=NOON + 9 * DAY), webhook({**other, "timestamp": told(MOMENT)}))
    assert len(warehouse.rows(database_url, EVENTS)) == 2


@pytest.mark.scenario("G-03")
def test_the_same_id_in_two_projects_is_two_rows(database_url: str) -> None:
    one = event(timestamp=told(MOMENT))
    odd = event(timestamp=None)
    with loading(database_url) as (loader, _):
        for _ in range(2):
            loader.load(
                [sdk(one, project=7), sdk(one, project=8), sdk(odd, project=7), sdk(odd, project=8)], origin="t"
            )
    assert len(warehouse.rows(database_url, EVENTS)) == 4


@pytest.mark.scenario("G-03")
def test_the_same_id_with_another_body_leaves_the_first_row(database_url: str) -> None:
    one = event(event_id="a" * 32, timestamp=told(MOMENT), message="first")
    load(database_url, sdk(one), sdk({**one, "message": "second"}))
    assert [found["message"] for found in warehouse.rows(database_url, EVENTS)] == ["first"]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url, pool_size=4)
    Partitions(made, 7).ensure_ahead(NOON.date(), 7)
    yield made
    made.dispose()


def insert(engine: Engine, rows: list[Row], known: KnownDimensions) -> tuple[int, int]:
    with engine.begin() as connection:
        take_turns(connection, (row.identity[0] for row in rows))
        return insert_rows(connection, rows, NOON, known)[:2]


def test_nothing_is_asked_of_the_server_for_no_rows(engine: Engine) -> None:
    assert insert(engine, [], KnownDimensions()) == (0, 0)


def test_dimensions_that_are_known_are_not_sent_again_and_those_that_were_rolled_back_are(engine: Engine) -> None:
    known = KnownDimensions()
    rows = [row(record(), PROJECT, None)]
    with engine.connect() as connection:
        insert_rows(connection, rows, NOON, known)
        connection.rollback()
    assert insert(engine, rows, known) == (1, 0)
    known.remember(marks(rows))
    assert known.unknown(marks(rows)) == set()
    with engine.begin() as connection:
        connection.execute(text("truncate warehouse.dim_culprit"))
    assert insert(engine, [row(record(), PROJECT, None)], known) == (1, 0)
    with engine.begin() as connection:
        assert connection.execute(text("select count(*) from warehouse.dim_culprit")).scalar() == 0
    known.forget()
    assert insert(engine, [row(record(), PROJECT, None)], known) == (1, 0)
    with engine.begin() as connection:
        assert connection.execute(text("select count(*) from warehouse.dim_culprit")).scalar() == 1


def test_what_is_known_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.dimensions.KNOWN_DIMENSIONS", 10)
    known = KnownDimensions()
    for number in range(100):
        known.remember({("dim_x", 1, number)})
        assert not known.unknown({("dim_x", 1, number)})
    assert len(known._known) <= 10


@pytest.mark.scenario("G-05")
def test_two_loaders_that_race_with_two_forms_of_each_event_make_one_row_each(database_url: str) -> None:
    events = [event(event_id=uuid4().hex, timestamp=told(MOMENT + n * timedelta(minutes=20))) for n in range(300)]
    errors: list[Exception] = []
    counts: list[int] = []
    start = threading.Barrier(2)

    def race(seed: int) -> None:
        forms = [
            sdk(one) if (n + seed) % 2 else webhook(one, at=NOON + 5 * DAY, issue_id=n)
            for n, one in enumerate(events, 1)
        ]
        Random(seed).shuffle(forms)
        try:
            with loading(database_url, Clock(NOON + 5 * DAY)) as (loader, _):
                loader.prepare()
                start.wait()
                for begin in range(0, len(forms), 50):
                    tally = loader.load(forms[begin : begin + 50], origin=f"racer {seed}")
                    counts.append(tally.loaded)
        except Exception as error:  # noqa: BLE001 - told by the test
            errors.append(error)

    racers = [threading.Thread(target=race, args=(seed,)) for seed in (1, 2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert errors == []
    assert len(warehouse.rows(database_url, EVENTS)) == sum(counts) == 300
    counted = warehouse.tally(database_url)
    assert (counted["events"], counted["loaded"], counted["duplicates"]) == (600, 300, 300)


def test_a_doubtful_time_is_remembered_beside_the_row(engine: Engine) -> None:
    made = [row(read(store(event(timestamp=None))).records[0], PROJECT, None), row(record(), PROJECT, None)]
    assert [each.is_odd_time for each in made] == [True, False]
    insert(engine, made, KnownDimensions())
    with engine.connect() as connection:
        found = connection.execute(text("select event_id, occurred_at from warehouse.event_odd_time")).all()
    assert [tuple(each) for each in found] == [(made[0].identity[1], made[0].occurred_at)]
    assert TimeQuality.missing == made[0].values[19]


def test_payloads_are_kept_beside_new_rows_alone_and_only_where_they_are_wanted(database_url: str) -> None:
    one = event(event_id="a" * 32, timestamp=told(MOMENT))
    load(database_url, sdk(one), webhook(one))
    assert warehouse.value(database_url, "select count(*) from warehouse.event_payload") == 1
    with loading(database_url, PAYLOAD_RETENTION_DAYS=0) as (loader, _):
        assert isinstance(loader, Loader)
        loader.load([sdk(event(timestamp=told(MOMENT)))], origin="test")
    assert warehouse.value(database_url, "select count(*) from warehouse.event_payload") == 1
    assert warehouse.value(database_url, "select count(*) from warehouse.fact_event") == 2
