"""Field by field against the frozen output of Sentry's own normalizer, over all payloads of the corpus."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingest.normalize import normalize
from ingest.records import EventRecord, RawEvent, Source

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
RECEIVED_AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_ULP = "their parser of decimals is one float off, so the microsecond is; ours is the nearest to what was sent"
_AUTO = "an address that is asked for but not known is nothing, where they keep the words that ask"
_NUL = "PostgreSQL cannot hold NUL"

# Each remaining difference, and why it stays.
DIFFERENCES = {
    ("event_sdk/cocoa/es-sentry-cfrelease.json", "timestamp"): _ULP,
    ("event_sdk/java/es-sentry-mobile1-xkk.json", "timestamp"): _ULP,
    ("event_sdk/native/es-sentry-regression-threadbase-and-system.json", "timestamp"): _ULP,
    ("event_sdk/native/es-glitchtip-sentry_cli_send_event_no_level.json", "user_ip"): _AUTO,
    ("malformed/bugsink-bugsink-top-level-message.json", "user_ip"): _AUTO,
    ("event_sdk/php/es-sentry-laravel-anonymous.json", "frames"): _NUL,
    ("malformed/nul_escape.json", "message"): _NUL,
}


def theirs(event: dict) -> dict:
    """Give Sentry's answers under our names."""
    user, request, contexts = (event.get(key) or {} for key in ("user", "request", "contexts"))
    values = [value for value in (event.get("exception") or {}).get("values") or [] if value]
    exception = values[-1] if values else {}
    stack = exception.get("stacktrace") or event.get("stacktrace") or {}
    browser, runtime = (contexts.get(key) or {} for key in ("browser", "runtime"))
    os = contexts.get("os") or {}
    os = os if os.get("name") else contexts.get("client_os") or {}
    sdk = event.get("sdk") or {}
    return {
        "event_id": event["event_id"],
        "timestamp": EPOCH + timedelta(microseconds=round(event["timestamp"] * 1e6)),
        **{key: event.get(key) for key in ("level", "platform", "release", "dist", "environment", "type")},
        "logger": event.get("logger") or None,
        "transaction": event.get("transaction"),
        "tags": {tag[0]: tag[1] for tag in event.get("tags") or [] if tag and tag[0] and tag[1]},
        "user_id": user.get("id"),
        "user_email": user.get("email"),
        "user_username": user.get("username"),
        "user_ip": user.get("ip_address"),
        "exception_type": exception.get("type"),
        "exception_value": exception.get("value") or None,
        "message": (event.get("logentry") or {}).get("formatted"),
        "url": request.get("url"),
        "method": request.get("method"),
        "os": (os.get("name"), (os.get("version") or "").strip()),
        "browser": (browser.get("name"), browser.get("version")),
        "runtime": (runtime.get("name"), runtime.get("version")),
        "sdk": (sdk.get("name"), sdk.get("version")),
        "frames": [
            tuple(frame.get(key) for key in ("function", "module", "filename", "lineno", "in_app"))
            for frame in stack.get("frames") or []
            if frame
        ],
    }


def ours(record: EventRecord) -> dict:
    """Give our answers, of the same kind."""
    alike = {key: getattr(record, key) for key in theirs({"event_id": "", "timestamp": 0}) if hasattr(record, key)}
    return alike | {
        "event_id": record.event_id.hex,
        "timestamp": record.occurred_at,
        "os": (record.os_name, record.os_version or ""),
        "browser": (record.browser_name, record.browser_version),
        "runtime": (record.runtime_name, record.runtime_version),
        "sdk": (record.sdk_name, record.sdk_version),
        "frames": [(f.function, f.module, f.filename, f.lineno, f.in_app) for f in record.frames],
    }


def pairs():
    """Walk the frozen outputs with their inputs; what is no object, or no JSON, never reaches the normalizer."""
    for path in sorted((CORPUS / "normalized").rglob("*.json")):
        name = path.relative_to(CORPUS / "normalized").as_posix()
        body = (CORPUS / name).read_bytes()
        data = json.loads(body.decode("utf-8", "replace"))
        if isinstance(data, dict):
            yield name, body, data, json.loads(path.read_bytes())


def test_every_field_is_what_sentrys_normalizer_makes_of_it():
    same, different = Counter(), {}
    for name, body, data, expected in pairs():
        record = normalize(RawEvent(data, body, Source.sdk, 42, is_backfill=True), RECEIVED_AT)
        got, wanted = ours(record), theirs(expected)
        if "event_id" in record.repairs:
            del wanted["event_id"]
        if "timestamp" in record.repairs or data.get("timestamp") is None:
            del wanted["timestamp"]
        for key, value in wanted.items():
            if got[key] == value:
                same[key] += 1
            else:
                different[name, key] = (value, got[key])
    for place, values in different.items():
        print(*place, *values, DIFFERENCES.get(place), sep=" | ")
    print(f"{same.total()} of {same.total() + len(different)}: {dict(same)}")
    assert same["level"] > 150
    assert same.total() / (same.total() + len(different)) > 0.99
    assert different.keys() == DIFFERENCES.keys()
