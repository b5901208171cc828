"""The sender with real HTTP: a target that hangs, the event as it is when sent, and what is never written down."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from models.schedule_state import ScheduleState, oldest_message_seconds
from reports.channels import webhook
from reports.delivery import outbox
from reports.delivery.message import AboutEvent, AboutIssue, Message
from reports.delivery.targets import Target
from reports.delivery.tickets import KeptTickets
from tests.support.lifecycle import Past, past
from tests.support.loading import NOON
from tests.support.sending import House
from tests.support.vendor import answering, silent, vendor
from tests.support.wait import until


@pytest.fixture
def loaded(database_url: str) -> Iterator[Past]:
    with past(database_url) as made:
        made.load([1], tags={"team": "web"})
        yield made


@pytest.fixture
def house(loaded: Past, tmp_path: Path) -> House:
    return House(loaded.engine, tmp_path)


def test_a_target_that_hangs_delays_no_other(house: House, loaded: Past) -> None:
    with vendor(silent) as dead, vendor() as alive:
        house.target("dead", dead.url)
        house.target("ops", alive.url)
        house.put("x", target="dead")
        house.put("a", "b", "c")
        house.later(seconds=1)
        sender = house.sender()
        began = time.monotonic()
        sender.tick()
        until(lambda: len(alive.requests) == 3, 4, "the others get theirs")
        assert time.monotonic() - began < 4
        dead.is_over.set()
        assert sender.stop(10)
    assert loaded.value("select count(*)::int from warehouse.outbox where status = 'sent'") == 3
    assert loaded.value("select status from warehouse.outbox where target = 'dead'") == "waiting"


def test_the_event_is_read_when_it_is_sent_with_every_column_analysts_are_promised(house: House, loaded: Past) -> None:
    event_id = loaded.value("select event_id from analytics.events")
    occurred_at = loaded.value("select occurred_at from analytics.events")
    about = AboutEvent(42, event_id.hex, occurred_at)
    with vendor() as receiver:
        house.target("ops", receiver.url)
        with house.engine.begin() as connection:
            outbox.put(connection, Message("k", "alert", "t", about_event=about), "ops", NOON)
        assert "team" not in str(loaded.value("select message from warehouse.outbox"))
        house.sent(house.sender())
        event: dict[str, Any] = json.loads(receiver.requests[0].body)["event"]
    assert (event["event_id"], event["tags"]["team"], event["project_id"]) == (str(event_id), "web", 42)
    promised = loaded.value("select array_agg(attname::text) from pg_attribute where attnum > 0"
        " and attrelid = 'analytics.events'::regclass")  # fmt: skip
    assert set(promised) - set(event) == {"user_sketch"}


def test_a_secret_that_a_receiver_repeats_is_in_no_table(house: House, loaded: Past) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    with vendor(answering(400, f"bad signature {secret}".encode() * 200)) as receiver:
        target = Target("ops", "webhook", {"url": f"{receiver.url}/hidden-in-path", "secret": secret}, True)
        with house.engine.begin() as connection:
            house.targets.keep(connection, target, NOON, is_replaced=True)
        house.put("a")
        house.sent(house.sender([webhook]))
    row = loaded.value("select row(d.*, o.*, s.*)::text from warehouse.delivery d, warehouse.outbox o,"
        " warehouse.target_state s")  # fmt: skip
    assert "permanent" in row
    assert secret not in row
    assert "hidden-in-path" not in row
    assert loaded.value("select octet_length(detail) from warehouse.delivery") <= 2048


def test_our_own_address_is_never_sent_to(house: House, loaded: Past) -> None:
    house.target("loop", "http://localhost:8000/hooks/sentry")
    house.put("a", target="loop")
    house.sent(house.sender())
    assert "errhouse's own" in loaded.value("select error from warehouse.outbox")


def test_a_ticket_is_begun_once_and_remembered(house: House) -> None:
    tickets = KeptTickets(house.engine, lambda _: NOON)
    issue = AboutIssue(42, "shop", 7, "new")
    first = tickets.begun(issue, "tracker")
    assert first.number is None
    assert first.key.isalnum()
    tickets.opened(issue, "tracker", "SHOP-17", "https://tracker.example.com/SHOP-17")
    again = tickets.begun(issue, "tracker")
    assert (again.key, again.number, again.url) == (first.key, "SHOP-17", "https://tracker.example.com/SHOP-17")
    assert tickets.begun(issue, "other").key != first.key


def test_a_ticket_is_opened_by_one_at_a_time_and_by_the_next_once_it_is_silent(house: House) -> None:
    issue = AboutIssue(42, "shop", 8, "new")
    first = KeptTickets(house.engine, lambda _: NOON).begun(issue, "tracker")
    second = KeptTickets(house.engine, lambda _: NOON + timedelta(seconds=119)).begun(issue, "tracker")
    later = KeptTickets(house.engine, lambda _: NOON + timedelta(seconds=120))
    third, fourth = later.begun(issue, "tracker"), later.begun(issue, "tracker")
    later.opened(issue, "tracker", "17", "")
    fifth = later.begun(issue, "tracker")
    links = (first, second, third, fourth, fifth)
    assert [each.is_new for each in links] == [True, False, False, False, False]
    assert [each.is_held for each in links] == [False, True, False, True, False]


def test_what_waits_is_counted_for_the_metrics(house: House) -> None:
    sender = house.sender()
    house.put("a", target="nobody")
    house.later(seconds=30)
    house.sent(sender)
    assert (sender.waiting, sender.oldest_at) == (1, NOON)
    assert sender.outcomes["temporary"] == 1
    state = ScheduleState(0, oldest_message_us=5_000_000)
    assert oldest_message_seconds(state, 7_500_000) == 2.5
    assert oldest_message_seconds(None, 0) == 0
