"""
Store requests: one event, bare.

Sent by:       SDKs before envelopes (raven, sentry-python up to 1.45 for errors), to `/api/{project_id}/store/`.
Recognised by: its URL.
Documented at: develop.sentry.dev/sdk/foundations/transport/store/; relay-server/src/endpoints/store.rs, relay 0.10.1.
"""

import base64
import binascii
import zlib
from collections.abc import Iterator

import msgspec

from ingest import jsontext
from ingest.body import MAX_EVENT_BYTES
from ingest.error_types import require_error
from ingest.errors import MalformedPayload, Reason, TooLarge
from ingest.identity import event_id, told_event_id
from ingest.records import Door, Payload, RawEvent, Source

NAME: str = "store"


def matches(payload: Payload, data: object) -> bool:
    """Whether the event came in by the store URL."""
    del data
    return payload.door is Door.STORE


def unwrapped(body: bytes) -> bytes:
    """
    Undo what old SDKs do to JSON without a `Content-Encoding` to tell: base64, of JSON or of its zlib stream.

    Gives:  the body itself, unless it is plainly one of these.
    Raises: MalformedPayload: TOO_LARGE, or BAD_ENCODING for a broken stream.
    """
    start = body[:64].lstrip()[:1]
    if start in b'{["\xef\xff\xfe\x00' or len(body) > 2 * MAX_EVENT_BYTES:
        return body
    try:
        inner = base64.b64decode(body.translate(None, b"\r\n \t"), validate=True)
    except (binascii.Error, ValueError):
        inner = body
    if inner[:1] == b"{":
        return inner
    if inner[:1] != b"\x78":
        return body
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(inner, MAX_EVENT_BYTES + 1)
    except zlib.error:
        raise MalformedPayload(Reason.BAD_ENCODING, "the zlib stream in the body is broken") from None
    if len(plain) > MAX_EVENT_BYTES:
        raise MalformedPayload(Reason.TOO_LARGE, f"the body unpacks to more than {MAX_EVENT_BYTES} bytes")
    if not stream.eof:
        raise MalformedPayload(Reason.BAD_ENCODING, "the zlib stream in the body is cut off")
    return plain


def peek(body: bytes) -> str | None:
    """
    Give the event's id as 32 hex digits, if it has one, having seen that the body is JSON.

    Raises: MalformedPayload: EMPTY_BODY, NOT_JSON, NOT_AN_OBJECT, BAD_EVENT_ID, BAD_ENCODING, TOO_DEEP. TooLarge.
    """
    try:
        plain = unwrapped(body)
    except MalformedPayload as error:
        if error.reason is Reason.TOO_LARGE:
            raise TooLarge(error.detail) from None
        raise
    if len(plain) > MAX_EVENT_BYTES:
        raise TooLarge(f"the event is larger than {MAX_EVENT_BYTES} bytes")
    try:
        return told_event_id(plain)
    except MalformedPayload:
        raise
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return event_id(_object(jsontext.parse(plain)[0]).get("event_id"))


def parse(payload: Payload, data: object) -> Iterator[RawEvent]:
    """
    Give the one event.

    Raises: MalformedPayload: NOT_AN_OBJECT, BAD_EVENT_ID, NO_EVENT.
    """
    event = _object(data)
    event_id(event.get("event_id"))
    require_error(event)
    yield RawEvent(
        data=event,
        body=jsontext.encode(event),
        source=Source.file if payload.door is Door.FILE else Source.sdk,
        project_id=payload.project_id,
        is_backfill=payload.door is Door.FILE,
        peer=payload.peer,
    )


def _object(data: object) -> dict[str, object]:
    if not isinstance(data, dict):
        raise MalformedPayload(Reason.NOT_AN_OBJECT, "the event is not a JSON object")
    return data
