"""
JSON as senders write it, to values PostgreSQL can keep.

Good bytes take msgspec's way and nothing else is looked at. Bytes it refuses are repaired as far as their meaning is
plain: another encoding, text that is no Unicode, `NaN`, numbers too large for anybody.
"""

import codecs
import json
import math
import re
from itertools import chain
from typing import Any

import msgspec

from ingest.errors import MalformedPayload, Reason

MAX_DEPTH = 200  # Relay refuses above 128; webhooks wrap an event in a few levels more
MAX_DIGITS = 64  # of a number nobody can hold, kept as text
MAX_FLOAT_CHARS = 400  # longer literals are not worth the exact conversion, which takes quadratic time

_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_SKIPPER: msgspec.json.Decoder[msgspec.Raw] = msgspec.json.Decoder(msgspec.Raw)
_ENCODER = msgspec.json.Encoder()

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with the same two bytes
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def parse(body: bytes) -> tuple[Any, bool]:
    """
    Read one JSON value.

    Gives:  the value, and whether it had to be repaired. A repaired value is clean already; of the others
            `needs_cleaning` tells. Of keys given twice the last counts. Never deeper than `MAX_DEPTH`.
    Raises: MalformedPayload: EMPTY_BODY, NOT_JSON or TOO_DEEP, and nothing else.
    """
    try:
        value, repaired = _DECODER.decode(body), False
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.MsgspecError, ValueError):
        value, repaired = _repair(body), True
    if (repaired or body.count(b"[") + body.count(b"{") > MAX_DEPTH) and _is_deep(value):
        raise _too_deep()
    return (clean(value), True) if repaired else (value, False)


def is_json(body: bytes) -> bool:
    """Whether `parse` would read the body; only its depth is not looked at, so a deep one may pass here."""
    try:
        _SKIPPER.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        try:
            parse(body)
        except MalformedPayload:
            return False
    return True


def needs_cleaning(body: bytes) -> bool:
    r"""Whether what `parse` read without repair may hold what PostgreSQL refuses; msgspec lets only `\u0000` pass."""
    return rb"\u0000" in body


def clean(value: Any) -> Any:
    """
    Make a JSON value fit for jsonb and text columns, without touching the one given.

    NUL vanishes, a lone surrogate becomes U+FFFD, a float that is no number becomes 0, in keys as in values.
    Raises: MalformedPayload: TOO_DEEP.
    """
    try:
        return _clean(value)
    except RecursionError:
        raise _too_deep() from None


def encode(value: Any) -> bytes:
    """
    Write a JSON value as UTF-8.

    Raises: MalformedPayload: TOO_DEEP.
    """
    try:
        try:
            return _ENCODER.encode(value)
        except UnicodeEncodeError:
            return _ENCODER.encode(clean(value))
    except RecursionError:
        raise _too_deep() from None


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, dict):
        return {_clean_text(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return 0
    return value


def _clean_text(text: str) -> str:
    if _UNSTORABLE.search(text) is None:
        return text
    return _SURROGATE.sub("\ufffd", text.replace("\x00", ""))


def _repair(body: bytes) -> Any:
    text = _text(body).strip(" \t\r\n\x00")
    if not text:
        raise MalformedPayload(Reason.EMPTY_BODY)
    try:
        # strict=False: control characters inside strings are taken as they are
        return json.loads(text, strict=False, parse_int=_integer, parse_float=_float, parse_constant=_no_number)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise MalformedPayload(Reason.NOT_JSON, "the body is not JSON, nor can it be repaired to it") from None


def _text(body: bytes) -> str:
    """Decode by the byte order mark, and without one by where the NULs of ASCII punctuation stand."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    return body.decode(json.detect_encoding(body), "replace")


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= MAX_DIGITS else digits[:MAX_DIGITS] + "..."


def _float(literal: str) -> float | str:
    number = float(literal) if len(literal) <= MAX_FLOAT_CHARS else math.inf
    return number if math.isfinite(number) else literal[:MAX_DIGITS]


def _no_number(_: str) -> int:
    return 0  # as Relay reads NaN and Infinity from Python agents


def _is_deep(value: Any) -> bool:
    """Whether the value is nested deeper than `MAX_DEPTH`, one level after the other."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [item for item in level if isinstance(item, dict | list)]
        if not level:
            return False
        level = list(chain.from_iterable(item.values() if isinstance(item, dict) else item for item in level))
    return True


def _too_deep() -> MalformedPayload:
    return MalformedPayload(Reason.TOO_DEEP, f"nested deeper than {MAX_DEPTH} levels")
