import asyncio
import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from ingest import jsontext, platform_event
from ingest.body import Limits, read_body
from ingest.errors import MalformedPayload, Reason
from ingest.forms import FORMS, PLATFORM_FORMS, envelope, form_of, raw_events, store
from ingest.interpret import interpret
from ingest.normalize import normalize
from ingest.records import KEPT_HEADERS, Door, IssueChange, Payload, RawEvent, Source
from tests.support.loading import us

HERE = Path(__file__).parent
CASES = sorted(path for path in (HERE / "forms").glob("*/*") if path.is_dir())
CORPUS = HERE.parent / "corpus"
CAPTURES = sorted(CORPUS.glob("http_capture/*/*.request.json"))
STORED = sorted(CORPUS.glob("event_as_dict/*.json"))
LIMITS = Limits(raw_bytes=8 * 1024 * 1024, decoded_bytes=64 * 1024 * 1024)
TOLD_BY_SOME = {"fingerprint", "issue_id", "issue_url", "payload", "project_name", "project_slug", "source"}
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def payload(case: Path) -> Payload:
    came = json.loads((case / "headers.json").read_text())
    (body,) = case.glob("body.*")
    return Payload(0, Door(came["door"]), body.read_bytes(), came.get("project_id"), came["headers"])


def essence(raw: RawEvent, expected: dict) -> dict:
    """What of an event the case tells about."""
    found = {name: getattr(raw, name) for name in expected if name not in ("event_id", "source", "data")}
    found["event_id"] = raw.event_id or raw.data.get("event_id")
    found["source"] = raw.source.name
    found["data"] = {key: raw.data.get(key) for key in expected["data"]}
    return found


def essence_of_change(change: IssueChange, expected: dict) -> dict:
    """What of a change of an issue the case tells about, as JSON says it."""
    found = msgspec.to_builtins(change)
    return {name: found[name] for name in expected}


def hook(body: object, **headers: str) -> Payload:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Payload(0, Door.HOOK, json.dumps(body).encode(), None, given)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_the_first_form_that_matches_is_taken_though_not_every_form_is_asked(case):
    sent = payload(case)
    data = None if case.parent.name == "envelope" else parsed(sent.body)
    if isinstance(data, dict | list):
        named = platform_event.resource(sent, data)
        assert all(named == form.NAME or not form.matches(sent, data) for form in PLATFORM_FORMS)
        first = next((form for form in FORMS if form.matches(sent, data)), None)
        assert first is None or first is form_of(sent)[0]


def parsed(body: bytes) -> object:
    with contextlib.suppress(MalformedPayload):
        return jsontext.parse(body)[0]
    return None


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_a_case_gives_what_is_expected(case):
    expected = json.loads((case / "expect.json").read_text())
    sent = payload(case)
    if "changes" in expected:
        assert case.parent.name == form_of(sent)[0].NAME
        found = interpret(msgspec.structs.replace(sent, received_at_us=us(NOW)), lambda _: True)
        assert (found.records, found.asides) == ([], [])
        pairs = zip(found.changes, expected["changes"], strict=True)
        assert [essence_of_change(*pair) for pair in pairs] == expected["changes"]
        return
    if isinstance(expected, dict):
        with pytest.raises(MalformedPayload) as caught:
            raw_events(sent)
        assert caught.value.reason == expected["set_aside"]
        assert caught.value.detail
        return
    form, data = form_of(sent)
    assert case.parent.name == form.NAME
    events = list(form.parse(sent, data))
    assert [essence(*pair) for pair in zip(events, expected, strict=True)] == expected
    for raw in events:
        assert jsontext.parse(raw.body) == (raw.data, False)


def test_the_list_of_forms_is_the_folder_and_the_fixtures():
    names = [form.NAME for form in FORMS]
    assert len(set(names)) == len(names)
    modules = {path.stem for path in Path(envelope.__file__).parent.glob("*.py")} - {"__init__"}
    assert set(names) == modules == {case.parent.name for case in CASES}
    for form in FORMS:
        assert form.__name__ == f"ingest.forms.{form.NAME}"
        assert sum(case.parent.name == form.NAME for case in CASES) >= 2, form.NAME


def captured(request_file: Path) -> Payload:
    """What a real SDK sent, read as the receiver reads it."""
    request = json.loads(request_file.read_text())
    body = request_file.with_name(request_file.name.replace("request.json", "body.bin")).read_bytes()
    headers = {name.lower(): value for name, value in request["headers"]}

    async def receive():
        return {"type": "http.request", "body": body}

    raw, decoded = asyncio.run(read_body(receive, headers, LIMITS))
    assert raw == body
    door = Door.ENVELOPE if "/envelope/" in request["path"] else Door.STORE
    return Payload(0, door, decoded, 42, {name: value for name, value in headers.items() if name in KEPT_HEADERS})


@pytest.mark.parametrize("request_file", CAPTURES, ids=lambda path: f"{path.parent.name}-{path.name[:3]}")
def test_what_a_real_sdk_sent_gives_its_event(request_file):
    sent = captured(request_file)
    if sent.door is Door.ENVELOPE:
        seen = envelope.peek(sent.body)
        if seen.item_types == ("session",):
            with pytest.raises(MalformedPayload, match="no_event"):
                raw_events(sent)
            return
        event_id = seen.event_id
    else:
        event_id = store.peek(sent.body)
    (raw,) = raw_events(sent)
    record = normalize(raw, NOW)
    assert record.event_id.hex == event_id == raw.data["event_id"]
    assert (record.project_id, record.source, record.release) == (42, Source.sdk, "shop@1.2.3")


def test_the_captures_are_all_there():
    assert len(CAPTURES) >= 19


@pytest.mark.parametrize("stored", STORED, ids=lambda path: path.stem)
def test_one_event_is_one_record_whatever_form_brings_it(stored):
    name = stored.stem.removeprefix("glitchtip-oss-")
    bodies = {
        Door.FILE: [stored, CORPUS / "api_event" / stored.name],
        Door.HOOK: [
            CORPUS / "webhook_platform" / resource / f"derived-{name}.json" for resource in ("error", "event_alert")
        ],
        Door.LEGACY: [CORPUS / "webhook_legacy" / f"derived-{name}.json"],
    }
    records = []
    for door, files in bodies.items():
        for file in files:
            (raw,) = raw_events(Payload(0, door, file.read_bytes()))
            records.append(normalize(raw, NOW))
    first, *others = [
        {key: value for key, value in msgspec.structs.asdict(record).items() if key not in TOLD_BY_SOME}
        | {"occurred_at": record.occurred_at.replace(microsecond=record.occurred_at.microsecond // 1000)}
        for record in records
    ]
    for other in others:
        assert {key: value for key, value in other.items() if value != first[key]} == {}


@pytest.mark.parametrize("resource", ["span", "ERROR", "error ", "comments", "../error", "é"])
def test_an_unknown_resource_is_told_apart(resource):
    with pytest.raises(MalformedPayload) as caught:
        raw_events(
            hook({"action": "created", "installation": {}, "data": {"error": {}}}, sentry_hook_resource=resource)
        )
    assert caught.value.reason is Reason.UNKNOWN_RESOURCE


@pytest.mark.parametrize(
    ("door", "body", "reason"),
    [
        (Door.HOOK, b"", Reason.EMPTY_BODY),
        (Door.HOOK, b" \n", Reason.EMPTY_BODY),
        (Door.HOOK, b"hello=world", Reason.NOT_JSON),
        (Door.HOOK, b"null", Reason.NOT_AN_OBJECT),
        (Door.HOOK, b"17", Reason.NOT_AN_OBJECT),
        (Door.HOOK, b"[]", Reason.UNKNOWN_SHAPE),
        (Door.HOOK, b"{}", Reason.UNKNOWN_SHAPE),
        (Door.HOOK, b'{"event_id":"9ec79c33ec9942ab8353589fcb2e04dc","message":"an SDK event"}', Reason.UNKNOWN_SHAPE),
        (Door.HOOK, b'{"action":"created","installation":{},"data":{"news":1}}', Reason.UNKNOWN_SHAPE),
        (Door.LEGACY, b"[1]", Reason.UNKNOWN_SHAPE),
        (Door.LEGACY, b'{"project":"shop"}', Reason.UNKNOWN_SHAPE),
        (Door.STORE, b"", Reason.EMPTY_BODY),
        (Door.ENVELOPE, b"\n", Reason.EMPTY_BODY),
        (Door.FILE, b'"text"', Reason.NOT_AN_OBJECT),
        (Door.FILE, b'{"csp-report":{}}', Reason.UNKNOWN_SHAPE),
        (
            Door.FILE,
            (CORPUS / "api_event/glitchtip-django_template_error_issue.json").read_bytes(),
            Reason.UNKNOWN_SHAPE,
        ),
        (Door.FILE, (CORPUS / "transaction/glitchtip-fun.json").read_bytes(), Reason.NO_EVENT),
        (Door.FILE, b"[" * 5000 + b"]" * 5000, Reason.TOO_DEEP),
    ],
)
def test_what_has_no_form_says_why(door, body, reason):
    with pytest.raises(MalformedPayload) as caught:
        raw_events(Payload(0, door, body))
    assert caught.value.reason is reason


def test_a_form_nobody_has_is_refused():
    with pytest.raises(MalformedPayload, match="there is no form toast"):
        raw_events(Payload(0, Door.FILE, b"{}", None, {"form": "toast"}))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.NAME)
@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'"x"', b"1", b'{"data":1,"event":1}', b"[1]", b'{"data":{"error":1,"event":2}}']
)
def test_no_form_trips_over_a_body_that_is_not_its_own(form, body):
    with contextlib.suppress(MalformedPayload):
        for raw in raw_events(Payload(0, Door.FILE, body, None, {"form": form.NAME})):
            assert normalize(raw, NOW).title == "<unlabeled event>"


def test_every_sdk_event_of_the_corpus_loads_from_a_file():
    for file in sorted(CORPUS.glob("event_sdk/**/*.json")):
        (raw,) = raw_events(Payload(0, Door.FILE, file.read_bytes()))
        assert raw.source in (Source.file, Source.rest)
        assert raw.is_backfill
