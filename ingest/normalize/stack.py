"""Exceptions and their frames, out of all the shapes SDKs give them."""

import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ingest.normalize.fields import json_text, mapping, text
from ingest.records import Frame

TYPE_CHARS = 256
VALUE_CHARS = 8192
FUNCTION_CHARS = 512
MODULE_CHARS = 256
FILENAME_CHARS = 256
FIRST_FRAMES = 50  # of a stack with more than 250, Sentry keeps these
LAST_FRAMES = 200
FIRST_EXCEPTIONS = 20
LAST_EXCEPTIONS = 80
LINENO_MAX = 2**31 - 1

_TYPE_IN_VALUE = re.compile(r"(\w{1,256}):([^\n]*)")
_URL = ("http:", "https:", "file:", "applewebdata:")


class Thrown(msgspec.Struct, frozen=True):
    """One exception; `raw_frames` and `frames` go side by side, outermost first, nulls left out."""

    type: str | None
    value: str | None
    mechanism: dict[str, Any]
    raw_frames: list[dict[str, Any]]
    frames: tuple[Frame, ...]

    @property
    def is_synthetic(self) -> bool:
        """Whether the type is no more than a word an SDK chose for want of a better one."""
        return bool(self.mechanism.get("synthetic"))


def entries(data: dict[str, Any], *names: str) -> list[Any]:
    """Read a list that may also come as {"values": list} or as its only member, under the first name that has one."""
    for name in names:
        value = data.get(name)
        if isinstance(value, dict):
            value = value.get("values", [value])
            if isinstance(value, dict):
                value = [value]
        if isinstance(value, list):
            return value
    return []


def thrown(data: dict[str, Any], values: list[Any]) -> list[Thrown]:
    """Read the exceptions of an event, the one thrown first at the front, as Sentry orders them."""
    if len(values) > FIRST_EXCEPTIONS + LAST_EXCEPTIONS:
        values = values[:FIRST_EXCEPTIONS] + values[-LAST_EXCEPTIONS:]
    is_lone = len(values) == 1
    found = []
    for value in values:
        if not isinstance(value, dict):
            continue
        kind = text(value.get("type"), TYPE_CHARS)
        worth = text(json_text(value.get("value")), VALUE_CHARS)
        if kind is None and worth is None:
            continue
        if kind is None and worth is not None and (match := _TYPE_IN_VALUE.fullmatch(worth)):
            kind, worth = match[1], match[2].strip() or None
        raw = raw_frames(value.get("stacktrace"))
        if not raw and is_lone:
            raw = raw_frames(_top_stacktrace(data))
        found.append(Thrown(kind, worth, mapping(value.get("mechanism")), raw, frames(raw)))
    return found


def main_exception(data: dict[str, Any], exceptions: list[Thrown]) -> Thrown | None:
    """Pick the exception an event is about: the one `main_exception_id` names, else the last."""
    named = data.get("main_exception_id")
    if isinstance(named, int) and not isinstance(named, bool):
        for exception in exceptions:
            if exception.mechanism.get("exception_id") == named:
                return exception
    return exceptions[-1] if exceptions else None


def other_frames(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Read the frames of an event whose exceptions have none: the crashed or current thread's, else its own."""
    threads = [thread for thread in entries(data, "threads")[:1000] if isinstance(thread, dict)]
    for mark in ("crashed", "current"):
        for thread in threads:
            if thread.get(mark) and (raw := raw_frames(thread.get("stacktrace"))):
                return raw
    return raw_frames(_top_stacktrace(data))


def raw_frames(stacktrace: object) -> list[dict[str, Any]]:
    """Give the frames of a stacktrace as sent; of too many, the ends."""
    listed = stacktrace.get("frames") if isinstance(stacktrace, dict) else None
    if not isinstance(listed, list):
        return []
    if len(listed) > FIRST_FRAMES + LAST_FRAMES:
        listed = listed[:FIRST_FRAMES] + listed[-LAST_FRAMES:]
    return [frame for frame in listed if isinstance(frame, dict) and frame]


def frames(raw: list[dict[str, Any]]) -> tuple[Frame, ...]:
    """Give frames as they are kept."""
    return tuple([_frame(frame) for frame in raw])


def filename(frame: dict[str, Any]) -> str | None:
    """Give a frame's file; where only a URL is told, its path."""
    name, absolute = frame.get("filename"), frame.get("abs_path")
    if isinstance(name, str) and name and isinstance(absolute, str) and absolute:
        return text(name, FILENAME_CHARS)
    name = absolute if isinstance(absolute, str) and absolute else name
    if isinstance(name, str) and name.startswith(_URL):
        try:
            path = urlsplit(name[:4096]).path
        except ValueError:
            path = ""
        name = path if path not in {"", "/"} else name
    return text(name, FILENAME_CHARS)


def _frame(frame: dict[str, Any]) -> Frame:
    function, lineno, in_app = frame.get("function"), frame.get("lineno"), frame.get("in_app")
    return Frame(
        text(function, FUNCTION_CHARS) if function != "?" else None,
        text(frame.get("module"), MODULE_CHARS),
        filename(frame),
        lineno if type(lineno) is int and 0 <= lineno <= LINENO_MAX else None,
        in_app if isinstance(in_app, bool) else None,
    )


def _top_stacktrace(data: dict[str, Any]) -> object:
    return data.get("stacktrace") or data.get("sentry.interfaces.Stacktrace")
