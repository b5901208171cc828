"""What an event says in words: `message`, `logentry` and their older spellings, parameters put in."""

import re
from typing import Any, NamedTuple

from ingest.normalize.fields import json_text, text

MESSAGE_CHARS = 8192

_KEYS = ("logentry", "sentry.interfaces.Message", "message")
_PERCENT = re.compile(r"%(?:\((\w{1,128})\))?([#0\- +]{0,5})(\d{1,3}|\*)?(?:\.(\d{1,2}))?[hlL]?([a-zA-Z%])")
_CURLY = re.compile(r"\{(\w{0,128})\}")
_WHOLE = frozenset("diouxX")
_FLOAT = frozenset("eEfFgG")


class Message(NamedTuple):
    """`formatted` is for people; `template` is what stays the same from one event to the next."""

    formatted: str | None = None
    template: str | None = None


def message(data: dict[str, Any]) -> Message:
    """Read the message out of an event in the SDK's shape."""
    for key in _KEYS:
        value = data.get(key)
        if value is None or value is False or value == "":
            continue
        if not isinstance(value, dict):
            formatted = text(json_text(value), MESSAGE_CHARS)
            return Message(formatted, formatted)
        found = _of_logentry(value)
        if found.formatted is not None:
            return found
    return Message()


def _of_logentry(entry: dict[str, Any]) -> Message:
    template = json_text(entry.get("message")) or None
    formatted = json_text(entry.get("formatted")) or None
    params = entry.get("params")
    if formatted is None and template is not None and params:
        formatted = filled(template, params)
    formatted = text(formatted or template, MESSAGE_CHARS)
    return Message(formatted, text(template, MESSAGE_CHARS) or formatted)


def filled(template: str, params: object) -> str | None:
    """
    Put parameters into a template: Python's "%" form if there is one in it, else braces.

    Gives:  None where a parameter is missing or of a wrong kind; Sentry then keeps the template as it is.
            Not more than is kept of a message, however often a long parameter is asked for.
    """
    if not isinstance(params, list | dict):
        return None
    is_percent = "%" in template
    if not is_percent and "{" not in template:
        return None
    pieces: list[str] = []
    at = size = count = 0
    for match in (_PERCENT if is_percent else _CURLY).finditer(template):
        gap = template[at : match.start()]
        if is_percent and "%" in gap:
            return None
        at = match.end()
        if is_percent and match[5] == "%":
            piece: str | None = "%"
        else:
            key = match[1] or count
            count += not match[1]
            try:
                value = params[int(key)] if isinstance(params, list) else params[str(key)]
            except (KeyError, IndexError, ValueError):
                return None
            piece = _formatted(value, match) if is_percent else json_text(value) or "null"
        if piece is None:
            return None
        pieces += (gap, piece[: MESSAGE_CHARS + 1])
        size += len(gap) + len(piece)
        if size > MESSAGE_CHARS:
            return "".join(pieces)
    rest = template[at:]
    if is_percent and "%" in rest:
        return None
    return "".join(pieces) + rest


def _formatted(value: object, match: re.Match[str]) -> str | None:
    flags, width, precision, kind = match[2], match[3] or "", match[4], match[5]
    if width == "*":
        return None
    shape = f"%{flags}{width}{'.' + precision if precision is not None else ''}{kind}"
    try:
        if kind in _WHOLE or kind in _FLOAT:
            return shape % value if isinstance(value, int | float) else None
        if kind in "sra":
            if kind != "s" and isinstance(value, str):
                value = f'"{value}"'
            return f"{shape[:-1]}s" % (json_text(value) or "null")
    except (ValueError, OverflowError, TypeError):
        return None
    return None
