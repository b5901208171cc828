"""What was set aside is loaded again once its cause is gone, and stays as it is until then."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from ingest import set_aside
from ingest.errors import IngestError, Reason
from ingest.interpret import Aside
from ingest.progress import Tally
from ingest.records import Door, Payload
from ingest.replay import replay
from models.engine import engine_for
from tests.support import warehouse
from tests.support.builders import event
from tests.support.loading import NOON, PROJECT, loading, sdk, settings, store, told

ASIDE = "select set_aside_key, reason, detail, seen_count, last_received_at from warehouse.set_aside order by 1"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


def keep(engine: Engine, payload: Payload, reason: Reason = Reason.INTERNAL) -> int:
    """Set a payload aside that an older errhouse could not read."""
    with engine.begin() as connection:
        before = set(set_aside.keys(connection, None))
        set_aside.keep(connection, [Aside(payload, reason, "an older errhouse failed")])
        (key,) = set(set_aside.keys(connection, None)) - before
    return key


def replayed(engine: Engine, key: int | None = None, reason: str | None = None) -> Tally:
    return replay(engine, settings(Path()), key, reason)


def test_what_can_be_read_now_becomes_rows_and_is_forgotten(engine: Engine, database_url: str) -> None:
    keep(engine, sdk(event(event_id="a" * 32, timestamp=told(NOON)), event(event_id="b" * 32, timestamp=told(NOON))))
    tally = replayed(engine)
    assert (tally.loaded, tally.set_aside) == (2, 0)
    assert warehouse.rows(database_url, ASIDE) == []
    found = warehouse.rows(database_url, "select received_at, source from analytics.events")
    assert found == [{"received_at": NOON, "source": "sdk"}] * 2
    assert replayed(engine) == Tally()


def test_what_has_a_row_already_is_forgotten_too(engine: Engine, database_url: str) -> None:
    payload = sdk(event(timestamp=told(NOON)))
    with loading(database_url) as (loader, _):
        loader.load([payload], origin="test")
    keep(engine, payload)
    assert replayed(engine).duplicates == 1
    assert warehouse.rows(database_url, ASIDE) == []


def test_what_still_cannot_be_read_stays_just_as_it_is(engine: Engine, database_url: str) -> None:
    keep(engine, store(event(timestamp=-1)), Reason.BAD_TIMESTAMP)
    before = warehouse.rows(database_url, ASIDE)
    tally = replayed(engine)
    assert (tally.loaded, tally.set_aside) == (0, 1)
    assert warehouse.rows(database_url, ASIDE) == before


def test_a_row_that_is_still_refused_stays_just_as_it_is(engine: Engine, database_url: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("alter table warehouse.fact_event add constraint no_debug check (level <> 10)")
    with loading(database_url) as (loader, _):
        loader.load([sdk(event(level="debug", timestamp=told(NOON)))], origin="test")
    before = warehouse.rows(database_url, ASIDE)
    assert [each["reason"] for each in before] == ["row_refused"]
    assert replayed(engine).set_aside == 1
    assert warehouse.rows(database_url, ASIDE) == before
    with engine.begin() as connection:
        connection.exec_driver_sql("alter table warehouse.fact_event drop constraint no_debug")
    assert replayed(engine).loaded == 1
    assert warehouse.rows(database_url, ASIDE) == []
    warehouse.tally(database_url)


def test_what_can_be_read_now_but_not_stored_is_set_aside_anew_and_once(engine: Engine, database_url: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("alter table warehouse.fact_event add constraint no_debug check (level <> 10)")
    keep(engine, sdk(event(level="debug", timestamp=told(NOON))), Reason.INTERNAL)
    assert replayed(engine).set_aside == 1
    assert [each["reason"] for each in warehouse.rows(database_url, ASIDE)] == ["row_refused"]


def test_one_record_or_one_reason_can_be_chosen(engine: Engine, database_url: str) -> None:
    keys = [keep(engine, sdk(event(timestamp=told(NOON))), reason) for reason in (Reason.INTERNAL, Reason.TOO_DEEP)]
    other = keep(engine, sdk(event(timestamp=told(NOON))), Reason.TOO_DEEP)
    assert replayed(engine, key=keys[1]).loaded == 1
    assert {each["set_aside_key"] for each in warehouse.rows(database_url, ASIDE)} == {keys[0], other}
    assert replayed(engine, reason="too_deep").loaded == 1
    assert [each["set_aside_key"] for each in warehouse.rows(database_url, ASIDE)] == [keys[0]]
    assert replayed(engine, reason="no_such_reason") == Tally()


def test_a_record_that_is_not_there_is_one_sentence(engine: Engine) -> None:
    with pytest.raises(IngestError, match=r"^There is no set-aside record 7; `errhouse set-aside list` shows them\.$"):
        replayed(engine, key=7)


def test_the_good_events_of_a_payload_that_stays_are_rows_at_the_first_load(engine: Engine, database_url: str) -> None:
    mixed = sdk(event(timestamp=told(NOON)), event(timestamp=-1), event(timestamp=told(NOON)))
    with loading(database_url) as (loader, _):
        first = loader.load([mixed], origin="test")
    assert (first.events, first.loaded, first.refused, first.set_aside) == (3, 2, 1, 1)
    assert replayed(engine).set_aside == 1
    assert [each["reason"] for each in warehouse.rows(database_url, ASIDE)] == ["bad_timestamp"]


def test_a_payload_of_which_some_can_be_read_now_gives_its_rows_and_keeps_the_reason_of_the_rest(
    engine: Engine, database_url: str
) -> None:
    keep(engine, sdk(event(timestamp=told(NOON)), event(timestamp=-1), event(timestamp=-2)))
    tally = replayed(engine)
    assert (tally.loaded, tally.refused) == (1, 2)
    before = warehouse.rows(database_url, ASIDE)
    assert [each["reason"] for each in before] == ["bad_timestamp"]
    assert replayed(engine).loaded == 0
    assert warehouse.rows(database_url, ASIDE) == before


def test_scrubbing_is_done_as_the_project_wants_it(engine: Engine, database_url: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"insert into warehouse.dim_project (project_id, is_scrubbed, created_at) values ({PROJECT}, false, now())"
        )
    one: dict[str, Any] = event(timestamp=told(NOON), tags={"password": "hunter2-hunter2"})
    keep(engine, store(one))
    assert replayed(engine).loaded == 1
    tags = warehouse.value(database_url, "select tags from analytics.events")
    assert tags["password"] == "hunter2-hunter2"


def test_an_event_that_still_names_no_project_is_kept_as_it_was(engine: Engine, database_url: str) -> None:
    payload = Payload(sdk(event()).received_at_us, Door.FILE, json.dumps(event()).encode())
    with loading(database_url) as (loader, _):
        assert loader.load([payload], origin="test").set_aside == 1
    before = warehouse.rows(database_url, ASIDE)
    assert [each["reason"] for each in before] == ["no_project"]
    assert replayed(engine).set_aside == 1
    assert warehouse.rows(database_url, ASIDE) == before
