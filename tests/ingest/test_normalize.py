"""The rules of `normalize`, one by one."""

import json
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from ingest.errors import MalformedPayload, Reason
from ingest.normalize import normalize
from ingest.records import EventRecord, Frame, RawEvent, Source, TimeQuality

RECEIVED_AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOW = RECEIVED_AT.timestamp()
DAY = 86400


def record(told=None, /, **data) -> EventRecord:
    told = {"source": Source.sdk, "project_id": 1, **(told or {})}
    return normalize(RawEvent(data=data, body=json.dumps(data).encode(), **told), RECEIVED_AT)


PROCESSED = {"source": Source.webhook_platform, "is_processed": True}


def test_an_event_id_is_read_however_it_is_spelled():
    wanted = UUID("9ec79c33ec9942ab8353589fcb2e04dc")
    for spelling in (
        wanted.hex,
        wanted.hex.upper(),
        str(wanted),
        f"{{{wanted}}}",
        wanted.urn,
    ):
        assert record(event_id=spelling).event_id == wanted


def test_the_id_of_the_envelope_outranks_the_events_own():
    got = record({"event_id": "0" * 32}, event_id="1" * 32)
    assert got.event_id == UUID(int=0)


@pytest.mark.parametrize("event_id", [None, "abc", 5, "0x" + "1" * 30, "1_" * 16, " " * 32])
def test_the_same_body_without_an_id_gets_the_same_id(event_id):
    first, again, other = (record(event_id=event_id, message=text) for text in "aab")
    assert first.event_id == again.event_id != other.event_id
    assert first.event_id.version == 5
    assert "event_id" in first.repairs


@pytest.mark.parametrize(
    ("timestamp", "wanted"),
    [
        ("2026-11-24T11:59:59.123456Z", RECEIVED_AT - timedelta(microseconds=876544)),
        ("2026-11-24T11:00:00", RECEIVED_AT - timedelta(hours=1)),
        ("2026-11-24T13:00:00+02:00", RECEIVED_AT - timedelta(hours=1)),
        ("2026-11-24T11:00:00.0000019Z", RECEIVED_AT - timedelta(hours=1) + timedelta(microseconds=2)),
        ("2026-11-24T10:59:60Z", RECEIVED_AT - timedelta(hours=1)),
        (NOW - 3600, RECEIVED_AT - timedelta(hours=1)),
        (int(NOW) + 60, RECEIVED_AT + timedelta(seconds=60)),
        (NOW - 30 * DAY, RECEIVED_AT - timedelta(days=30)),
    ],
)
def test_a_good_timestamp_is_kept_to_the_microsecond(timestamp, wanted):
    got = record(timestamp=timestamp)
    assert (got.occurred_at, got.time_quality) == (wanted, TimeQuality.exact)


@pytest.mark.parametrize(
    "timestamp",
    [
        None,
        True,
        NOW * 1000,
        str(NOW),
        "2026-11-24",
        "2026-11-24 11:00:00",
        "0000-11-24T11:00:00",
        "20000-01-01T00:00:00Z",
        "2026-13-40T11:00:00Z",
        1e300,
        10**400,
        {},
        [NOW],
    ],
)
def test_a_timestamp_that_is_none_gives_way_to_the_time_of_arrival(timestamp):
    got = normalize(RawEvent({"timestamp": timestamp}, b"{}", Source.sdk, 1), RECEIVED_AT)
    assert (got.occurred_at, got.time_quality) == (RECEIVED_AT, TimeQuality.missing)
    assert got.repairs == (("event_id",) if timestamp is None else ("timestamp", "event_id"))


@pytest.mark.parametrize(
    ("told", "timestamp", "quality"),
    [
        ({}, NOW + 61, TimeQuality.future),
        ({}, NOW - 30 * DAY - 1, TimeQuality.too_old),
        ({}, 0, TimeQuality.too_old),
        (PROCESSED, NOW + 3600, TimeQuality.exact),
        (PROCESSED, NOW + DAY + 1, TimeQuality.future),
        (PROCESSED, NOW - 3000 * DAY, TimeQuality.exact),
        (PROCESSED, 900_000_000, TimeQuality.too_old),
        (PROCESSED, -1, TimeQuality.missing),
        ({"is_backfill": True}, NOW - 3000 * DAY, TimeQuality.exact),
        ({"is_backfill": True}, NOW + 61, TimeQuality.future),
        ({"is_backfill": True}, 900_000_000, TimeQuality.too_old),
        ({"is_backfill": True, "sent_at": "2020-01-01T00:00:00Z"}, NOW - 3000 * DAY, TimeQuality.exact),
        ({"sent_at": NOW - 55 * 60}, NOW - 5, TimeQuality.drifted),
        ({"sent_at": "2026-11-24T13:00:00Z"}, NOW - 5, TimeQuality.drifted),
        ({"sent_at": NOW - 54 * 60}, NOW - 5, TimeQuality.exact),
        ({"sent_at": "yesterday"}, NOW - 5, TimeQuality.exact),
    ],
)
def test_how_far_a_time_is_trusted_depends_on_who_says_it(told, timestamp, quality):
    got = record(told, timestamp=timestamp)
    assert got.time_quality is quality
    kept = quality in {TimeQuality.exact, TimeQuality.drifted}
    assert got.occurred_at == (datetime.fromtimestamp(timestamp, UTC) if kept else RECEIVED_AT)


def test_without_a_timestamp_sentry_goes_by_its_own_clock():
    got = record(PROCESSED, received=1525248430)
    assert (got.occurred_at, got.time_quality) == (datetime.fromtimestamp(1525248430, UTC), TimeQuality.exact)
    assert record(received=1525248430).occurred_at == RECEIVED_AT


def test_a_time_before_1970_is_refused_of_an_sdk():
    with pytest.raises(MalformedPayload) as refused:
        record(timestamp=-1)
    assert refused.value.reason is Reason.BAD_TIMESTAMP


@pytest.mark.parametrize(
    ("level", "wanted", "repaired"),
    [
        *[(name, name, False) for name in ("debug", "info", "warning", "error", "fatal")],
        ("log", "info", False),
        ("critical", "fatal", False),
        (10, "debug", False),
        (50, "fatal", False),
        (None, "error", False),
        ("warn", "error", True),
        ("ERROR", "error", True),
        ("sample", "error", True),
        (True, "error", True),
        (15, "error", True),
        ([], "error", True),
    ],
)
def test_levels(level, wanted, repaired):
    got = record(level=level)
    assert (got.level, "level" in got.repairs) == (wanted, repaired)


def test_platforms_sentry_does_not_know_are_other_unless_sentry_says_them():
    assert record(platform="ruby").platform == "ruby"
    assert [record(platform=name).platform for name in ("dart", "Python", "flutter", None, 5)] == ["other"] * 5
    assert record(PROCESSED, platform="dart").platform == "dart"


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ({"message": "m"}, "m"),
        ({"logentry": "m"}, "m"),
        ({"logentry": {"formatted": "f", "message": "m"}, "message": "other"}, "f"),
        ({"logentry": None, "message": "m"}, "m"),
        ({"logentry": {"message": "%s is %d%%", "params": ["a", 5]}}, "a is 5%"),
        ({"logentry": {"message": "%(a)s", "params": {"a": "b"}}}, "b"),
        ({"logentry": {"message": "%r", "params": ["b"]}}, '"b"'),
        ({"logentry": {"message": "%s", "params": []}}, "%s"),
        ({"logentry": {"message": "%s %s", "params": ["a"]}}, "%s %s"),
        ({"logentry": {"message": "100% of {}", "params": ["a"]}}, "100% of {}"),
        ({"logentry": {"message": "{} and {}", "params": ["a", 1]}}, "a and 1"),
        ({"logentry": {"message": "{1} and {0}", "params": ["a", "b"]}}, "b and a"),
        ({"logentry": {"message": "{name}", "params": {"name": "a"}}}, "a"),
        ({"sentry.interfaces.Message": {"message": "%s", "params": ["a"]}}, "a"),
        ({"message": {"message": "%s", "params": ["a"]}}, "a"),
        ({"message": False}, None),
        ({"message": ""}, None),
        ({"message": [1, {"a": 2}]}, '[1,{"a":2}]'),
        ({"message": 5}, "5"),
    ],
)
def test_messages(data, wanted):
    assert record(**data).message == wanted


def test_a_message_is_cut_however_often_a_long_parameter_is_asked_for():
    started = time.process_time()
    got = record(logentry={"message": "%(a)s" * 100_000, "params": {"a": "x" * 100_000}})
    assert got.message == "x" * 8189 + "..."
    assert time.process_time() - started < 2
    assert record(logentry={"message": "%999999999d", "params": [1]}).message == "%999999999d"


@pytest.mark.parametrize(
    "exception",
    [
        [{"type": "E", "value": "v"}],
        {"values": [{"type": "E", "value": "v"}]},
        {"type": "E", "value": "v"},
        {"values": [{"type": "First", "value": "f"}, None, {"type": "E", "value": "v"}]},
        {"values": [{"value": "E: v"}]},
        {"values": [{"type": "E", "value": "v"}, {"type": None, "value": None}]},
    ],
)
def test_an_exception_is_read_in_all_its_shapes(exception):
    for key in ("exception", "sentry.interfaces.Exception"):
        got = record(**{key: exception})
        assert (got.type, got.exception_type, got.exception_value) == ("error", "E", "v")


def test_an_exceptions_value_that_is_no_text_is_json():
    assert record(exception=[{"type": "E", "value": {"a": [1]}}]).exception_value == '{"a":[1]}'


def test_a_lone_stacktrace_belongs_to_the_only_exception():
    got = record(exception=[{"type": "E"}], stacktrace={"frames": [{"function": "f", "lineno": 3, "in_app": True}]})
    assert got.frames == (Frame("f", None, None, 3, True),)


def test_of_a_very_deep_stack_the_ends_are_kept():
    frames = [{"function": f"f{n}"} for n in range(400)]
    got = record(exception=[{"type": "E", "stacktrace": {"frames": frames}}]).frames
    assert [got[0].function, got[49].function, got[50].function, got[-1].function] == ["f0", "f49", "f200", "f399"]
