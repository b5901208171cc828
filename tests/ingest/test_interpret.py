import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from ingest.errors import Reason
from ingest.interpret import interpret
from ingest.records import Door, Payload, Source
from tests.support.builders import event
from tests.support.loading import NOON, PROJECT, read, record, sdk, store, told, us, webhook

SECRET = "hunter2-hunter2"


def framed(*items: bytes, header: dict[str, Any] | None = None) -> Payload:
    """Put event items into an envelope as they are."""
    lines = [json.dumps(header or {}).encode()]
    for item in items:
        lines += [json.dumps({"type": "event", "length": len(item)}).encode(), item]
    return Payload(us(NOON), Door.ENVELOPE, b"\n".join(lines), PROJECT, {})


def packed(**overrides: Any) -> bytes:
    return json.dumps(event(**{"timestamp": told(NOON), **overrides})).encode()


def reasons(payload: Payload) -> list[tuple[Reason, bool]]:
    return [(aside.reason, aside.is_refused_event) for aside in read(payload).asides]


def test_one_event_is_one_record() -> None:
    found = read(sdk(event(event_id="a" * 32, timestamp=told(NOON))))
    assert [(each.event_id, each.occurred_at) for each in found.records] == [(UUID("a" * 32), NOON)]
    assert found.asides == []


def test_what_holds_no_event_is_set_aside_whole() -> None:
    for body, reason in (
        (b"", "empty_body"),
        (b"{", "not_json"),
        (b"3", "not_an_object"),
        (b'{"a":1}', "unknown_shape"),
    ):
        found = read(Payload(us(NOON), Door.LEGACY, body, None, {}))
        assert found.records == []
        assert [(each.reason, each.is_refused_event) for each in found.asides] == [(reason, False)]
        assert found.asides[0].payload.body == body


def test_what_was_refused_at_the_door_keeps_the_reason_its_sender_was_told() -> None:
    payload = Payload(us(NOON), Door.STORE, b"{", PROJECT, {}, refused=Reason.BAD_ENCODING)
    assert reasons(payload) == [(Reason.BAD_ENCODING, False)]


@pytest.mark.parametrize("bad", [b"{", b"[]", b"", b"null", b"\xff"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_item_that_is_no_event_does_not_cost_the_others(bad: bytes, place: int) -> None:
    items = [packed(event_id="a" * 32), packed(event_id="b" * 32)]
    items.insert(place, bad)
    found = read(framed(*items))
    assert [each.event_id for each in found.records] == [UUID("a" * 32), UUID("b" * 32)]
    assert [each.is_refused_event for each in found.asides] == [True]
    assert found.asides[0].reason in {Reason.NOT_JSON, Reason.NOT_AN_OBJECT, Reason.EMPTY_BODY}


def test_an_event_that_cannot_be_normalized_does_not_cost_the_others() -> None:
    items = [packed(event_id="a" * 32), packed(event_id="b" * 32, timestamp=-1), packed(event_id="c" * 32)]
    found = read(framed(*items))
    assert [each.event_id for each in found.records] == [UUID("a" * 32), UUID("c" * 32)]
    assert reasons(framed(*items)) == [(Reason.BAD_TIMESTAMP, True)]


def test_an_item_that_is_alone_is_the_whole_payload() -> None:
    assert reasons(framed(b"{")) == [(Reason.NOT_JSON, False)]
    assert reasons(framed(b"{", b"[")) == [(Reason.NOT_JSON, False)]


def test_the_header_s_id_is_the_first_event_s_though_it_cannot_be_read() -> None:
    second = packed(event_id="b" * 32)
    found = read(framed(b"{", second, header={"event_id": "a" * 32}))
    assert [each.event_id for each in found.records] == [UUID("b" * 32)]
    found = read(framed(packed(event_id="c" * 32), second, header={"event_id": "a" * 32}))
    assert [each.event_id for each in found.records] == [UUID("a" * 32), UUID("b" * 32)]


def test_a_bad_id_that_its_sender_was_told_of_makes_no_row_but_the_others_do() -> None:
    bad, good = packed(event_id="x"), packed(event_id="b" * 32)
    found = read(framed(bad, good))
    assert [each.event_id for each in found.records] == [UUID("b" * 32)]
    assert reasons(framed(bad, good)) == [(Reason.BAD_EVENT_ID, True)]
    assert reasons(framed(bad)) == [(Reason.BAD_EVENT_ID, False)]


def test_a_broken_frame_is_set_aside_whole_since_nothing_in_it_can_be_trusted() -> None:
    payload = framed(packed(event_id="a" * 32))
    cut = Payload(us(NOON), Door.ENVELOPE, payload.body[:-5], PROJECT, {})
    assert read(cut).records == []
    assert reasons(cut) == [(Reason.BAD_ENVELOPE, False)]


def test_events_of_a_list_in_a_file_are_records_up_to_the_one_that_is_none() -> None:
    body = b"[" + packed(event_id="a" * 32) + b",1]"
    found = read(Payload(us(NOON), Door.FILE, body, PROJECT, {}))
    assert [each.event_id for each in found.records] == [UUID("a" * 32)]
    assert [(each.reason, each.is_refused_event) for each in found.asides] == [(Reason.NOT_AN_OBJECT, True)]


def test_a_fault_of_our_own_sets_one_payload_aside_and_never_raises() -> None:
    def fails(_: int | None) -> bool:
        raise ZeroDivisionError

    found = interpret(framed(packed(), packed()), fails)
    assert [(each.reason, each.is_refused_event) for each in found.asides] == [(Reason.INTERNAL, True)] * 2
    assert "ZeroDivisionError" in found.asides[0].detail
    far = Payload(2**62, Door.STORE, packed(), PROJECT, {})
    assert reasons(far) == [(Reason.INTERNAL, False)]


def test_scrubbing_is_asked_for_each_event_s_project() -> None:
    asked: list[int | None] = []

    def is_scrubbed(project_id: int | None) -> bool:
        asked.append(project_id)
        return project_id != 7

    one = event(extra={"password": SECRET})
    (kept,) = interpret(store(one, project=7), is_scrubbed).records
    (scrubbed,) = interpret(store(one, project=8), is_scrubbed).records
    (from_webhook,) = interpret(webhook(one, project=9), is_scrubbed).records
    assert asked == [7, 8, 9]
    assert SECRET.encode() in kept.payload
    assert SECRET.encode() not in scrubbed.payload
    assert SECRET.encode() not in from_webhook.payload


def test_what_postgresql_cannot_hold_is_gone_from_every_text() -> None:
    found = record(message="a\x00b", tags={"k\x00": "v\x00"}, logger="\ud800l", release="1\x00")
    assert b"\\u0000" not in found.payload
    texts = [found.message, found.logger, found.release, *found.tags, *found.tags.values()]
    assert not any("\x00" in text or "\ud800" in text for text in texts if text)


def test_an_event_without_an_id_gets_the_same_one_each_time_it_comes() -> None:
    one = event(event_id=None, timestamp=told(NOON), extra={"password": SECRET})
    first, again = (read(store(one, at=at)).records[0] for at in (NOON, NOON + timedelta(days=3)))
    assert first.event_id == again.event_id
    assert first.source is Source.sdk
