"""Deltas become rollups: nothing is counted twice or forgotten, whoever else is at it, and no number changes by it."""

import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text

from models import fold as folding
from models.audit import Scope, audit
from models.engine import engine_for
from models.fold import FOLD_LOCK, LOCK, fold, fold_all
from tests.support.facts import Fact, put
from tests.support.loading import NOON
from tests.support.warehouse import rows, value

TODAY = NOON.date()
DELTAS = "select count(*) from warehouse.rollup_delta"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


def test_every_rollup_has_what_was_added(engine: Engine, database_url: str) -> None:
    put(engine, [Fact(release_key=5, user_key=1, sample_weight=4.0, handled=False), Fact(user_key=2), Fact()])
    assert fold(engine, TODAY, 14) == 1
    assert value(database_url, DELTAS) == 0
    hour = "select event_count, weighted_count, unhandled_count, without_release_count, without_user_count, "
    assert rows(database_url, hour + "delay_seconds_sum from warehouse.rollup_hour") == [
        {
            "event_count": 3,
            "weighted_count": 6.0,
            "unhandled_count": 1,
            "without_release_count": 2,
            "without_user_count": 1,
            "delay_seconds_sum": 3.0,
        }
    ]
    assert rows(database_url, "select group_key, event_count from warehouse.rollup_hour_group") == [
        {"group_key": 1, "event_count": 3}
    ]
    by_release = "select release_key, event_count, user_sketch from warehouse.rollup_day order by 1"
    assert rows(database_url, by_release) == [
        {"release_key": 0, "event_count": 2, "user_sketch": [2]},
        {"release_key": 5, "event_count": 1, "user_sketch": [1]},
    ]
    assert rows(database_url, "select culprit_key, user_sketch from warehouse.rollup_day_culprit") == [
        {"culprit_key": 0, "user_sketch": [1, 2]}
    ]
    assert rows(database_url, "select event_count, user_sketch from warehouse.rollup_day_user") == [
        {"event_count": 3, "user_sketch": [1, 2]}
    ]
    assert value(database_url, "select event_count from warehouse.rollup_group") == 3
    assert rows(database_url, "select release_key, event_count from warehouse.rollup_release") == [
        {"release_key": 5, "event_count": 1}
    ]


def test_it_does_nothing_while_another_folds(engine: Engine, database_url: str) -> None:
    put(engine, [Fact()])
    with engine.begin() as connection:
        connection.execute(LOCK, {"key": FOLD_LOCK})
        assert fold(engine, TODAY, 14) == 0
    assert value(database_url, DELTAS) == 1
    assert fold(engine, TODAY, 14) == 1


def test_a_batch_that_is_not_committed_is_not_folded_in_part(engine: Engine, database_url: str) -> None:
    put(engine, [Fact(), Fact(group_key=2)])
    with psycopg.connect(database_url) as loading:
        loading.execute("insert into warehouse.rollup_delta select * from warehouse.rollup_delta")
        assert fold(engine, TODAY, 14) == 1
        assert value(database_url, DELTAS) == 0
        loading.commit()
    assert value(database_url, DELTAS) == 2
    assert value(database_url, "select sum(event_count)::int from warehouse.rollup_day") == 2


def test_a_fold_that_fails_changes_nothing(engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put(engine, [Fact()])
    before = audit(engine, Scope(TODAY, 14))
    monkeypatch.setattr(folding, "LIFELONG", (text("select 1 / 0"),))
    with pytest.raises(Exception, match="division by zero"):
        fold(engine, TODAY, 14)
    assert audit(engine, Scope(TODAY, 14)) == before
    assert value(database_url, "select count(*) from warehouse.rollup_day") == 0


def test_more_than_one_transaction_may_take_is_taken_batch_by_batch(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for group in range(6):
        put(engine, [Fact(group_key=group), Fact(group_key=group + 100)])
    monkeypatch.setattr(folding, "MOST_ROWS", 3)
    assert fold(engine, TODAY, 14) == 2
    assert fold_all(engine, TODAY, 14) == 4
    assert value(database_url, DELTAS) == 0
    assert audit(engine, Scope(TODAY, 14)).differences == []


def test_many_folders_and_loaders_at_once_count_everything_once(engine: Engine, database_url: str) -> None:
    wrong: list[Exception] = []

    def at_once(work: Any) -> None:
        own = engine_for(database_url)
        try:
            for number in range(5):
                work(own, number)
        except Exception as error:  # noqa: BLE001 - a thread hands on whatever it met
            wrong.append(error)
        finally:
            own.dispose()

    works = [
        lambda own, number: put(own, [Fact(group_key=number % 3, user_key=number), Fact(release_key=number % 2)]),
        lambda own, _: fold_all(own, TODAY, 14),
    ]
    threads = [threading.Thread(target=at_once, args=(work,)) for work in works * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    fold_all(engine, TODAY, 14)
    assert value(database_url, "select sum(event_count)::int from warehouse.rollup_day") == 3 * 5 * 2
    assert audit(engine, Scope(TODAY, 14)).differences == []


def test_hours_of_groups_are_kept_for_their_days_only(engine: Engine, database_url: str) -> None:
    put(engine, [Fact(NOON - timedelta(days=days)) for days in (0, 14, 15, 400)])
    fold(engine, TODAY, 14)
    kept = "select (hour at time zone 'UTC')::date as day from warehouse.rollup_hour_group order by 1"
    assert [row["day"] for row in rows(database_url, kept)] == [date(2026, 11, 10), TODAY]
    assert value(database_url, "select count(*) from warehouse.rollup_day") == 4
    assert audit(engine, Scope(TODAY, 14)).differences == []


SEEN = "select first_at, last_at, first_release_key, last_release_key, last_level from warehouse.rollup_group"


@pytest.mark.parametrize("order", ["together", "forwards", "backwards"])
def test_first_and_last_are_by_the_time_of_the_event_in_whatever_order_they_come(
    engine: Engine, database_url: str, order: str
) -> None:
    facts = [
        Fact(minutes(1), release_key=9, level=20),
        Fact(minutes(0), release_key=7, level=20),
        Fact(minutes(0), release_key=8, level=50),
        Fact(minutes(2), release_key=5, level=40),
        Fact(minutes(2), release_key=6, level=30),
    ]
    batches = [facts] if order == "together" else [[each] for each in facts]
    for batch in reversed(batches) if order == "backwards" else batches:
        put(engine, batch)
        fold(engine, TODAY, 14)
    assert rows(database_url, SEEN) == [
        {
            "first_at": minutes(0),
            "last_at": minutes(2),
            "first_release_key": 7,  # of those at the same instant the lower
            "last_release_key": 6,  # and the higher
            "last_level": 40,
        }
    ]


def minutes(number: int) -> datetime:
    return NOON + timedelta(minutes=number)
