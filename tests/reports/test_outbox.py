"""The outbox: what is sent when, what is tried again, and what a target that fails does to the others."""

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from models.engine import engine_for
from reports.delivery import outbox
from reports.delivery.message import Message
from reports.delivery.outbox import Claimed
from reports.errors import DeliveryError
from tests.support import warehouse
from tests.support.loading import NOON
from tests.support.sending import House, failing

TEMPORARY = DeliveryError("It answered 500.", permanent=False, status=500, detail="down")
PERMANENT = DeliveryError("It answered 401.", permanent=True, status=401)
OUTBOX = "select key, status, attempt_count, error from warehouse.outbox order by created_at"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url, pool_size=4)
    yield made
    made.dispose()


@pytest.fixture
def house(engine: Engine, tmp_path: Path) -> House:
    made = House(engine, tmp_path)
    made.target("ops", "https://example.com/")
    return made


def claim(house: House, room: int = 8) -> list[Claimed]:
    with house.engine.begin() as connection:
        return outbox.claim(
            connection, house.clock.now, room, lambda names: house.targets.most_per_minute(connection, names)
        )


def states(url: str) -> dict[str, str]:
    return {row["key"].split(":")[0]: row["status"] for row in warehouse.rows(url, OUTBOX)}


def test_a_reason_is_one_message_to_each_target_and_gone_with_the_transaction_that_found_it(
    house: House, database_url: str
) -> None:
    with house.engine.begin() as connection:
        put = [outbox.put(connection, Message("k", "alert", "t"), name, NOON) for name in ("ops", "ops", "web")]
    assert [each is None for each in put] == [False, True, False]
    with house.engine.connect() as connection:
        outbox.put(connection, Message("never", "alert", "t"), "ops", NOON)
    found = warehouse.rows(database_url, "select key from warehouse.outbox order by key")
    assert [row["key"] for row in found] == ["k:ops", "k:web"]


def test_of_each_target_one_message_is_on_its_way_the_oldest_first_and_a_claim_that_ran_out_is_taken_over(
    house: House,
) -> None:
    house.put("a", "b")
    house.put("c", target="web")
    house.put("later", target="late", due_at=NOON + timedelta(hours=1))
    house.later(seconds=1)
    assert sorted(each.message["key"] for each in claim(house)) == ["a", "c"]
    assert claim(house) == []
    house.later(seconds=61)
    again = claim(house, room=1)
    assert [(each.message["key"], each.attempt) for each in again] == [("a", 2)]


def test_a_message_is_tried_again_after_longer_and_longer_with_chance_and_given_up_after_three_days() -> None:
    given: list[float] = []
    for attempt in range(1, 9):
        claimed = Claimed(Any, "ops", {}, None, NOON, attempt, NOON)  # type: ignore[arg-type]
        at = [outbox.retry_at(claimed, NOON, None, chance) for chance in (0.0, 0.5, 1.0)]
        early, middle, late = [(each - NOON).total_seconds() for each in at if each]
        assert (early, late) == (pytest.approx(0.8 * middle), pytest.approx(1.2 * middle))
        given.append(middle)
    assert given == [5, 30, 120, 600, 3600, 3600, 3600, 3600]
    old = Claimed(Any, "ops", {}, None, NOON - timedelta(hours=72), 9, NOON)  # type: ignore[arg-type]
    assert outbox.retry_at(old, NOON, None, 0.5) is None
    assert outbox.retry_at(old._replace(attempt=1), NOON, None, 0.5)  # nobody was there to try
    young = old._replace(created_at=NOON, attempt=1)
    assert outbox.retry_at(young, NOON, 900, 0.5) == NOON + timedelta(seconds=900)


def test_every_attempt_is_written_down_and_what_is_permanent_is_given_up_at_once(
    house: House, database_url: str
) -> None:
    answers: list[DeliveryError | None] = [TEMPORARY, None, PERMANENT]
    sender = house.sender([failing(lambda: answers.pop(0))])
    house.put("a")
    house.sent(sender)
    assert states(database_url) == {"a": "waiting"}
    house.later(seconds=7)
    house.sent(sender)
    house.put("b")
    house.sent(sender)
    assert states(database_url) == {"a": "sent", "b": "failed"}
    rows = warehouse.rows(
        database_url, "select attempt, outcome, status, detail from warehouse.delivery order by ended_at, outcome"
    )
    assert [tuple(row.values()) for row in rows] == [
        (1, "temporary", 500, "It answered 500. down"),
        (2, "delivered", 200, "ok"),
        (1, "permanent", 401, "It answered 401."),
    ]
    state = warehouse.rows(database_url, "select failure_count, error, sent_at from warehouse.target_state")
    assert [tuple(row.values()) for row in state] == [(1, "It answered 401.", NOON + timedelta(seconds=7))]


def test_what_was_given_up_can_be_sent_after_all_by_the_same_key_and_what_is_too_old_stays(
    house: House, database_url: str
) -> None:
    answers: list[DeliveryError | None] = [PERMANENT, PERMANENT, PERMANENT, TEMPORARY, None]
    sender = house.sender([failing(lambda: answers.pop(0))])
    house.put("old")
    house.sent(sender)
    house.later(hours=80)
    house.put("a")
    house.put("b", target="web")
    house.target("web", "https://example.com/")
    house.sent(sender)
    house.sent(sender)
    assert states(database_url) == {"old": "failed", "a": "failed", "b": "failed"}
    keys = warehouse.rows(database_url, "select message_id, key from warehouse.outbox order by key")
    house.later(seconds=60)
    with house.engine.begin() as connection:
        now = house.clock.now
        assert outbox.resend(connection, "ops", now, now - timedelta(hours=72)) == 1
        assert outbox.resend(connection, "ops", now, now - timedelta(hours=72)) == 0
    house.sent(sender)
    assert states(database_url) == {"old": "failed", "a": "waiting", "b": "failed"}, "and it is tried again as any"
    house.later(seconds=60)
    house.sent(sender)
    assert states(database_url) == {"old": "failed", "a": "sent", "b": "failed"}
    assert warehouse.rows(database_url, "select message_id, key from warehouse.outbox order by key") == keys
    attempts = "select attempt from warehouse.delivery where outcome = 'delivered'"
    assert warehouse.value(database_url, attempts) == 3


def test_a_receiver_that_is_down_is_asked_once_a_minute_and_gets_everything_slowly_when_it_is_back(
    house: House, database_url: str
) -> None:
    is_down, calls = [True], list[datetime]()

    def answer() -> DeliveryError | None:
        calls.append(house.clock.now)
        return TEMPORARY if is_down[0] else None

    sender = house.sender([failing(answer)])
    house.target("slow", "https://example.com/", most=20)
    house.put(*(f"m{number}" for number in range(60)), target="slow")
    for _ in range(600):  # ten minutes, a second at a time
        house.later(seconds=1)
        house.sent(sender)
    probes = [at for at in calls if at > calls[9]]
    assert len(calls) >= 10
    assert all(after - before >= timedelta(seconds=60) for before, after in itertools.pairwise(probes))
    assert 8 <= len(probes) <= 10
    is_down[0] = False
    back = house.clock.now
    calls.clear()
    for _ in range(90):
        house.later(seconds=5)
        house.sent(sender)
    assert set(states(database_url).values()) == {"sent"}
    for second in range(400):
        window = [at for at in calls if timedelta(0) <= at - back - timedelta(seconds=second) < timedelta(seconds=60)]
        assert len(window) <= 20
    assert len(calls) == 60


def test_who_asks_to_be_left_alone_is_left_alone_with_everything(house: House, database_url: str) -> None:
    busy = DeliveryError("It answered 429.", permanent=False, status=429, retry_after=300)
    answers: list[DeliveryError | None] = [busy]
    sender = house.sender([failing(lambda: answers.pop(0) if answers else None)])
    house.put("a", "b")
    house.later(seconds=1)
    house.sent(sender)
    house.later(seconds=299)
    house.sent(sender)
    assert states(database_url) == {"a": "waiting", "b": "waiting"}
    house.later(seconds=2)
    house.sent(sender)
    assert states(database_url) == {"a": "sent", "b": "sent"}


def test_a_target_that_is_not_there_waits_for_it_and_a_message_that_cannot_be_read_is_given_up(
    house: House, database_url: str
) -> None:
    sender = house.sender([failing(lambda: None)])
    house.put("a", target="nobody")
    house.put("b")
    with house.engine.begin() as connection:
        connection.exec_driver_sql("update warehouse.outbox set message = '{\"key\": 1}' where target = 'ops'")
    house.sent(sender)
    (waits, broken) = warehouse.rows(database_url, OUTBOX)
    assert (waits["status"], broken["status"]) == ("waiting", "failed")
    assert "no target" in waits["error"]
    assert "cannot be read any more" in broken["error"]


def test_what_was_sent_long_ago_goes_and_what_waits_stays(house: House, database_url: str) -> None:
    sender = house.sender([failing(lambda: None)])
    house.put("old")
    house.sent(sender)
    house.put("waits", target="nobody")
    with house.engine.begin() as connection:
        assert outbox.drop_old(connection, NOON + timedelta(days=29), 30) == 0
        assert outbox.drop_old(connection, NOON + timedelta(days=31), 0) == 0
        assert outbox.drop_old(connection, NOON + timedelta(days=31), 30) == 2
    assert states(database_url) == {"waits": "waiting"}
    assert outbox.cut("é" * 2000) == "é" * 1024
