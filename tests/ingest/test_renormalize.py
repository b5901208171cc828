"""Today's rules over what is stored: nothing changes that was loaded by them, and what was mapped wrongly is mended."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from ingest.load import Loader
from ingest.records import Door, Payload
from ingest.renormalize import Day, renormalize
from models.audit import Scope, audit
from models.corrections import AnotherCorrects, correcting
from models.fold import fold_all
from models.rebuild import rebuild
from tests.support import warehouse
from tests.support.builders import event
from tests.support.loading import NOON, PROJECT, legacy, loading, sdk, told, us, webhook
from tests.support.parcels import Senders, corpus

HOUR_DAYS = 14
TODAY = NOON.date()
HEADERS = {"sentry-hook-resource", "x-servicehook-guid"}


@pytest.fixture
def loaded(database_url: str) -> Iterator[tuple[Loader, Engine]]:
    with loading(database_url) as pair:
        yield pair


def days(engine: Engine) -> list[date]:
    with engine.connect() as connection:
        query = "select distinct (occurred_at at time zone 'UTC')::date from warehouse.fact_event order by 1"
        return list(connection.execute(text(query)).scalars())


def again(engine: Engine, *, is_dry: bool = False, project_id: int | None = None) -> list[Day]:
    return list(renormalize(engine, days(engine), NOON, HOUR_DAYS, project_id, is_dry=is_dry))


def changes(found: list[Day]) -> dict[str, dict[str, int]]:
    return {str(day.day): day.columns for day in found if day.changed_count}


def payloads_of_corpus() -> dict[str, list[Payload]]:
    """Give the corpus as the doors would keep it, by form."""
    made: dict[str, list[Payload]] = {}
    for parcel in corpus(Senders("secret", "/hooks/sentry/key", "a" * 32)):
        if parcel.status != 200 or "content-encoding" in {name.lower() for name in parcel.headers}:
            continue
        headers = {name.lower(): value for name, value in parcel.headers.items() if name.lower() in HEADERS}
        door, project = Door.HOOK, None
        if parcel.path.startswith("/api/"):
            door, project = (Door.STORE if "/store/" in parcel.path else Door.ENVELOPE), 42
        elif parcel.path.endswith("/key"):
            door = Door.LEGACY
        body = parcel.body
        made.setdefault(parcel.name.split()[0], []).append(Payload(us(NOON), door, body, project, headers, "192.0.2.9"))
    for file in sorted(Path("tests/corpus/api_event").glob("*.json")):
        made.setdefault("rest", []).append(Payload(us(NOON), Door.FILE, file.read_bytes(), None, {}))
    return made


@pytest.mark.parametrize("form", sorted(payloads_of_corpus()))
def test_what_was_loaded_by_today_s_rules_does_not_change(loaded: tuple[Loader, Engine], form: str) -> None:
    loader, engine = loaded
    for payload in payloads_of_corpus()[form]:
        loader.load([payload], origin="test")
    found = again(engine)
    assert changes(found) == {}
    assert sum(day.refused_count + day.without_payload_count for day in found) == 0
    assert (sum(day.event_count for day in found) > 0) == (form not in {"issue", "security", "transaction"})


def test_events_of_files_do_not_change_either(loaded: tuple[Loader, Engine]) -> None:
    loader, engine = loaded
    alert = json.loads(webhook(event(timestamp=told(NOON))).body)
    bare = [event(timestamp=told(NOON - timedelta(days=400))), event(timestamp=None), event(user=None, release=None)]
    for body in (*bare, alert, json.loads(legacy(event(timestamp=told(NOON)), id="77").body)):
        loader.load([Payload(us(NOON), Door.FILE, json.dumps(body).encode(), PROJECT, {})], origin="file")
    found = again(engine)
    assert changes(found) == {}
    assert sum(day.event_count for day in found) == 5


def test_the_address_of_a_peer_a_weight_and_an_issue_told_beside_the_event_are_not_lost(
    loaded: tuple[Loader, Engine],
) -> None:
    loader, engine = loaded
    seen = event(timestamp=told(NOON), user={"ip_address": "{{auto}}"}, platform="javascript")
    beside = event(timestamp=told(NOON), exception=None, message="beside")
    loader.load([sdk(seen), legacy(beside, id="4711")], origin="test")
    with engine.begin() as connection:
        connection.execute(text("update warehouse.fact_event set sample_weight = 20"))
        hashed = "select group_hash, issue_id from warehouse.dim_group where group_hash like 'issue:%'"
        assert [tuple(each) for each in connection.execute(text(hashed))] == [("issue:4711", 4711)]
    assert changes(again(engine)) == {}


WRONG = """
    with other as (
        insert into warehouse.dim_culprit (project_id, culprit_key, culprit) values (42, 99, 'wrong') returning 1
    ), grouped as (
        insert into warehouse.dim_group (project_id, group_key, group_hash, issue_id, type, title, culprit)
        values (42, 98, 'e0:wrong', 31, 'error', 'wrong', 'wrong') returning 1
    )
    update warehouse.fact_event set culprit_key = 99, level = 10, release_key = null, group_key = 98,
        message = 'wrong', tags = '{"wrong": "yes"}'
    where occurred_at < '2026-11-24'
"""
COUNTED = """
    select day, level, culprit_key, group_key, release_key, environment_key, event_count, user_sketch,
        first_at, last_at from warehouse.rollup_day order by 1, 2, 3, 4, 5, 6
"""
FACTS = "select * from warehouse.fact_event order by event_id"
OTHER_ROLLUPS = ("rollup_hour", "rollup_hour_group", "rollup_day_culprit", "rollup_day_user", "rollup_release")
LIFELONG = "select group_key, event_count, first_at, last_at, last_level, user_sketch from warehouse.rollup_group"


def everything(url: str) -> list[object]:
    queries = [COUNTED, FACTS, LIFELONG, *(f"select * from warehouse.{name}" for name in OTHER_ROLLUPS)]
    return [sorted(warehouse.rows(url, query), key=str) for query in queries]


def test_a_wrong_mapping_is_mended_with_its_rollups_and_a_new_group_has_its_row_and_its_issue(
    loaded: tuple[Loader, Engine], database_url: str
) -> None:
    loader, engine = loaded
    for hours in (0, 20, 30):
        many = [event(timestamp=told(NOON - timedelta(hours=hours)), user={"id": str(each)}) for each in range(9)]
        loader.load([sdk(*many, at=NOON - timedelta(hours=hours))], origin="test")
    fold_all(engine, TODAY, HOUR_DAYS)
    before = everything(database_url)
    with engine.begin() as connection:
        assert connection.execute(text(WRONG)).rowcount == 18
        connection.execute(text("delete from warehouse.dim_group where group_key <> 98"))
    with engine.begin() as connection:  # as the wrong rules would have counted them
        rebuild(connection, TODAY - timedelta(days=1), TODAY, HOUR_DAYS)
    assert everything(database_url) != before

    dry = again(engine, is_dry=True)
    assert everything(database_url) != before
    found = again(engine)
    wanted = dict.fromkeys(("culprit_key", "group_key", "release_key", "level", "message", "tags"), 18)
    assert changes(found) == changes(dry) == {"2026-11-23": wanted}
    assert everything(database_url) == before
    assert audit(engine, Scope(TODAY, HOUR_DAYS)).differences == []
    query = "select issue_id from warehouse.dim_group g join warehouse.fact_event e using (project_id, group_key)"
    assert warehouse.rows(database_url, query + " where e.occurred_at < '2026-11-24'") == [{"issue_id": 31}] * 18
    assert changes(again(engine)) == {}


def test_only_the_project_that_is_asked_for_is_corrected(loaded: tuple[Loader, Engine]) -> None:
    loader, engine = loaded
    for project in (PROJECT, 7):
        loader.load([sdk(event(timestamp=told(NOON)), project=project)], origin="test")
    with engine.begin() as connection:
        connection.execute(text("update warehouse.fact_event set level = 10"))
    assert changes(again(engine, project_id=7)) == {"2026-11-24": {"level": 1}}
    assert changes(again(engine)) == {"2026-11-24": {"level": 1}}


def test_events_without_a_payload_are_left_and_counted(loaded: tuple[Loader, Engine]) -> None:
    loader, engine = loaded
    loader.load([sdk(event(timestamp=told(NOON))), sdk(event(timestamp=told(NOON)))], origin="test")
    with engine.begin() as connection:
        connection.execute(text("update warehouse.fact_event set level = 10"))
        one = "select min(event_id::text)::uuid from warehouse.event_payload"
        connection.execute(text(f"delete from warehouse.event_payload where event_id = ({one})"))
    (day,) = again(engine)
    assert (day.event_count, day.without_payload_count, day.changed_count) == (2, 1, 1)


def test_what_stands_in_for_an_erased_person_stays(loaded: tuple[Loader, Engine]) -> None:
    loader, engine = loaded
    words = {"message": "[erased] failed", "transaction": "/users/[erased]", "exception": None}
    loader.load([sdk(event(timestamp=told(NOON), **words))], origin="test")
    with engine.begin() as connection:
        connection.execute(text("delete from warehouse.dim_user"))
        connection.execute(text("update warehouse.fact_event set user_key = 5, group_key = 6, transaction_key = 7"))
    assert changes(again(engine)) == {}


def test_two_corrections_do_not_run_at_once(loaded: tuple[Loader, Engine]) -> None:
    loader, engine = loaded
    loader.load([sdk(event(timestamp=told(NOON)))], origin="test")
    with correcting(engine), pytest.raises(AnotherCorrects, match="wait until it is done"):
        again(engine)
    assert changes(again(engine)) == {}
