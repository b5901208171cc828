"""No JSON whatever breaks `normalize`, and all it gives fits its column."""

import time
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import MalformedPayload
from ingest.normalize import normalize
from ingest.records import EventRecord, RawEvent, Source

RECEIVED_AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def words(text: str) -> list[str]:
    return text.split()


KNOWN = words(
    """
    event_id timestamp level platform message logentry exception stacktrace threads tags user release dist
    environment logger transaction culprit title location metadata fingerprint checksum hashes contexts request
    server_name site sdk extra type csp main_exception_id datetime sentry.interfaces.Message
    sentry.interfaces.User sentry.interfaces.Http sentry.interfaces.Exception sentry.interfaces.Contexts
    sentry.interfaces.Stacktrace
    """
)
INNER = words(
    """
    values type value stacktrace frames function module filename abs_path lineno in_app mechanism handled
    synthetic exception_id crashed current message formatted params id email username ip_address geo
    country_code sentry_user os browser runtime device trace response status_code name version raw_description
    family model trace_id sample_rate client_sample_rate url method headers env REMOTE_ADDR User-Agent key
    http.status_code blocked_uri platform
    """
)
TEXT = st.one_of(
    st.text(max_size=20),
    st.text(st.characters(categories=None), max_size=8),
    st.sampled_from(["%s", "%(a)d", "{}", "{{auto}}", "http://[", "\x00", "\ud800", "id:\ud800", "a" * 9000, "E: v\n"]),
    st.sampled_from(["2026-11-24T11:00:00Z", "9999-12-31T23:59:60.9999999-23:59", "0001-01-01T00:00:00+23:59"]),
)
SCALAR = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**400), 2**63, 2**31, 2**15, 40, 0]),
    st.floats(),
    TEXT,
)
ANYTHING = st.recursive(
    SCALAR,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(st.sampled_from(INNER), TEXT), inner, max_size=5)
    ),
    max_leaves=12,
)
EVENT = st.dictionaries(st.sampled_from(KNOWN), ANYTHING, max_size=12)
LONGEST = 8192


def texts_of(got: EventRecord):
    for name in EventRecord.__struct_fields__:
        value = getattr(got, name)
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from value.keys()
            yield from value.values()
    yield from got.fingerprint or ()
    for frame in got.frames:
        yield from (value for value in (frame.function, frame.module, frame.filename) if value is not None)


@settings(max_examples=400, deadline=None)
@given(
    EVENT,
    st.booleans(),
    st.booleans(),
    TEXT,
    st.one_of(st.none(), st.integers()),
    st.one_of(st.none(), TEXT, st.floats()),
)
def test_no_json_breaks_it_and_all_it_gives_fits_its_column(data, is_processed, is_backfill, name, issue_id, sent_at):
    raw = RawEvent(
        data,
        b"{}",
        Source.sdk,
        1,
        event_id=name,
        sent_at=sent_at,
        is_processed=is_processed,
        is_backfill=is_backfill,
        issue_id=issue_id,
        project_slug=name,
        project_name=name,
        peer=name,
    )
    try:
        got = normalize(raw, RECEIVED_AT)
    except MalformedPayload:
        return
    assert got == normalize(raw, RECEIVED_AT)
    for value in texts_of(got):
        assert len(value) <= LONGEST
        assert "\0" not in value
        value.encode()
    msgspec.json.encode(got)
    assert got.level in {"debug", "info", "warning", "error", "fatal"}
    assert got.http_status is None or 0 <= got.http_status < 2**15
    assert got.issue_id is None or 0 <= got.issue_id < 2**63
    assert all(frame.lineno is None or 0 <= frame.lineno < 2**31 for frame in got.frames)
    assert datetime(2000, 1, 1, tzinfo=UTC) <= got.occurred_at <= RECEIVED_AT + timedelta(days=1)
    assert got.sample_rate is None or 0 < got.sample_rate <= 1


def deep(depth: int):
    value: object = "x"
    for _ in range(depth):
        value = {"a": [value]}
    return value


@pytest.mark.parametrize(
    "data",
    [
        {"tags": {f"k{n}": "v" for n in range(1_000_000)}},
        {"tags": [["k" * 1000, "v"]] * 300_000},
        {"exception": {"values": [{"type": "E", "value": "v"}] * 300_000}},
        {"exception": [{"type": "E", "stacktrace": {"frames": [{"function": "f"}] * 300_000}}]},
        {"threads": [{"crashed": True}] * 300_000},
        {"fingerprint": ["f"] * 1_000_000},
        {"message": "%(" * 1_000_000},
        {"logentry": {"message": "%(a" * 300_000, "params": {"a": 1}}},
        {"logentry": {"message": "{" * 1_000_000, "params": [1]}},
        {"request": {"url": "?" * 3_000_000, "headers": [["User-Agent", "; " * 1_000_000]]}},
        {"exception": [{"value": "a" * 3_000_000}]},
        {"exception": [{"value": {"a": "b" * 3_000_000}}]},
        {"message": deep(20_000)},
        {"user": {"id": deep(20_000), "ip_address": "1" * 3_000_000}},
        {"logger": "a.b" * 1_000_000, "platform": "java"},
        {"transaction": " " * 3_000_000 + "x"},
        {"release": " " * 3_000_000},
    ],
    ids="-".join,
)
def test_size_and_depth_cost_no_more_than_reading_them(data):
    started = time.process_time()
    got = normalize(RawEvent(data, b"", Source.sdk, 1), RECEIVED_AT)
    assert time.process_time() - started < 2
    assert len(msgspec.json.encode(got)) < 500_000
