"""An event that has a row already: the same again, by another form, or another one with its id."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, text
from sqlalchemy import event as sqlalchemy_event

from ingest.load import Loader
from ingest.progress import Tally
from ingest.records import Door, Payload
from ingest.replay import replay
from ingest.set_aside import payload_of
from ingest.stored_event import ERASED
from ingest.twins import is_unlike
from models.engine import engine_for
from tests.support import warehouse
from tests.support.builders import event
from tests.support.loading import NOON, PROJECT, Clock, legacy, loading, sdk, settings, store, told, us, webhook

DAY = timedelta(days=1)
MOMENT = NOON + timedelta(microseconds=363_647)
SOURCES = "select event_id, sources from analytics.events order by event_id"
ASIDE = "select set_aside_key, reason, detail, seen_count from warehouse.set_aside order by first_received_at"

Form = Callable[[Mapping[str, Any]], Payload]


def error_webhook(one: Mapping[str, Any]) -> Payload:
    """Give the event as the resource `error` tells it, with what Sentry adds in other places."""
    content = {"error": {**one, "project": PROJECT, "title": "t", "issue_id": "5", "web_url": "https://sentry.io/5"}}
    body = {"actor": {}, "action": "created", "installation": {"uuid": "v"}, "data": content}
    return Payload(us(NOON + DAY), Door.HOOK, json.dumps(body).encode(), None, {"sentry-hook-resource": "error"})


def file(one: Mapping[str, Any]) -> Payload:
    return Payload(us(NOON), Door.FILE, json.dumps(one).encode(), PROJECT, {})


def rest(one: Mapping[str, Any]) -> Payload:
    """Give the event as Sentry stores it, and the REST API shows it."""
    stored = {**one, "hashes": ["a" * 32], "key_id": "1", "datetime": told(MOMENT)}
    return Payload(us(NOON), Door.FILE, json.dumps(stored).encode(), PROJECT, {})


def backwards(value: Any) -> Any:
    """Give the same JSON with the keys of every object in the other order."""
    if isinstance(value, dict):
        return {key: backwards(value[key]) for key in reversed(value)}
    return [backwards(each) for each in value] if isinstance(value, list) else value


@pytest.fixture
def loader(database_url: str) -> Iterator[Loader]:
    with loading(database_url) as (made, _):
        yield made


def load(loader: Loader, *payloads: Payload) -> Tally:
    return loader.load(payloads, origin="test")


@pytest.mark.scenario("G-03")
@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        (("E", "v", "m"), ("E", "v", "m"), False),
        (("E", "v", None), ("F", "v", None), True),
        (("E", "v", None), ("E", "w", None), True),
        (("E", "v", None), ("E", "v", "m"), True),
        (("E", "v", None), (None, None, "v"), True),
        ((None, None, None), (None, None, None), False),
        ((None, None, "card [creditcard] of [email]"), (None, None, "card 4111111111111111 of a@b.example"), False),
        ((None, None, "card 4111111111111111 of a@b.example"), (None, None, "card [Filtered] of a@b.example"), False),
        ((None, None, f"hello {ERASED}, bye"), (None, None, "hello Jo, bye"), False),
        ((None, None, f"hello {ERASED}, bye"), (None, None, "hello Jo, good bye for now"), True),
        ((None, None, f"hello {ERASED}, bye"), (None, None, "hell, bye"), True),
        ((None, None, "a [email] b [email] c"), (None, None, "a 1 b 2 d c"), False),
        ((None, None, "a [email] b [email] c"), (None, None, "a 1 d 2 c"), True),
        (("E", "[Filtered]", None), ("E", "anything", None), False),
        (("E", "[warning] one", None), ("E", "[warning] two", None), True),
    ],
)
def test_events_are_unlike_when_they_say_another_thing_and_not_when_secrets_were_taken_out(
    one: Any, other: Any, wanted: bool
) -> None:
    assert is_unlike(one, other) is is_unlike(other, one) is wanted


@pytest.mark.scenario("G-03")
@pytest.mark.parametrize("form", [sdk, store, webhook, error_webhook, legacy, file])
@pytest.mark.parametrize("is_one_batch", [True, False])
def test_another_event_with_the_id_is_refused_counted_apart_and_set_aside_whole(
    database_url: str, loader: Loader, form: Form, is_one_batch: bool
) -> None:
    one = event(timestamp=told(MOMENT), message="first")
    other = {**one, "message": "second"}
    batches = [[form(one), form(other)]] if is_one_batch else [[form(one)], [form(other)]]
    tally = Tally()
    for batch in batches:
        tally = tally.plus(load(loader, *batch))
    assert tally == Tally(payloads=2, events=2, loaded=1, refused=1, set_aside=1, conflicts=1)
    assert warehouse.tally(database_url) == tally._asdict()
    (day,) = warehouse.rows(database_url, "select * from analytics.loads_daily")
    assert [day[name] for name in ("events", "loaded", "duplicates", "refused", "conflicts")] == [2, 1, 0, 1, 1]
    assert warehouse.value(database_url, "select message from analytics.events") == "first"
    (aside,) = warehouse.rows(database_url, ASIDE)
    assert (aside["reason"], aside["seen_count"]) == ("conflict", 1)
    assert one["event_id"] in aside["detail"]
    engine = engine_for(database_url)
    with engine.connect() as connection:
        found = payload_of(connection, aside["set_aside_key"])
    engine.dispose()
    assert found is not None
    assert found[2] == form(other)


@pytest.mark.scenario("G-03")
@pytest.mark.parametrize("timestamp", [None, told(NOON - 90 * DAY), told(NOON + 400 * DAY)])
def test_another_event_with_the_id_is_known_though_its_time_or_that_of_the_row_is_doubtful(
    database_url: str, timestamp: str | None
) -> None:
    odd = event(event_id="a" * 32, timestamp=timestamp, message="first")
    good = event(event_id="b" * 32, timestamp=told(MOMENT), message="first")
    with loading(database_url) as (loader, _):
        assert load(loader, sdk(odd), sdk(good)).loaded == 2
    with loading(database_url, Clock(NOON + 9 * DAY)) as (loader, _):
        others = [sdk({**each, "message": "second"}, at=NOON + 9 * DAY) for each in (odd, {**good, "timestamp": None})]
        again = [sdk(each, at=NOON + 9 * DAY) for each in (odd, {**good, "timestamp": None})]
        assert load(loader, *others).conflicts == 2
        assert load(loader, *again).duplicates == 2


@pytest.mark.scenario("G-02", "G-03")
def test_the_same_event_is_never_a_conflict_however_it_is_told(database_url: str) -> None:
    one = event(timestamp=told(MOMENT), message="of jo@shop.example, card 4111111111111111")
    as_sentry_scrubs = {**one, "message": "of [email], card [Filtered]"}
    as_sentry_knows = {"received": 1, "_meta": {}, "version": "7", "hashes": ["b" * 32], "metadata": {"type": "T"}}
    forms = [
        sdk(one),
        sdk(one, at=NOON + DAY, sent_at=told(NOON + DAY)),
        sdk({**one, "timestamp": told(MOMENT, 3)}),
        sdk(backwards(one)),
        sdk({**one, **as_sentry_knows}),
        sdk(as_sentry_scrubs),
        store(one),
        webhook(one),
        webhook({**one, "timestamp": told(MOMENT, 3)}, at=NOON + DAY, **as_sentry_knows),
        webhook(as_sentry_scrubs),
        error_webhook(one),
        msgspec.structs.replace(error_webhook(one), headers={}),
        legacy(one),
        legacy(one, url="https://sentry.example/7", triggering_rules=["a"]),
        file(one),
        file(backwards(one)),
        rest(one),
        rest({**one, "message": "as a list of the REST API has it"}),
    ]
    for first in forms:
        with loading(database_url) as (loader, engine):
            with engine.begin() as connection:
                connection.execute(text("truncate warehouse.fact_event, warehouse.event_odd_time"))
            assert load(loader, first).loaded == 1
            assert load(loader, *forms).duplicates == len(forms)
            for form in forms:
                assert load(loader, form).duplicates == 1
    assert warehouse.rows(database_url, ASIDE) == []


@pytest.mark.scenario("G-03")
def test_an_event_that_was_scrubbed_is_no_other_than_the_one_that_was_not(database_url: str) -> None:
    one = event(timestamp=told(MOMENT), message="of jo@shop.example, card 4111111111111111")
    for is_scrubbed in (False, True, False):
        with loading(database_url) as (loader, engine):
            with engine.begin() as connection:
                connection.execute(
                    text(
                        "insert into warehouse.dim_project (project_id, is_scrubbed, created_at) "
                        "values (42, :it, now()) "
                        "on conflict (project_id) do update set is_scrubbed = excluded.is_scrubbed"
                    ),
                    {"it": is_scrubbed},
                )
            assert load(loader, sdk(one)).conflicts == 0
    assert warehouse.tally(database_url)["duplicates"] == 2


@pytest.mark.scenario("D-17", "G-03")
def test_a_batch_that_is_loaded_again_has_the_same_conflicts_and_sets_nothing_else_aside(
    database_url: str, loader: Loader
) -> None:
    one, two = (event(timestamp=told(MOMENT), message="first") for _ in range(2))
    batch = [sdk(one), sdk(two), sdk({**one, "message": "second"}), webhook(one), sdk({**one, "message": "third"})]
    assert load(loader, *batch) == Tally(5, 5, 2, 1, 2, 2, 0, 2)
    assert load(loader, *batch) == Tally(5, 5, 0, 3, 2, 2, 0, 2)
    assert [aside["seen_count"] for aside in warehouse.rows(database_url, ASIDE)] == [2, 2]


def test_a_conflict_stays_set_aside_until_its_id_is_free(database_url: str, loader: Loader) -> None:
    one = event(timestamp=told(MOMENT), message="first")
    load(loader, sdk(one), sdk({**one, "message": "second"}))
    before = warehouse.rows(database_url, ASIDE)
    engine = engine_for(database_url)
    assert replay(engine, settings(Path()), None, None).conflicts == 1
    assert warehouse.rows(database_url, ASIDE) == before
    with engine.begin() as connection:
        connection.execute(text("delete from warehouse.fact_event"))
    assert replay(engine, settings(Path()), None, "conflict").loaded == 1
    engine.dispose()
    assert warehouse.rows(database_url, ASIDE) == []
    assert warehouse.value(database_url, "select message from analytics.events") == "second"


def test_what_a_conflict_says_of_the_issue_is_not_said_of_the_event_that_has_the_row(
    database_url: str, loader: Loader
) -> None:
    one = event(timestamp=told(MOMENT), message="first", fingerprint=["one"])
    load(loader, webhook(one))
    ours = warehouse.value(database_url, "select issue_id from analytics.events")
    other = {**one, "message": "second", "fingerprint": ["two"]}
    assert load(loader, webhook(other, issue_id=4711)).conflicts == 1
    assert warehouse.value(database_url, "select issue_id from analytics.events") == ours != 4711


@pytest.mark.scenario("G-05")
def test_every_form_that_brought_an_event_is_told_in_the_order_of_their_coming(database_url: str) -> None:
    forms = {"sdk": sdk, "webhook_platform": webhook, "webhook_legacy": legacy, "file": file}
    for order in permutations(forms):
        one = event(timestamp=told(MOMENT))
        payloads = [
            msgspec.structs.replace(forms[name](one), received_at_us=us(NOON + n * DAY)) for n, name in enumerate(order)
        ]
        with loading(database_url) as (loader, _):
            load(loader, *payloads, *payloads)
            for again in payloads:
                load(loader, again)
        query = "select sources from analytics.events where event_id = %s"
        assert warehouse.value(database_url, query, one["event_id"]) == list(order)


@pytest.mark.scenario("G-05")
def test_an_event_of_one_form_has_one_and_costs_no_row(database_url: str, loader: Loader) -> None:
    one = event(timestamp=told(MOMENT))
    load(loader, sdk(one), store(one), sdk(event(timestamp=told(MOMENT)), project=7))
    assert [each["sources"] for each in warehouse.rows(database_url, SOURCES)] == [["sdk"], ["sdk"]]
    assert warehouse.value(database_url, "select count(*) from warehouse.event_source") == 0


@pytest.mark.scenario("G-05")
def test_forms_are_told_of_events_whose_clock_was_days_off_or_silent(database_url: str) -> None:
    drift = timedelta(days=20)
    drifted = event(event_id="a" * 32, timestamp=told(MOMENT - drift))
    silent = event(event_id="b" * 32, timestamp=None)
    exact = event(event_id="c" * 32, timestamp=told(MOMENT))
    with loading(database_url, Clock(NOON + 9 * DAY)) as (loader, _):
        load(loader, sdk(drifted, sent_at=told(NOON - drift)), store(silent), webhook(exact))
        load(
            loader,
            webhook({**drifted, "timestamp": told(MOMENT)}),
            webhook({**silent, "timestamp": told(MOMENT + 5 * DAY)}, at=NOON + 5 * DAY),
            store({**exact, "timestamp": None}, at=NOON + 9 * DAY),
        )
    found = [each["sources"] for each in warehouse.rows(database_url, SOURCES)]
    assert found == [["sdk", "webhook_platform"], ["sdk", "webhook_platform"], ["webhook_platform", "sdk"]]


@pytest.mark.parametrize("query", ["select count(*) from analytics.events", "select message from analytics.events"])
def test_who_does_not_ask_for_forms_does_not_read_them(database_url: str, loader: Loader, query: str) -> None:
    load(loader, sdk(event(timestamp=told(MOMENT))))
    plan = "\n".join(each["QUERY PLAN"] for each in warehouse.rows(database_url, f"explain verbose {query}"))
    assert "event_source" not in plan


def test_events_that_are_new_cost_no_statement_more(database_url: str) -> None:
    def statements(*payloads: Payload) -> list[str]:
        said: list[str] = []
        with loading(database_url) as (loader, engine):
            listen(engine, said)
            load(loader, *payloads)
        return said

    def listen(engine: Engine, said: list[str]) -> None:
        sqlalchemy_event.listen(
            engine, "before_cursor_execute", lambda _c, _u, statement, *_: said.append(str(statement))
        )

    one = event(timestamp=told(MOMENT))
    assert not [each for each in statements(sdk(one)) if "event_source" in each or "lateral" in each]
    assert [each for each in statements(webhook(one)) if "event_source" in each]
