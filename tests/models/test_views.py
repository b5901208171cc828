"""What analysts are promised, word for word, and that the view tells of every event what its record did."""

import json
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Engine

from ingest.records import Door, EventRecord, Payload, TimeQuality
from ingest.rows import LEVELS, row
from models import views
from models.engine import engine_for
from tests.support import warehouse
from tests.support.builders import event
from tests.support.corpus import corpus
from tests.support.loading import NOON, PLATFORM, PROJECT, loading, read, sdk, told, us

PROMISED = """
    event_id uuid, project_id bigint, project text, occurred_at timestamptz, received_at timestamptz,
    loaded_at timestamptz, level text, culprit text, title text, exception_type text, exception_value text,
    message text, logger text, platform text, release text, dist text, environment text, transaction text,
    handled boolean, user_id text, user_email text, user_username text, user_ip text, server_name text,
    sdk_name text, sdk_version text, os_name text, os_version text, browser_name text, browser_version text,
    runtime_name text, runtime_version text, device_family text, url text, method text, http_status int,
    trace_id uuid, issue_id bigint, fingerprint text[], tags jsonb, top_frame text, source text, time_quality text
"""
ADDED = "stack_id bigint, group_id bigint, sample_weight float8, user_sketch bigint[], sources text[]"
SPELLED_OUT = {"timestamptz": "timestamp with time zone", "int": "integer", "float8": "double precision"}
SAME_NAME = (
    "event_id", "occurred_at", "received_at", "level", "culprit", "title", "exception_value", "message", "platform",
    "release", "dist", "environment", "transaction", "handled", "user_id", "user_email", "user_username", "user_ip",
    "server_name", "sdk_name", "sdk_version", "os_name", "os_version", "browser_name", "browser_version",
    "runtime_name", "runtime_version", "device_family", "url", "method", "http_status", "trace_id", "tags", "logger",
)  # fmt: skip
DIMENSIONS = (
    "culprit", "exception", "transaction", "release", "environment", "user", "server", "logger", "client", "stack",
    "group", "project",
)  # fmt: skip


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


def test_analytics_events_is_exactly_as_promised(engine: Engine) -> None:
    promised = [tuple(column.split()) for column in f"{PROMISED}, {ADDED}".split(",")]
    with engine.connect() as connection:
        found = views.columns_of(connection, "events")
    assert found == [(name, SPELLED_OUT.get(kind, kind)) for name, kind in promised]
    assert found == [(column.name, column.type) for column in views.EVENTS.columns]


def test_analytics_holds_nothing_but_views(database_url: str) -> None:
    query = "select relkind::text as kind from pg_class where relnamespace = 'analytics'::regnamespace"
    assert {found["kind"] for found in warehouse.rows(database_url, query)} == {"v"}


def loaded(url: str, payloads: list[Payload]) -> dict[object, EventRecord]:
    """Load payloads, and give the record that each row must tell of."""
    with loading(url) as (loader, _):
        loader.load(payloads, origin="test")
    records: dict[object, EventRecord] = {}
    for payload in payloads:
        for record in read(payload).records:
            records.setdefault((record.project_id, record.event_id), record)
    return records


def test_the_view_tells_of_every_event_of_the_corpus_what_its_record_does(database_url: str) -> None:
    records = loaded(database_url, corpus())
    found = {
        (r["project_id"], r["event_id"]): r for r in warehouse.rows(database_url, "select * from analytics.events")
    }
    records = {key: record for key, record in records.items() if record.project_id is not None}
    assert len(records) > 100
    assert records.keys() <= found.keys()
    unlike = {
        (str(key[1]), name): (found[key][name], getattr(record, name))  # type: ignore[index]
        for key, record in records.items()
        for name in SAME_NAME
        if found[key][name] != getattr(record, name)
    }
    assert unlike == {}
    for key, record in records.items():
        row = found[key]
        assert row["source"] == record.source.name
        assert row["time_quality"] == record.time_quality.name
        assert (row["exception_type"] or None) == (record.exception_type or None)
        assert row["top_frame"] == (record.top_frame if record.frames else None)
        assert row["issue_id"] is not None
        assert row["issue_id"] >= 0


def test_no_row_of_a_dimension_has_to_be_there_for_an_event_to_be_seen(database_url: str) -> None:
    loaded(database_url, [sdk(event(timestamp=told(NOON)))])
    with psycopg.connect(database_url) as connection:
        for name in DIMENSIONS:
            connection.execute(f"truncate warehouse.dim_{name}".encode())
    (found,) = warehouse.rows(database_url, "select * from analytics.events")
    # names that a filter has to find by an index are those of the dimension, and null without it
    assert (found["project"], found["issue_id"]) == (None, None)
    assert (found["project_id"], found["level"], found["culprit"]) == (PROJECT, "error", "")


def test_an_event_that_tells_next_to_nothing_is_a_row_with_words_for_nothing(database_url: str) -> None:
    loaded(database_url, [sdk({"event_id": "a" * 32})])
    (found,) = warehouse.rows(database_url, "select * from analytics.events")
    assert (found["title"], found["culprit"], found["tags"]) == ("<unlabeled event>", "", {})
    assert (found["level"], found["platform"], found["time_quality"]) == ("error", "other", "missing")


@pytest.mark.parametrize(
    ("type_", "value", "message", "title"),
    [
        ("E", "v", None, "E: v"), ("E", "", None, "E"), ("E", None, "m", "E"), (None, "v", "m", "m"),
        (None, None, "m", "m"), (None, None, None, "<unlabeled event>"), (None, None, "", ""), ("", "", None, ""),
        ("", "v", None, "v"), ("E", "v", "m", "something else"), (None, "v", None, "v"), ("", "v", None, ": v"),
        (None, None, None, ""), ("E", "", None, "E: "), (None, "", "", "<unlabeled event>"), ("", None, "m", "m"),
    ],
)  # fmt: skip
def test_the_title_is_the_record_s_however_it_is_put_together(
    database_url: str, type_: str | None, value: str | None, message: str | None, title: str
) -> None:
    told_by_record = {"exception_type": type_, "exception_value": value, "message": message, "title": title}
    (record,) = read(sdk(event())).records
    changed = {name: getattr(record, name) for name in record.__struct_fields__} | told_by_record
    with loading(database_url) as (loader, _):
        loader._partitions.ensure([record.occurred_at.date()])
        loader._commit([row(EventRecord(**changed), PROJECT, None)], [], [], 1, "test", None)
    assert warehouse.value(database_url, "select title from analytics.events") == title


def test_every_level_and_time_quality_has_its_word(database_url: str) -> None:
    (record,) = read(sdk(event())).records
    rows = []
    for number, level in enumerate(LEVELS):
        for quality in TimeQuality:
            changed = {name: getattr(record, name) for name in record.__struct_fields__}
            changed |= {"event_id": UUID(int=number * 10 + quality + 1)}
            changed |= {"level": level, "time_quality": quality}
            rows.append(row(EventRecord(**changed), PROJECT, None))
    with loading(database_url) as (loader, _):
        loader._partitions.ensure([record.occurred_at.date()])
        loader._commit(rows, [], [], len(rows), "test", None)
    found = warehouse.rows(database_url, "select distinct level, time_quality from analytics.events")
    assert len(found) == len(LEVELS) * len(TimeQuality)
    assert {each["level"] for each in found} == set(LEVELS)
    assert {each["time_quality"] for each in found} == {quality.name for quality in TimeQuality}


def test_an_issue_id_is_sentry_s_where_it_was_told(database_url: str) -> None:
    body = {"action": "triggered", "installation": {}, "data": {"event": {**event(), "project": 7, "issue_id": "123"}}}
    loaded(database_url, [Payload(us(NOON + timedelta(days=1)), Door.HOOK, json.dumps(body).encode(), None, PLATFORM)])
    assert warehouse.value(database_url, "select issue_id from analytics.events") == 123
