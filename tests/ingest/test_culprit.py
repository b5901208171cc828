"""Title, culprit and location against what Sentry itself stored, then rule by rule."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.normalize import normalize
from ingest.records import EventRecord, RawEvent, Source

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
RECEIVED_AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
COMPARED = ("title", "culprit", "location", "level", "platform", "type", "logger")
DERIVED = ("title", "culprit", "location", "metadata", "type", "hashes", "message")

# Why each value that is not Sentry's own stays so.
DIFFERENCES = {
    ("js_error_with_context", "culprit"): "Sentry named a frame that neither payload still has",
    ("js_error_with_context", "location"): "the same frame",
    ("small_js_error_source", "culprit"): "Sentry had the source map",
    ("small_js_error_source", "location"): "Sentry had the source map",
    ("elixir_error", "culprit"): "the SDK told its culprit; without the payload it cannot be known which field it was",
    ("js_event_with_unix_timestamp", "culprit"): "the module was added by Sentry after it had made the culprit",
}


def record(source=Source.sdk, **data) -> EventRecord:
    return normalize(
        RawEvent(data, json.dumps(data).encode(), source, 1, is_processed=source is not Source.sdk), RECEIVED_AT
    )


def raised(frames, platform="python", **exception):
    values = [{"type": "E", "value": "v", "stacktrace": {"frames": frames}, **exception}]
    return {"platform": platform, "exception": {"values": values}}


def stored() -> list[Path]:
    return sorted((CORPUS / "event_as_dict").glob("*.json"))


def name_of(path: Path) -> str:
    return path.stem.removeprefix("glitchtip-oss-")


def as_sent(path: Path) -> bytes:
    """Give the SDK's own payload, or, where nobody kept it, what Sentry stored without what Sentry concluded."""
    pairs = sorted((CORPUS / "event_sdk").rglob(f"*glitchtip-{name_of(path)}.json"))
    if pairs:
        return pairs[-1].read_bytes()
    event = json.loads(path.read_bytes())
    return json.dumps({key: value for key, value in event.items() if key not in DERIVED}).encode()


def test_title_culprit_and_their_like_are_what_sentry_stored():
    same, different = 0, {}
    for path in stored():
        expected = json.loads(path.read_bytes())
        body = as_sent(path)
        got = normalize(RawEvent(json.loads(body), body, Source.sdk, 1, is_backfill=True), RECEIVED_AT)
        for key in COMPARED:
            if (getattr(got, key) or None) == (expected[key] or None):
                same += 1
            else:
                different[name_of(path), key] = (expected[key], getattr(got, key))
    for key, values in different.items():
        print(*key, *values, DIFFERENCES.get(key), sep=" | ")
    print(f"{same} of {same + len(different)}")
    assert same + len(different) == 91
    assert same >= 85
    assert different.keys() == DIFFERENCES.keys()


@pytest.mark.parametrize("path", stored(), ids=name_of)
def test_what_sentry_concluded_is_kept_as_told(path):
    event = json.loads(path.read_bytes())
    got = normalize(RawEvent(event, path.read_bytes(), Source.webhook_platform, 1, is_processed=True), RECEIVED_AT)
    assert [getattr(got, key) or None for key in COMPARED] == [event[key] or None for key in COMPARED]
    assert got.group == event["hashes"][0]
    assert got.tags == {key.removeprefix("sentry:"): value for key, value in event["tags"] if value}
    assert got.occurred_at.timestamp() == pytest.approx(event["timestamp"], abs=1e-6)


def test_the_culprit_is_the_told_one_then_the_transaction_then_the_frames_then_the_url():
    told = {
        **raised([{"module": "m", "function": "f"}]),
        "culprit": "c",
        "transaction": "/t",
        "request": {"url": "http://x/"},
    }
    assert record(**told).culprit == "c"
    del told["culprit"]
    assert record(**told).culprit == "/t"
    del told["transaction"]
    assert record(**told).culprit == "m in f"
    del told["exception"]
    assert record(**told).culprit == "http://x/"
    del told["request"]
    assert record(**told).culprit == ""


def test_the_culprit_of_a_synthetic_exception_is_empty_but_its_top_frame_is_known():
    got = record(**raised([{"filename": "a.py", "function": "f"}], mechanism={"type": "x", "synthetic": True}))
    assert (got.culprit, got.title, got.top_frame) == ("", "f", "a.py in f")


@pytest.mark.parametrize(
    ("platform", "frame", "culprit"),
    [
        ("python", {"module": "app.views", "filename": "app/views.py", "function": "get"}, "app.views in get"),
        ("python", {"filename": "app/views.py", "function": "get"}, "app/views.py in get"),
        ("python", {"filename": "app/views.py"}, "app/views.py in ?"),
        ("python", {"function": "get"}, ""),
        ("java", {"module": "com.example.Main", "function": "run", "filename": "Main.java"}, "com.example.Main in run"),
        ("go", {"module": "main", "function": "handler", "abs_path": "/src/main.go"}, "main in handler"),
        ("php", {"filename": "/src/Kernel.php", "function": "App\\Kernel::run"}, "/src/Kernel.php in App\\Kernel::run"),
        ("ruby", {"filename": "app/models/user.rb", "function": "save!"}, "app/models/user.rb in save!"),
        ("csharp", {"module": "Shop.Cart", "function": "Void Add()"}, "Shop.Cart in Void Add()"),
        ("rust", {"function": "core::panic", "module": "core"}, "core in core::panic"),
        ("dart", {"filename": "main.dart", "function": "onTap"}, "main.dart in onTap"),
        ("javascript", {"filename": "http://x/static/app.js?v=1", "function": "?"}, "?(/static/app.js)"),
        ("node", {"module": "server:index", "function": "Object.run"}, "Object.run(server:index)"),
        ("native", {"function": "main", "package": "/bin/x"}, "main"),
        ("cocoa", {"package": "/bin/x"}, "?"),
        ("python", {"platform": "native", "function": "PyEval", "module": "m"}, "PyEval"),
    ],
)
def test_a_culprit_is_spelled_as_its_platform_does(platform, frame, culprit):
    assert record(**raised([frame], platform)).culprit == culprit


def test_the_innermost_frame_of_the_application_is_to_blame():
    frames = [
        {"module": "a", "function": "outer", "in_app": True, "filename": "a.py"},
        None,
        {"module": "b", "function": "inner", "in_app": True, "filename": "b.py"},
        {"module": "lib", "function": "call", "in_app": False, "filename": "lib.py"},
    ]
    got = record(**raised(frames))
    assert (got.culprit, got.location, got.top_frame) == ("b in inner", "b.py", "b in inner")


def test_without_a_frame_of_the_application_the_innermost_is_to_blame():
    got = record(**raised([{"module": "a", "function": "f"}, {"module": "lib", "function": "call"}]))
    assert got.top_frame == "lib in call"


def test_a_title_is_the_type_and_the_first_line_of_the_value():
    assert record(exception=[{"type": "E", "value": "one\ntwo"}]).title == "E: one"
    assert record(exception=[{"type": "E", "value": "x" * 200}]).title == "E: " + "x" * 97 + "..."
    assert record(exception=[{"type": "E"}]).title == "E"
    assert record(exception=[{"value": "v"}]).title == "Error: v"
    assert record(exception=[None]).title == "<unknown>"


def test_a_title_without_an_exception_is_the_first_line_of_the_message():
    assert record(message="  one\ntwo").title == "one"
    assert record(message="x" * 101).title == "x" * 97 + "..."
    assert record(message=" \n ").title == "<unlabeled event>"
    assert record().title == "<unlabeled event>"


def test_the_title_is_of_the_main_exception_of_a_group():
    values = [
        {"type": "Inner", "value": "i", "mechanism": {"exception_id": 1}},
        {"type": "Outer", "value": "o", "mechanism": {"exception_id": 0}},
    ]
    assert record(exception={"values": values}).title == "Outer: o"
    assert record(exception={"values": values}, main_exception_id=1).title == "Inner: i"


def test_the_crashed_thread_speaks_where_the_exception_has_no_frames():
    threads = [
        {"current": True, "stacktrace": {"frames": [{"function": "idle"}]}},
        {"crashed": True, "stacktrace": {"frames": [{"function": "crash"}]}},
    ]
    got = record(platform="native", exception=[{"type": "SIGSEGV"}], threads={"values": threads})
    assert got.top_frame == "crash"
