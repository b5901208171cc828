"""
Where it happened and what to call it: culprit, title, location, by Sentry's own rules.

Source: Sentry's `eventtypes` and `culprit.py`, as of 23.7.
"""

from typing import Any

from ingest.normalize.fields import mapping, sound, text, trimmed
from ingest.normalize.stack import FUNCTION_CHARS, MODULE_CHARS, Thrown, filename

CULPRIT_CHARS = 200
TITLE_CHARS = 256
TITLE_VALUE_CHARS = 100
TITLE_TYPE_CHARS = 128
METADATA_VALUE_CHARS = 1024
UNLABELED = "<unlabeled event>"
UNKNOWN = "<unknown>"

_BY_FUNCTION = frozenset({"objc", "cocoa", "native"})
_BY_FILE = frozenset({"javascript", "node"})
_NO_FUNCTION = ("<redacted>", "<unknown>")


def title(kind: str, main: Thrown | None, crash_frame: dict[str, Any] | None, message: str | None) -> str:
    """Name an event: "type: first line of value" of its main exception, else the first line of its message."""
    if kind != "error":
        lines = message.strip().splitlines() if message else []
        return _cut(lines[0], TITLE_VALUE_CHARS) if lines else UNLABELED
    if main is None:
        return UNKNOWN
    if main.is_synthetic:
        return text(mapping(crash_frame).get("function"), TITLE_CHARS) or UNKNOWN
    name = _cut(main.type or "Error", TITLE_TYPE_CHARS)
    lines = _cut(main.value, METADATA_VALUE_CHARS).splitlines() if main.value else []
    return f"{name}: {_cut(lines[0], TITLE_VALUE_CHARS)}" if lines else name


def location(kind: str, crash_frame: dict[str, Any] | None, data: dict[str, Any]) -> str | None:
    """Give the file an exception came from, or what a browser's security report blocked."""
    if kind == "error":
        return filename(crash_frame) if crash_frame else None
    report = mapping(data.get(kind)) if kind != "default" else {}
    return text(report.get("blocked_uri") or report.get("hostname"), CULPRIT_CHARS)


def culprit(
    data: dict[str, Any], transaction: str | None, exceptions: list[Thrown], from_frames: str | None, url: str | None
) -> str:
    """Say where: what the SDK says, else the transaction, else the frames, else the URL, else ""."""
    told = trimmed(data.get("culprit"), CULPRIT_CHARS) or transaction
    if told:
        return told
    if exceptions and exceptions[-1].is_synthetic:
        return ""
    return _cut(from_frames or url or "", CULPRIT_CHARS)


def crash_frame(raw: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Pick the application's innermost frame that has a file, else the innermost that has one."""
    fallback: dict[str, Any] | None = None
    for frame in raw[::-1]:
        if frame.get("function") in _NO_FUNCTION or not (frame.get("filename") or frame.get("abs_path")):
            continue
        if frame.get("in_app") is True:
            return frame
        if fallback is None:
            fallback = frame
    return fallback


def top_frame(raw: list[dict[str, Any]], platform: str) -> str | None:
    """Say which frame is to blame: the application's innermost, else the innermost."""
    fallback = None
    for frame in raw[::-1]:
        if frame.get("in_app") is True:
            if found := _of_frame(frame, platform):
                return found
        elif fallback is None:
            fallback = _of_frame(frame, platform)
    return fallback or None


def _of_frame(frame: dict[str, Any], platform: str) -> str:
    own = frame.get("platform")
    platform = own if isinstance(own, str) and own else platform
    function = text(frame.get("function"), FUNCTION_CHARS) or "?"
    if platform in _BY_FUNCTION:
        return _cut(function, CULPRIT_CHARS)
    place = text(frame.get("module"), MODULE_CHARS) or filename(frame)
    if not place:
        return ""
    return _cut(f"{function}({place})" if platform in _BY_FILE else f"{place} in {function}", CULPRIT_CHARS)


def _cut(value: str, limit: int) -> str:
    return value if len(value) <= limit else sound(value[: limit - 3]) + "..."
