"""A person is planted wherever words of senders go, and erased: nothing of them is left, and every count is."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from ingest.erase import Report, erase
from ingest.load import Loader
from ingest.records import Door, Payload
from ingest.renormalize import renormalize
from ingest.spool.writer import SpoolWriter
from models.audit import Scope, audit
from models.corrections import AnotherCorrects, correcting
from models.engine import engine_for
from models.fold import fold_all
from models.payloads import Codebook
from models.rebuild import rebuild
from models.settings import Settings
from tests.support import warehouse
from tests.support.builders import event
from tests.support.loading import NOON, PROJECT, Clock, sdk, settings, told, us
from tests.support.persons import (
    ADDRESS,
    ALL,
    MAIL,
    NAME,
    OTHER_MAIL,
    USER_ID,
    files_with,
    other_event,
    own_event,
    places_in_database,
)

DAYS = (timedelta(), timedelta(days=1), timedelta(days=12))
HOUR_DAYS = 14
PACK = msgspec.msgpack.Encoder().encode
COUNTS = (
    "rollup_hour",
    "rollup_hour_group",
    "rollup_day",
    "rollup_day_culprit",
    "rollup_day_user",
    "rollup_group",
    "rollup_release",
)
ISSUE = """
    insert into warehouse.issue_change (project_id, issue_id, changed_at, received_at, action, assignee, codec, body)
    values (:project_id, 5, :at, :at, 'assigned', :mail, :codec, :body)
"""
DIM_ISSUE = """
    insert into warehouse.dim_issue (project_id, issue_id, changed_at, title) values (:project_id, 5, :at, :title)
"""


class Stored(NamedTuple):
    """A warehouse with somebody's words in it."""

    engine: Engine
    settings: Settings
    loader: Loader
    url: str

    def erase(self, value: str = MAIL, *, is_dry: bool = False, project_id: int | None = None) -> Report:
        return erase(self.engine, self.settings, value, NOON, lambda _: None, project_id, is_dry=is_dry)

    def load(self, *payloads: Payload) -> None:
        assert self.loader.load(payloads, origin="test").refused == 0

    def spool(self, *payloads: Payload) -> None:
        async def append() -> None:
            writer = SpoolWriter(self.settings.spool_dir / "1", 1 << 24)
            for payload in payloads:
                await writer.append(PACK(payload))
            await writer.close()

        asyncio.run(append())


@pytest.fixture
def stored(database_url: str, tmp_path: Path) -> Iterator[Stored]:
    (tmp_path / "run").mkdir()
    made = settings(tmp_path)
    engine = engine_for(database_url)
    with engine.begin() as connection:  # scrubbing would leave little to erase
        unscrubbed = "insert into warehouse.dim_project (project_id, is_scrubbed, created_at) values (:id, false, :at)"
        connection.execute(text(unscrubbed), [{"id": PROJECT, "at": NOON}, {"id": 7, "at": NOON}])
    yield Stored(engine, made, Loader(engine, made, Clock()), database_url)
    engine.dispose()


def plant(stored: Stored) -> None:
    """Load events of the person, of others who name them, and of others who do not, on three days in two partitions."""
    for back in DAYS:
        at = NOON - back
        stored.load(
            sdk(own_event(timestamp=told(at)), at=at),
            sdk(own_event(timestamp=told(at), user={"email": MAIL.lower(), "ip_address": "198.51.100.1"}), at=at),
            sdk(other_event(timestamp=told(at)), at=at),
            *(sdk(event(timestamp=told(at), user={"id": str(each)}), at=at) for each in range(5)),
        )
    fold_all(stored.engine, NOON.date(), HOUR_DAYS)
    stored.load(sdk(own_event()), sdk(other_event()))  # not folded


def plant_beside(stored: Stored) -> None:
    """Put the person into what is set aside, into the spool, and into the history of an issue."""
    cut = b'{"message": "broken for ' + MAIL.encode()
    escaped = b'{"type": "none", "message": "' + MAIL.replace("@", "\\u0040").encode() + b'"}'
    no_event = sdk(own_event()).body.replace(b'"type": "event"', b'"type": "other"')
    asides = [Payload(us(NOON), Door.HOOK, body, PROJECT, {}, ADDRESS) for body in (cut, escaped)]
    tally = stored.loader.load([*asides, Payload(us(NOON), Door.ENVELOPE, no_event, PROJECT, {})], origin="test")
    assert tally.set_aside == 3
    stored.spool(sdk(own_event()), Payload(us(NOON), Door.HOOK, b'{"x": "' + MAIL.encode() + b'"}', PROJECT, {}))
    with stored.engine.begin() as connection:
        codec, body = Codebook.read(connection).compress(json.dumps({"data": {"issue": {"title": MAIL}}}).encode())
        at = {"project_id": PROJECT, "at": NOON}
        connection.execute(text(ISSUE), {**at, "mail": f"user:{MAIL}", "codec": codec, "body": body})
        connection.execute(text(DIM_ISSUE), {**at, "title": f"copy to {MAIL}"})


def rollups(url: str) -> dict[str, list[dict[str, Any]]]:
    """Give every rollup, users as their number."""
    found = {}
    for table in COUNTS:
        rows = warehouse.rows(url, f"select * from warehouse.{table}")
        for row in rows:
            if "user_sketch" in row:
                row["user_sketch"] = len(row["user_sketch"] or ())
        found[table] = sorted(rows, key=str)
    return found


def sketches(url: str) -> list[dict[str, Any]]:
    tables = [table for table in COUNTS if not table.startswith("rollup_hour")]
    return [row for table in tables for row in warehouse.rows(url, f"select user_sketch from warehouse.{table}")]


def folded(stored: Stored) -> None:
    fold_all(stored.engine, NOON.date(), HOUR_DAYS)


def rebuilt(stored: Stored) -> dict[str, list[dict[str, Any]]]:
    """Give the rollups, made again from the fact."""
    with stored.engine.begin() as connection:
        for back in DAYS:
            rebuild(connection, (NOON - back).date(), NOON.date(), HOUR_DAYS)
    return rollups(stored.url)


def test_nothing_of_a_person_is_left_and_every_count_is(stored: Stored) -> None:
    plant(stored)
    plant_beside(stored)
    assert len(places_in_database(stored.engine, *ALL)) >= 15
    assert files_with(stored.settings.DATA_DIR, *ALL) != []

    report = stored.erase()

    assert places_in_database(stored.engine, *ALL) == set()
    assert files_with(stored.settings.DATA_DIR, *ALL) == []
    assert report.left == []
    wanted = {
        "dim_user": 2,
        "event_payload": 12,
        "fact_event (events of the person)": 8,
        "fact_event (other events that name them)": 4,
        "dim_transaction": 1,
        "dim_server": 1,
        "dim_issue": 1,
        "issue_change": 1,
        "issue_change.body": 1,
        "set_aside": 3,
        "set_aside (whole records)": 1,
    }
    assert {name: report.removed.get(name) for name in wanted} == wanted


def test_counts_stay_to_the_unit_and_agree_with_the_fact(stored: Stored) -> None:
    plant(stored)
    events = warehouse.value(stored.url, "select count(*) from warehouse.fact_event")
    before, deltas = rollups(stored.url), warehouse.rows(stored.url, "select event_count from warehouse.rollup_delta")
    stored.erase()
    assert rollups(stored.url) == before
    assert warehouse.rows(stored.url, "select event_count from warehouse.rollup_delta") == deltas
    assert warehouse.value(stored.url, "select count(*) from warehouse.fact_event") == events
    folded(stored)
    as_folded, all_sketches = rollups(stored.url), sketches(stored.url)
    assert all(row["user_sketch"] == sorted(set(row["user_sketch"])) for row in all_sketches if row["user_sketch"])
    assert rebuilt(stored) == as_folded
    assert sorted(sketches(stored.url), key=str) == sorted(all_sketches, key=str)
    assert audit(stored.engine, Scope(NOON.date(), HOUR_DAYS)).differences == []
    distinct = "select count(distinct user_key) from warehouse.fact_event"
    assert warehouse.value(stored.url, distinct) == 8  # two of the person, five others, and the one who names them


def test_other_persons_are_untouched(stored: Stored) -> None:
    plant(stored)
    others = "select * from warehouse.dim_user where user_id in ('0', '1', '2', '3', '4', '8') order by user_key"
    before = warehouse.rows(stored.url, others)
    fact = "select * from warehouse.fact_event where message is null and user_key = any(%s) order by event_id"
    keys = [row["user_key"] for row in before]
    facts = warehouse.rows(stored.url, fact, keys)
    stored.erase()
    assert warehouse.rows(stored.url, others) == before
    assert len(before) == 6
    assert warehouse.rows(stored.url, fact, keys) == facts
    named = "select message from warehouse.fact_event where message like 'copy%%'"
    assert {row["message"] for row in warehouse.rows(stored.url, named)} == {f"copy to [erased], from {OTHER_MAIL}"}


def test_a_dry_run_tells_the_same_and_changes_nothing(stored: Stored) -> None:
    plant(stored)
    everything = "select to_jsonb(e) as row from warehouse.fact_event e order by event_id"
    before = warehouse.rows(stored.url, everything), places_in_database(stored.engine, *ALL), sketches(stored.url)
    dry = stored.erase(is_dry=True)
    after = warehouse.rows(stored.url, everything), places_in_database(stored.engine, *ALL), sketches(stored.url)
    assert after == before
    assert dry.is_dry
    done = stored.erase()
    without = {name: count for name, count in done.removed.items() if not name.startswith("users counted")}
    assert dry.removed == without


def test_a_second_run_finds_nothing(stored: Stored) -> None:
    plant(stored)
    stored.erase()
    for value in ALL:
        assert stored.erase(value).is_nothing
    assert stored.erase("nobody@people.example").is_nothing
    (note, _) = warehouse.rows(stored.url, "select * from warehouse.erasure")
    assert note["finished_at"] is not None
    assert (note["user_key"], note["identifiers"]) == (None, None)


@pytest.mark.parametrize("value", [USER_ID, NAME, ADDRESS, MAIL.upper()])
def test_a_person_is_found_by_each_of_what_names_them(stored: Stored, value: str) -> None:
    stored.load(sdk(own_event()), sdk(event(timestamp=told(NOON))))
    stored.erase(value)
    assert places_in_database(stored.engine, *ALL) == set()


def test_only_the_project_that_is_asked_for_is_searched(stored: Stored) -> None:
    stored.load(sdk(own_event()), sdk(own_event(), project=7))
    stored.erase(project_id=7)
    whose = "select project_id from warehouse.dim_user"
    assert warehouse.rows(stored.url, whose) == [{"project_id": PROJECT}]
    named = "select distinct project_id from warehouse.fact_event where message like '%%people.example%%'"
    assert warehouse.rows(stored.url, named) == [{"project_id": PROJECT}]


@pytest.mark.parametrize("table", ["rollup_group", "dim_transaction", "event_payload", "fact_event", "rollup_delta"])
def test_a_run_that_broke_off_is_ended_by_the_next(stored: Stored, table: str) -> None:
    plant(stored)
    before = rollups(stored.url)
    with stored.engine.begin() as connection:
        connection.execute(
            text("create function stop() returns trigger language plpgsql as $$ begin raise 'no'; end $$")
        )
        connection.execute(
            text(f"create trigger stop before update on warehouse.{table} for each row execute function stop()")
        )
    with pytest.raises(DBAPIError):
        stored.erase()
    with stored.engine.begin() as connection:
        connection.execute(text(f"drop trigger stop on warehouse.{table}"))
    stored.erase()
    assert places_in_database(stored.engine, *ALL) == set()
    assert rollups(stored.url) == before
    assert warehouse.value(stored.url, "select count(*) from warehouse.erasure where finished_at is null") == 0
    folded(stored)
    as_folded = rollups(stored.url)
    assert rebuilt(stored) == as_folded


def test_a_person_who_sends_again_has_a_row_again_though_the_loader_knew_it(stored: Stored) -> None:
    stored.load(sdk(own_event()))
    stored.erase()
    assert warehouse.rows(stored.url, "select 1 from warehouse.dim_user") == []
    stored.load(sdk(own_event()))
    (row,) = warehouse.rows(stored.url, "select email, user_key from warehouse.dim_user")
    assert row["email"] == MAIL
    keys = {each["user_key"] for each in warehouse.rows(stored.url, "select user_key from warehouse.fact_event")}
    assert len(keys) == 2
    assert row["user_key"] in keys
    stored.erase()
    assert places_in_database(stored.engine, *ALL) == set()


def test_today_s_rules_do_not_bring_an_erased_person_back(stored: Stored) -> None:
    plant(stored)
    stored.erase()
    before = warehouse.rows(stored.url, "select * from warehouse.fact_event order by event_id")
    days = [(NOON - back).date() for back in DAYS]
    assert [day.columns for day in renormalize(stored.engine, days, NOON, HOUR_DAYS)] == [{}, {}, {}]
    assert warehouse.rows(stored.url, "select * from warehouse.fact_event order by event_id") == before


def test_the_estimate_of_many_users_stays(stored: Stored) -> None:
    crowd = [event(timestamp=told(NOON), user={"id": f"crowd-{each}"}) for each in range(1500)]
    stored.load(*(sdk(each) for each in crowd))
    folded(stored)
    lowest = (
        "select user_id from warehouse.dim_user, warehouse.rollup_day_user r "
        "where user_key = r.user_sketch[1] or user_key = r.user_sketch[500] order by 1"
    )
    estimate = "select warehouse.users_estimated(user_sketch) from warehouse.rollup_day_user"
    before = warehouse.value(stored.url, estimate)
    for row in warehouse.rows(stored.url, lowest):
        stored.erase(row["user_id"])
        assert warehouse.value(stored.url, "select cardinality(user_sketch) from warehouse.rollup_day_user") == 1024
        assert warehouse.value(stored.url, estimate) == before
    assert warehouse.value(stored.url, "select count(*) from warehouse.dim_user") == 1498


def test_archives_and_dictionaries_that_hold_the_person_are_named(stored: Stored) -> None:
    stored.load(sdk(own_event()))
    folder = stored.settings.DATA_DIR / "archive" / "events" / "of_project=42" / "day=2026-11-01"
    folder.mkdir(parents=True)
    for name, mail in (("events.parquet", MAIL), ("events-2.parquet", OTHER_MAIL)):
        pq.write_table(pa.table({"message": ["hello", f"to {mail}"], "n": [1, 2]}), folder / name)
    dictionary = (b"%s is in here " % MAIL.encode()) * 40
    with stored.engine.begin() as connection:
        connection.execute(
            text("insert into warehouse.payload_dictionary values (7, :at, 1, 0.5, :body)"),
            {"at": NOON, "body": dictionary},
        )
    report = stored.erase(is_dry=True)
    assert len(report.left) == 2
    assert "7" in report.left[0]
    assert "events.parquet" in report.left[1]
    assert MAIL.lower() not in " ".join(report.left).lower()


def test_it_waits_for_another_correction(stored: Stored) -> None:
    with correcting(stored.engine), pytest.raises(AnotherCorrects):
        stored.erase()
