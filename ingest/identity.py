"""The ids Sentry gives to things, read from whatever a sender wrote them as."""

import re
from typing import Any

import msgspec

from ingest.errors import MalformedPayload, Reason

MAX_ID = 2**63 - 1  # of a bigint column

_HEX = re.compile(r"[0-9a-f]{32}")
_DASHED = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGITS = re.compile(r"[0-9]{1,19}")


class _Told(msgspec.Struct):
    event_id: Any = None


_TOLD = msgspec.json.Decoder(_Told)


def event_id(value: object) -> str | None:
    """
    Give an event id as 32 lower-case hex digits, or None where none was told.

    Raises: MalformedPayload(BAD_EVENT_ID), unless it is 32 hex digits or a dashed UUID, in any case.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        text = value.lower()
        if _HEX.fullmatch(text):
            return text
        if _DASHED.fullmatch(text):
            return text.replace("-", "")
    raise MalformedPayload(Reason.BAD_EVENT_ID, "an event id is 32 hex digits or a UUID")


def told_event_id(event: bytes) -> str | None:
    """
    Read the id out of an event's JSON without looking at the rest.

    Raises: MalformedPayload(BAD_EVENT_ID); msgspec.MsgspecError or ValueError when it is no strict JSON object.
    """
    return event_id(_TOLD.decode(event).event_id)


def number(value: object) -> int | None:
    """Give the id of a project or an issue, told as a number or as its digits; None for anything else."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_ID:
        return value
    return None


def word(value: object) -> str | None:
    """Give a slug or a name, or None for nothing and for anything that is no text."""
    return value if isinstance(value, str) and value else None
