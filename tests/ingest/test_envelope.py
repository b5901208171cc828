import io
import json
import time
import timeit
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sentry_sdk.envelope import Envelope

from ingest.body import MAX_EVENT_BYTES
from ingest.errors import MalformedPayload, Reason, TooLarge
from ingest.forms import envelope, raw_events
from ingest.records import Door, Payload

HOLDS = ("E-08",)
CORPUS = Path(__file__).parents[1] / "corpus"
ENVELOPES = sorted(CORPUS.glob("envelope/*.envelope"))
ID = "9ec79c33ec9942ab8353589fcb2e04dc"
PEEK_SECONDS = 10e-6  # for a usual envelope of 3 KB

REASONS = {Reason.EMPTY_BODY, Reason.BAD_ENVELOPE, Reason.BAD_EVENT_ID, Reason.NOT_JSON}

names = st.sampled_from(["event", "attachment", "session", "client_report", "transaction", "from_the_future"])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
events = st.fixed_dictionaries({"message": texts}, optional={"event_id": st.just(ID), "level": texts})
headers = st.fixed_dictionaries(
    {},
    optional={
        "event_id": st.just(ID),
        "sent_at": st.just("2026-11-24T08:17:28Z"),
        "trace": st.just({"public_key": "a"}),
    },
)


@st.composite
def items(draw):
    """An item's type and payload, and whether its header tells the length."""
    name = draw(names)
    if name in ("event", "transaction"):  # the SDK parses both
        return name, json.dumps(draw(events)).encode(), draw(st.booleans())
    body = draw(st.binary(max_size=40))
    return name, body, True if b"\n" in body or not body else draw(st.booleans())


def written(header, listed, ends_with_newline=True):
    out = io.BytesIO()
    out.write(json.dumps(header).encode())
    for name, body, has_length in listed:
        told = {"type": name, **({"length": len(body)} if has_length else {})}
        out.write(b"\n" + json.dumps(told).encode() + b"\n" + body)
    return out.getvalue() + (b"\n" if ends_with_newline else b"")


@settings(max_examples=400, deadline=None)
@given(headers, st.lists(items(), max_size=6), st.booleans())
def test_a_valid_envelope_reads_as_the_sdk_reads_it(header, listed, ends_with_newline):
    body = written(header, listed, ends_with_newline)
    theirs = Envelope.deserialize(body)
    seen = envelope.peek(body)
    assert list(seen.item_types) == [item.headers["type"] for item in theirs.items]
    found = [json.loads(item.get_bytes()) for item in theirs.items if item.headers["type"] == "event"]
    if not found:
        with pytest.raises(MalformedPayload, match="no_event"):
            raw_events(Payload(0, Door.ENVELOPE, body))
        return
    ours = raw_events(Payload(0, Door.ENVELOPE, body))
    assert [raw.data for raw in ours] == found
    assert [json.loads(raw.body) for raw in ours] == found
    assert [raw.event_id for raw in ours] == [header.get("event_id")] + [None] * (len(ours) - 1)
    assert {raw.sent_at for raw in ours} == {header.get("sent_at")}


def refusals(body):
    """The reasons that peek and parse give; None where they accept."""
    found = []
    for read in (envelope.peek, lambda sent: raw_events(Payload(0, Door.ENVELOPE, sent))):
        try:
            read(body)
            found.append(None)
        except MalformedPayload as error:
            found.append(error.reason)
    return found


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
@example(b'{}\n{"type":"event","length":1e9}\n{}')
@example(b"[" * 100_000)
@example(b'{"dsn":' + b"[" * 5000 + b"]" * 5000 + b"}\n")
@example(b"\xff\xfe{}\n{}")
def test_random_bytes_raise_nothing_but_their_reason(body):
    peeked, _ = refusals(body)
    assert peeked is None or peeked in REASONS


@settings(max_examples=300, deadline=None)
@given(st.data(), headers, st.lists(items(), min_size=1, max_size=3))
def test_a_damaged_envelope_raises_nothing_but_its_reason(data, header, listed):
    body = bytearray(written(header, listed))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    peeked, parsed = refusals(bytes(body))
    assert peeked is None or peeked in REASONS
    if peeked in (Reason.BAD_ENVELOPE, Reason.EMPTY_BODY):
        assert parsed is peeked


@pytest.mark.parametrize("file", ENVELOPES, ids=lambda path: path.stem)
def test_peek_and_parse_agree_on_the_corpus(file):
    body = file.read_bytes()
    seen = envelope.peek(body)
    if "event" in seen.item_types:
        (raw,) = raw_events(Payload(0, Door.ENVELOPE, body))
        assert raw.event_id == seen.event_id == raw.data["event_id"].replace("-", "")
    else:
        assert seen.event_id is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.EMPTY_BODY),
        (b"\n\n", Reason.EMPTY_BODY),
        (b"{}", None),
        (b"[]\n", Reason.BAD_ENVELOPE),
        (b"null", Reason.BAD_ENVELOPE),
        (b'{}\r\n{"type":"event"}\n{}', Reason.BAD_ENVELOPE),
        (b'{}\n{"type":"event"}\r\n{}', Reason.BAD_ENVELOPE),
        (b'{}\n{"type":"event"}\n{}\r\n', None),
        (b'{}\n{"type":"event"} \n{}', Reason.BAD_ENVELOPE),
        (b"{}\n{}\n{}", Reason.BAD_ENVELOPE),
        (b'{}\n{"type":["event"]}\n{}', Reason.BAD_ENVELOPE),
        (b'{}\n{"type":null}\n{}', Reason.BAD_ENVELOPE),
        (b'{}\n{"type":"event","length":-1}\n{}', Reason.BAD_ENVELOPE),
        (b'{}\n{"type":"event","length":true}\n{}', Reason.BAD_ENVELOPE),
        (b'{}\n{"type":"event","length":2.0}\n{}', Reason.BAD_ENVELOPE),
        (b'{}\n{"type":"event","length":"2"}\n{}', Reason.BAD_ENVELOPE),
        (b'{}\n{"type":"event","length":9223372036854775808}\n{}', Reason.BAD_ENVELOPE),
        (b'{}\n{"type":"event","length":99999999999999999999999999}\n{}', Reason.BAD_ENVELOPE),
        (b'{}\n{"type":"event","length":3}\n{}', Reason.BAD_ENVELOPE),
        (b'{}\n{"type":"event","length":1}\n{}', Reason.BAD_ENVELOPE),
        (b'{}\n{"type":"event","length":2}\n{}', None),
        (b'{}\n{"type":"event","length":2}\n{}\n', None),
        (b'{}\n{"type":"event","length":null}\n{}', None),
        (b'{}\n{"type":"attachment","length":0}', None),
        (b'{}\n{"type":"attachment","length":0}\n', None),
        (b'{}\n{"type":"attachment","length":1}', Reason.BAD_ENVELOPE),
        (b'{}\n{"type":"attachment","length":0}\n\n{"type":"event"}\n{}', None),
        (b'{}\n{"type":"event"}\n', Reason.NOT_JSON),
        (b'{}\n{"type":"event"}\n{"a":', Reason.NOT_JSON),
        (b'{}\n{"type":"event"}\n{"extra":NaN}', None),
        (b'{}\n{"type":"session"}\nnot json at all', None),
        (b'{"event_id":"abc"}\n', Reason.BAD_EVENT_ID),
        (b'{"event_id":17}\n', Reason.BAD_EVENT_ID),
        (b'{"event_id":"../../etc/passwd"}\n', Reason.BAD_EVENT_ID),
        (b'{"event_id":"' + "٣".encode() * 32 + b'"}\n', Reason.BAD_EVENT_ID),
        (b'{}\n{"type":"event"}\n{"event_id":"abc"}', Reason.BAD_EVENT_ID),
        (b'{"a":"' + b"a" * 8200 + b'"}\n', Reason.BAD_ENVELOPE),
        (b"{}" + b'\n{"type":"x"}\n' * 500, None),
        (b"{}" + b'\n{"type":"x"}\n' * 501, Reason.BAD_ENVELOPE),
    ],
)
def test_framing_is_followed_to_the_byte(body, reason):
    assert refusals(body)[0] is reason


@pytest.mark.parametrize(
    ("body", "event_id"),
    [
        (b'{"event_id":"9EC79C33-EC99-42AB-8353-589FCB2E04DC"}\n{"type":"event"}\n{"event_id":"x"}', ID),
        (b'{}\n{"type":"event"}\n{"event_id":"9EC79C33EC9942AB8353589FCB2E04DC"}', ID),
        (b'{"event_id":""}\n{"type":"event"}\n{"extra":NaN,"event_id":"%s"}' % ID.encode(), ID),
        (b'{"event_id":null}\n{"type":"event"}\n{}', None),
        (b'{}\n{"type":"event"}\n[1]', None),
    ],
)
def test_the_id_is_the_headers_and_else_the_events_own(body, event_id):
    assert envelope.peek(body).event_id == event_id


def test_an_empty_payload_of_an_event_is_refused_by_both():
    assert refusals(b'{}\n{"type":"event","length":0}\n\n')[0] is Reason.NOT_JSON


def test_the_dsn_is_given_as_it_was_sent():
    assert envelope.peek(b'{"dsn":"https://a@b/42"}\n').dsn == "https://a@b/42"
    assert envelope.peek(b'{"dsn":17}\n').dsn is None


@pytest.mark.parametrize("body", [b"{}" + b"\n" * 20_000_000, b"{}\n" + b" " * 20_000_000, b"{" + b" " * 20_000_000])
def test_blanks_cost_nothing(body):
    began = time.process_time()
    refusals(body)
    assert time.process_time() - began < 0.5


def test_an_event_larger_than_any_is_too_large():
    big = b'{}\n{"type":"event"}\n{"message":"' + b"x" * MAX_EVENT_BYTES + b'"}'
    with pytest.raises(TooLarge):
        envelope.peek(big)
    assert envelope.peek(big.replace(b'"event"', b'"attachment"')).item_types == ("attachment",)


def test_a_peek_costs_microseconds():
    body = (CORPUS / "envelope/sentry-sdk-2.40.0-001.envelope").read_bytes()
    assert 3000 <= len(body) <= 3200
    best = min(timeit.repeat(lambda: envelope.peek(body), number=200, repeat=20)) / 200
    assert best < PEEK_SECONDS * 3  # a busy machine is not a slow peek
