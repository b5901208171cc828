"""The rules of `normalize`, one by one, and that no JSON whatever breaks it."""

import json
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    started = time.perf_counter()
    got = record(logentry={"message": "%(a)s" * 100_000, "params": {"a": "x" * 100_000}})
    assert got.message == "x" * 8189 + "..."
    assert time.perf_counter() - started < 2
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


def test_tags_are_kept_as_sentry_keeps_them():
    pairs = [["a", 1], ["a", 2], ["sp ace", True], ["f", 1.5], ["n", "x\ny"], ["o", {}], ["", "x"], ["é", "x"], None]
    got = record(tags=pairs, server_name="web-1")
    assert got.tags == {"a": "1", "sp-ace": "True", "f": "1", "server_name": "web-1"}
    assert record(tags={"long": "x" * 300}).tags == {"long": "x" * 197 + "..."}
    assert record(tags={"release": "r", "user": "u", "a": " b "}).tags == {"a": "b"}
    assert record(tags=[{"key": "a", "value": "b"}]).tags == {}


def test_the_tag_environment_stands_for_the_field():
    got = record(tags={"environment": "prod"})
    assert (got.environment, got.tags) == ("prod", {})
    assert record(tags={"environment": "prod"}, environment="dev").environment == "dev"


def test_of_what_sentry_tells_no_tag_is_dropped():
    told = [["sentry:release", "r"], ["release", "other"], ["user", "id:7"], ["environment", "prod"], ["level", "info"]]
    got = record(PROCESSED, tags=told)
    assert got.tags == {"release": "r", "user": "id:7", "environment": "prod", "level": "info"}
    assert (got.release, got.environment, got.level, got.user_id) == ("r", "prod", "info", "7")
    keyed = [{"key": key, "value": value} for key, value in told]
    assert record(PROCESSED, tags=keyed).tags == got.tags


@pytest.mark.parametrize("release", ["a/b", "a\nb", ".", "..", "latest", "Latest", "x" * 201, {"version": "1"}, "\\"])
def test_release_names_sentry_rejects_are_none(release):
    got = record(release=release)
    assert (got.release, got.repairs[-1]) == (None, "release")


def test_release_dist_and_environment_are_trimmed():
    got = record(release=" shop@1.2 ", dist=" 7 ", environment=" prod ")
    assert (got.release, got.dist, got.environment) == ("shop@1.2", "7", "prod")
    assert record(release=7).release == "7"
    assert record(PROCESSED, release={"version": "shop@1"}).release == "shop@1"


@pytest.mark.parametrize("environment", ["a/b", "None", "a\nb", "x" * 65, 5, []])
def test_environments_sentry_rejects_are_none(environment):
    assert record(environment=environment).environment is None


@pytest.mark.parametrize("dist", ["a b", "é", "x" * 65, 5])
def test_dists_sentry_rejects_are_none(dist):
    assert record(dist=dist).dist is None


def test_a_long_java_logger_keeps_its_last_parts():
    name = "org.apache.catalina.core.ContainerBase.[Tomcat].[localhost].[/].[dispatcherServlet]"
    got = record(platform="java", logger=name).logger
    assert got == "*.ContainerBase.[Tomcat].[localhost].[/].[dispatcherServlet]"


def test_a_user_is_read_leniently():
    user = {"id": 7, "email": "bad", "username": 1.5, "ip_address": "nowhere", "geo": {"country_code": "DE"}}
    got = record(user=user)
    assert (got.user_id, got.user_email, got.user_username, got.user_ip) == ("7", "bad", "1", None)
    assert got.user_geo_country == "DE"


def test_whose_address_it_is():
    peer = {"peer": "203.0.113.7"}
    env = {"request": {"env": {"REMOTE_ADDR": "198.51.100.9"}}}
    assert record(peer, user={"ip_address": "{{auto}}"}).user_ip == "203.0.113.7"
    assert record(peer, user={"ip_address": "{{auto}}"}, **env).user_ip == "198.51.100.9"
    assert record(peer, **env).user_ip == "198.51.100.9"
    assert record(peer, platform="javascript").user_ip == "203.0.113.7"
    assert record(peer, platform="python").user_ip is None
    assert record({**peer, **PROCESSED}, platform="javascript").user_ip is None
    assert record({"peer": "unix:"}, platform="javascript").user_ip is None


def test_the_request_is_kept_without_its_query():
    got = record(request={"url": "https://x.example/a?b=c#d", "method": "post"})
    assert (got.url, got.method) == ("https://x.example/a", "POST")


@pytest.mark.parametrize("headers", [{"User-Agent": "UA"}, [["user-agent", "UA"]], {"user-agent": ["UA"]}])
def test_the_user_agent_speaks_where_contexts_are_silent(headers):
    told = json.loads(
        json.dumps(headers).replace(
            "UA",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Version/17.1 Mobile/15E148 Safari/604.1",
        )
    )
    got = record(request={"headers": told})
    assert (got.browser_name, got.browser_version) == ("Mobile Safari", "17.1")
    assert (got.os_name, got.os_version, got.device_family) == ("iOS", "17.1", "iPhone")
    got = record(request={"headers": told}, contexts={"os": {"name": "Ubuntu", "version": "24.04"}})
    assert (got.os_name, got.os_version, got.browser_name) == ("Ubuntu", "24.04", "Mobile Safari")


def test_what_a_raw_description_says_is_read():
    contexts = {
        "os": {"raw_description": "Microsoft Windows 10.0.16299"},
        "runtime": {"raw_description": ".NET Framework 4.8.4250.0"},
    }
    got = record(contexts=contexts)
    assert (got.os_name, got.os_version) == ("Windows", "10.0.16299")
    assert (got.runtime_name, got.runtime_version) == (".NET Framework", "4.8.4250.0")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"contexts": {"response": {"status_code": 503}}}, 503),
        ({"tags": {"http.status_code": "404"}}, 404),
        ({"tags": {"status_code": 500}}, 500),
        ({"contexts": {"response": {"status_code": 70000}}}, None),
        ({"contexts": {"response": {"status_code": "²"}}}, None),
        ({"contexts": {"response": {"status_code": True}}}, None),
        ({"contexts": {"response": {"status_code": 10**5000}}}, None),
    ],
)
def test_http_status(data, status):
    got = normalize(RawEvent(data, b"", Source.sdk, 1), RECEIVED_AT)
    assert got.http_status == status


def test_handled_is_the_first_that_is_told():
    values = [{"type": "A", "mechanism": {"type": "chained"}}, {"type": "B", "mechanism": {"handled": False}}]
    got = record(exception=values)
    assert (got.handled, got.mechanism) == (False, "chained")
    assert record(PROCESSED, tags=[["handled", "yes"], ["mechanism", "onerror"]]).handled is True


def test_a_fingerprint_keeps_what_can_be_text():
    assert record(fingerprint=["{{ default }}", 1, None, 2.5, True, {}]).fingerprint == (
        "{{ default }}",
        "1",
        "2",
        "True",
    )
    assert record(fingerprint="x").fingerprint is None


def test_a_sample_rate_is_above_nothing_and_at_most_one():
    assert record(contexts={"trace": {"sample_rate": 0.5}}).sample_rate == 0.5
    assert record(extra={"sample_rate": 1}).sample_rate == 1
    assert record(contexts={"trace": {"client_sample_rate": 0.25}}).sample_rate == 0.25
    assert record(extra={"sample_rate": 0}).sample_rate is None
    assert record(extra={"sample_rate": True}).sample_rate is None


def group_of(told=None, /, **data) -> str:
    return record(told, **data).group


def stack(lineno=1, in_app=True, function="f") -> dict:
    frames = [
        {"module": "m", "function": function, "lineno": lineno, "in_app": in_app},
        {"module": "lib", "function": "g"},
    ]
    return {"exception": [{"type": "E", "value": f"id {lineno}", "stacktrace": {"frames": frames}}]}


def test_sentrys_group_is_kept_where_it_was_told():
    assert group_of({**PROCESSED, "issue_id": 5}, hashes=["abc"]) == "abc"
    assert group_of({**PROCESSED, "issue_id": 5}) == "issue:5"


def test_line_numbers_values_and_library_frames_found_no_new_group():
    assert group_of(**stack(1)) == group_of(**stack(2))
    assert group_of(**stack()) != group_of(**stack(function="h"))
    assert group_of(**stack()).startswith("e1:")


def test_messages_of_one_template_are_one_group():
    one, other = (group_of(logentry={"message": "cart %s", "params": [n]}) for n in (1, 2))
    assert one == other != group_of(logentry={"message": "user %s", "params": [1]})


def test_exceptions_without_frames_differ_by_value_but_not_by_its_numbers():
    def of(value):
        return group_of(exception=[{"type": "E", "value": value}])

    assert of("row 17 of 0x7f3c38e16d10") == of("row 18 of 0x7f3c38e16d11") != of("no row")


def test_a_fingerprint_decides_and_default_in_it_is_our_own_group():
    assert group_of(**stack(), fingerprint=["a"]) == group_of(message="m", fingerprint=["a"])
    assert group_of(**stack(), fingerprint=["{{ default }}"]) == group_of(**stack())
    assert group_of(**stack(), fingerprint=["{{ default }}", "a"]) == group_of(
        **stack(), fingerprint=["{{default}}", "a"]
    )
    assert group_of(**stack(), fingerprint=["{{ default }}", "a"]) != group_of(
        **stack(function="h"), fingerprint=["{{ default }}", "a"]
    )


def words(text: str) -> list[str]:
    return text.split()


KNOWN = words(
    """
    event_id timestamp level platform message logentry exception stacktrace threads tags user release dist
    environment  logger transaction culprit title location metadata fingerprint checksum hashes contexts request
    server_name site sdk  extra type csp main_exception_id datetime sentry.interfaces.Message
    sentry.interfaces.User sentry.interfaces.Http  sentry.interfaces.Exception sentry.interfaces.Contexts
    sentry.interfaces.Stacktrace
    """
)
INNER = words(
    """
    values type value stacktrace frames function module filename abs_path lineno in_app mechanism handled
    synthetic  exception_id crashed current message formatted params id email username ip_address geo
    country_code sentry_user os  browser runtime device trace response status_code name version raw_description
    family model trace_id sample_rate  client_sample_rate url method headers env REMOTE_ADDR User-Agent key
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
    started = time.perf_counter()
    got = normalize(RawEvent(data, b"", Source.sdk, 1), RECEIVED_AT)
    assert time.perf_counter() - started < 2
    assert len(msgspec.json.encode(got)) < 500_000
