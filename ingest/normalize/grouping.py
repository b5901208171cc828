"""
Which events are the same problem.

Sentry's own answer where it was told. Else ours, which is not Sentry's but as stable: a fingerprint of the sender's, or
exception types with the application's functions (never line numbers, so a release does not found new issues), or the
message before its parameters, or the title. `VERSION` is part of every hash: a new rule never mixes with an old one.
"""

import re
from hashlib import blake2b
from typing import Any

from ingest.normalize.fields import lenient, mapping, text
from ingest.normalize.message import Message
from ingest.normalize.stack import Thrown
from ingest.records import Frame, RawEvent

VERSION = "e1"
GROUP_CHARS = 64
FINGERPRINT_PARTS = 64
FINGERPRINT_CHARS = 1024
CHANGING_VALUE_CHARS = 256

_DEFAULTS = frozenset({"{{ default }}", "{{default}}"})
_GENERATED = re.compile(r"\$\$[A-Za-z]{1,40}\$\$[0-9a-f]{1,16}|\$\$Lambda[$/].{0,100}|0x[0-9a-f]{1,16}")
_CHANGING = re.compile(r"\b(?:0x)?[0-9a-f]{8,64}\b|\d{1,64}")


def fingerprint(data: dict[str, Any]) -> tuple[str, ...] | None:
    """Read the sender's fingerprint; None when there is none to speak of."""
    told = data.get("fingerprint")
    if not isinstance(told, list):
        return None
    parts = [part for value in told[:FINGERPRINT_PARTS] if (part := text(lenient(value), FINGERPRINT_CHARS))]
    return tuple(parts) or None


def group(
    raw: RawEvent,
    *,
    parts: tuple[str, ...] | None,
    exceptions: list[Thrown],
    frames: tuple[Frame, ...],
    message: Message,
    title: str,
) -> str:
    """Give the group's immutable hash."""
    if raw.is_processed:
        hashes = raw.data.get("hashes")
        told = text(hashes[0], GROUP_CHARS) if isinstance(hashes, list) and hashes else None
        if told is not None:
            return told
    if raw.issue_id is not None:
        return f"issue:{raw.issue_id}"
    if parts is None:
        checksum = text(raw.data.get("checksum"), 128)
        parts = (checksum,) if checksum else None
    if parts is not None and not (len(parts) == 1 and parts[0] in _DEFAULTS):
        said = ["fingerprint"]
        for part in parts:
            if part in _DEFAULTS:
                said += _default(raw.data, exceptions, frames, message, title)
            else:
                said.append(part)
    else:
        said = _default(raw.data, exceptions, frames, message, title)
    digest = blake2b("\0".join(said).encode("utf-8", "replace"), digest_size=16, person=b"errhouse")
    return f"{VERSION}:{digest.hexdigest()}"


def _default(
    data: dict[str, Any], exceptions: list[Thrown], frames: tuple[Frame, ...], message: Message, title: str
) -> list[str]:
    if exceptions:
        said = ["exception"]
        for exception in exceptions:
            said.append("" if exception.is_synthetic else exception.type or "Error")
            calls = _calls(exception.frames)
            said += calls
        if not any(exception.frames for exception in exceptions):
            said += [_unchanging(exception.value or "") for exception in exceptions]
        return said
    if frames:
        return ["stack", *_calls(frames)]
    for kind in ("csp", "hpkp", "expectct", "expectstaple"):
        report = mapping(data.get(kind))
        if report:
            directive = report.get("effective_directive") or report.get("violated_directive")
            return [kind, text(directive, 128) or "", text(report.get("blocked_uri"), 256) or ""]
    if message.template:
        return ["message", message.template]
    return ["title", title]


def _calls(frames: tuple[Frame, ...]) -> list[str]:
    """Name the application's calls, all calls where none is known for the application's; a recursion counts once."""
    of_app = [frame for frame in frames if frame.in_app]
    said: list[str] = []
    last = ""
    for frame in of_app or frames:
        call = f"{frame.module or frame.filename or ''}\1{frame.function or ''}"
        if "$$" in call or "0x" in call:
            call = _GENERATED.sub("$", call)
        if call != last:
            said.append(call)
            last = call
    return said


def _unchanging(value: str) -> str:
    """Take numbers and ids out of a value, since it names a problem only where there are no frames."""
    return _CHANGING.sub("#", value[:CHANGING_VALUE_CHARS])
