"""
Envelopes: how Sentry's SDKs send.

Sent by:       every SDK since 2020, to `/api/{project_id}/envelope/`; by some to `/store/` with the content type.
Recognised by: its URL, or `application/x-sentry-envelope`; in a file by a first line and an item header.
Documented at: develop.sentry.dev/sdk/data-model/envelopes/; relay-server/src/envelope/ of getsentry/relay 0.10.1.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from ingest import jsontext
from ingest.body import MAX_EVENT_BYTES
from ingest.error_types import is_error
from ingest.errors import MalformedPayload, Reason, TooLarge
from ingest.identity import event_id, told_event_id
from ingest.records import Door, Payload, RawEvent, Source

NAME: str = "envelope"
MAX_ITEMS = 500
MAX_HEADER_BYTES = 8192

_EVENT = "event"
_BLANK = re.compile(rb"[\n\r \t]+")
_CONTENT_TYPE = "application/x-sentry-envelope"


class Peek(NamedTuple):
    """What the receiver must know: the id to answer with (32 hex digits), what is inside, and the DSN as sent."""

    event_id: str | None
    item_types: tuple[str, ...]
    dsn: str | None


class _Header(msgspec.Struct):
    event_id: Any = None
    sent_at: Any = None
    dsn: Any = None


class _ItemHeader(msgspec.Struct):
    type: str
    length: int | None = None


class _Item(NamedTuple):
    type: str
    start: int
    end: int


_HEADER = msgspec.json.Decoder(_Header)
_ITEM_HEADER = msgspec.json.Decoder(_ItemHeader)


def matches(payload: Payload, data: object) -> bool:
    """Whether an envelope was sent or, in a file, whether the bytes that are no JSON look like one."""
    if payload.door is Door.ENVELOPE:
        return True
    if payload.door is Door.STORE:
        return is_told(payload.headers)
    return payload.door is Door.FILE and data is None and _looks_like_one(payload.body)


def is_told(headers: Mapping[str, str]) -> bool:
    """Whether the content type says envelope, as it may on a body sent to the store URL."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == _CONTENT_TYPE


def peek(body: bytes) -> Peek:
    """
    Check an envelope's framing and its events' JSON, in microseconds.

    Raises: MalformedPayload: EMPTY_BODY, BAD_ENVELOPE, BAD_EVENT_ID, or NOT_JSON for an event item. TooLarge for one.
    """
    header, items = _read(body)
    found = event_id(header.event_id)
    for item in items:
        if item.type != _EVENT:
            continue
        if item.end - item.start > MAX_EVENT_BYTES:
            raise TooLarge(f"the event item is larger than {MAX_EVENT_BYTES} bytes")
        event = body[item.start : item.end]
        if not jsontext.is_json(event):
            raise MalformedPayload(Reason.NOT_JSON, "the event item is not JSON")
        if found is None:
            found = _own_id(event)
    dsn = header.dsn if isinstance(header.dsn, str) else None
    return Peek(found, tuple([item.type for item in items]), dsn)


def parse(payload: Payload, data: object) -> Iterator[RawEvent]:
    """
    Give every error event item; the header's event id and `sent_at` belong to the first of them.

    One that is no event does not hold up the others: they are given first, then it is told.

    Raises: MalformedPayload: BAD_ENVELOPE, BAD_EVENT_ID; NOT_JSON, NOT_AN_OBJECT for an event item; NO_EVENT.
    """
    del data
    header, items = _read(payload.body)
    sent_at = header.sent_at if isinstance(header.sent_at, str | int | float) else None
    own_id = event_id(header.event_id)
    is_first = True
    wrong: tuple[Reason, str] | None = None  # no exception, which would hold this frame and be held by it
    for item in items:
        if item.type != _EVENT:
            continue
        body = payload.body[item.start : item.end]
        try:
            event, repaired = _event(body, is_told=own_id is not None or not is_first)
        except MalformedPayload as bad:
            wrong = wrong or (bad.reason, bad.detail)
            is_first = False
            continue
        if not is_error(event):
            continue
        yield RawEvent(
            data=event,
            body=jsontext.encode(event) if repaired else body,
            source=Source.file if payload.door is Door.FILE else Source.sdk,
            project_id=payload.project_id,
            event_id=own_id if is_first else None,
            sent_at=sent_at,
            is_backfill=payload.door is Door.FILE,
            peer=payload.peer,
        )
        is_first = False
    if wrong is not None:
        raise MalformedPayload(*wrong)
    if is_first:
        raise MalformedPayload(Reason.NO_EVENT, f"the envelope holds no error event, but {_listed(items)}")


def _event(body: bytes, *, is_told: bool) -> tuple[dict[str, Any], bool]:
    """Read an event item, and say whether it was repaired; `is_told`: the id in it is not the one that was answered."""
    event, repaired = jsontext.parse(body)
    if not isinstance(event, dict):
        raise MalformedPayload(Reason.NOT_AN_OBJECT, "the event item is not a JSON object")
    if not is_told and is_error(event):
        event_id(event.get("event_id"))  # the sender of one that is none was told so by `peek`
    return event, repaired


def _read(body: bytes) -> tuple[_Header, list[_Item]]:
    """Follow the framing from the first byte to the last; Relay's rules, and blank lines between items are skipped."""
    if not body or body.isspace():
        raise MalformedPayload(Reason.EMPTY_BODY)
    try:
        line, at = _line(body, 0)
        header = _HEADER.decode(line)
        items: list[_Item] = []
        size = len(body)
        while at < size:
            blank = _BLANK.match(body, at)
            if blank is not None:
                at = blank.end()
                continue
            line, at = _line(body, at)
            told = _ITEM_HEADER.decode(line)
            end = _end(body, at, told.length)
            items.append(_Item(told.type, at, end))
            at = end + 1
            if len(items) > MAX_ITEMS:
                raise _damaged(f"more than {MAX_ITEMS} items")
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise _damaged("a header is not the JSON it must be") from None
    return header, items


def _line(body: bytes, at: int) -> tuple[bytes, int]:
    """Give the header line that begins here, and where the next begins."""
    end = body.find(b"\n", at)
    if end < 0:
        end = len(body)
    if end - at > MAX_HEADER_BYTES:
        raise _damaged(f"a header is longer than {MAX_HEADER_BYTES} bytes")
    if body[end - 1 : end] != b"}":  # so a line that ends in CRLF is refused, as by Relay
        raise _damaged("a header is not a JSON object on a line of its own")
    return body[at:end], end + 1


def _end(body: bytes, at: int, length: int | None) -> int:
    size = len(body)
    if length is None:
        end = body.find(b"\n", at)
        return size if end < 0 else end
    end = at + length
    if length < 0 or end > max(size, at):
        raise _damaged("an item's length is not the length of its payload")
    if end < size and body[end] != 10:
        raise _damaged("an item's payload does not end where its length says")
    return end


def _own_id(event: bytes) -> str | None:
    try:
        return told_event_id(event)
    except MalformedPayload:
        raise
    except (msgspec.MsgspecError, ValueError):
        value = jsontext.parse(event)[0]
        return event_id(value.get("event_id")) if isinstance(value, dict) else None


def _looks_like_one(body: bytes) -> bool:
    first, _, rest = body.partition(b"\n")
    try:
        _HEADER.decode(first)
        _ITEM_HEADER.decode(rest.lstrip().partition(b"\n")[0])
    except (msgspec.MsgspecError, ValueError):
        return False
    return True


def _listed(items: list[_Item]) -> str:
    types = sorted({item.type for item in items})[:10]
    return ", ".join(name[:40] for name in types) if types else "no item"


def _damaged(detail: str) -> MalformedPayload:
    return MalformedPayload(Reason.BAD_ENVELOPE, detail)
