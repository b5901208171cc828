"""
One value at a time: what Sentry allows in a field, and what becomes of anything else.

Every function takes whatever JSON may hold and gives text that fits its column, or None. Text given out has no NUL and
no lone surrogate, whatever came in.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha1
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import msgspec

from ingest.records import RawEvent

WEB_URL_CHARS = 2048
LEVELS = frozenset({"debug", "info", "warning", "error", "fatal"})
LEVEL_ALIASES: dict[object, str] = {
    "log": "info",
    "critical": "fatal",
    10: "debug",
    20: "info",
    30: "warning",
    40: "error",
    50: "fatal",
}
PLATFORMS = frozenset(
    {
        "as3",
        "c",
        "cfml",
        "cocoa",
        "csharp",
        "elixir",
        "go",
        "groovy",
        "haskell",
        "java",
        "javascript",
        "native",
        "node",
        "objc",
        "other",
        "perl",
        "php",
        "python",
        "ruby",
    }
)

RELEASE_CHARS = 200
ENVIRONMENT_CHARS = 64
DIST_CHARS = 64
LOGGER_CHARS = 64
BIGINT_MAX = 2**63 - 1

_NOTHING = timedelta()
_HEX = re.compile(r"[0-9a-fA-F]{32}")
_DASHED = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_DIST = re.compile(r"[a-zA-Z0-9_.-]+")
_NOT_IN_RELEASE = re.compile(r"[\r\n\t\f/\\]")
_NOT_IN_ENVIRONMENT = re.compile(r"[\r\n\t\f/]")


def text(value: object, limit: int) -> str | None:
    """Give a string cut to `limit` characters with "..." at its end; None for the empty string and all else."""
    if not isinstance(value, str) or not value:
        return None
    if len(value) > limit:
        value = value[: limit - 3] + "..."
    return sound(value) or None


def trimmed(value: object, limit: int) -> str | None:
    """Give `text` without white space around it."""
    return text(value.strip(), limit) if isinstance(value, str) else None


def sound(value: str) -> str:
    """Give a string PostgreSQL can hold: without NUL, and encodable."""
    if "\0" in value:
        value = value.replace("\0", "")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            value = value.encode("utf-8", "replace").decode()
    return value


def lenient(value: object) -> str | None:
    """Make text of a primitive as Sentry does: True is "True", a float loses its fraction; None for containers."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if abs(value) < 2**53 else None
    if isinstance(value, int):
        return str(value) if -BIGINT_MAX <= value <= 2 * BIGINT_MAX + 1 else None
    return None


def json_text(value: object) -> str | None:
    """Make text of anything: strings as they are, all else as JSON; None for null and for what JSON cannot say."""
    if isinstance(value, str):
        return value
    if value is None:
        return None
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        return None


def whole(value: object, highest: int) -> int | None:
    """Give a whole number from 0 to `highest`; digits in a string count, a boolean does not."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if len(value) > 20 or not value.isascii() or not value.isdigit():
            return None
        value = int(value)
    if isinstance(value, float):
        if not math.isfinite(value) or not value.is_integer():
            return None
        value = int(value)
    return value if isinstance(value, int) and 0 <= value <= highest else None


def mapping(value: object) -> dict[str, Any]:
    """Give a dict, empty when the value is none."""
    return value if isinstance(value, dict) else {}


def uuid(value: object) -> UUID | None:
    """Read 32 hex digits, or a dashed UUID, also in braces or as a URN; None for all else."""
    if not isinstance(value, str) or len(value) > 45:
        return None
    if _HEX.fullmatch(value):
        return UUID(int=int(value, 16))
    bare = value.removeprefix("urn:uuid:")
    if bare[:1] == "{" and bare[-1:] == "}":
        bare = bare[1:-1]
    return UUID(int=int(bare.replace("-", ""), 16)) if _DASHED.fullmatch(bare) else None


def is_uuid(value: object) -> bool:
    """Whether `uuid` reads an id here; for one of 32 hex digits without making it."""
    return isinstance(value, str) and (_HEX.fullmatch(value) is not None or uuid(value) is not None)


def event_id_of_body(raw: RawEvent) -> UUID:
    """Make an id for an event that has none: the same body sent again gets the same id."""
    whose = f"errhouse:{raw.project_id}:{raw.project_slug or ''}:{raw.source}:"
    digest = sha1(whose.encode("utf-8", "replace"), usedforsecurity=False)
    digest.update(raw.body)
    return UUID(bytes=digest.digest()[:16], version=5)


def level(value: object) -> str | None:
    """Give one of the five levels; "warn", "ERROR" and the like are None, as they are to Sentry."""
    if isinstance(value, str):
        return value if value in LEVELS else LEVEL_ALIASES.get(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return LEVEL_ALIASES.get(value)
    return None


@lru_cache(maxsize=4096)
def release(value: str) -> str | None:
    """Give a release name Sentry accepts, or None."""
    name = value.strip()
    if not name or len(name) > RELEASE_CHARS or name in {".", ".."} or name.lower() == "latest":
        return None
    return None if _NOT_IN_RELEASE.search(name) else sound(name)


@lru_cache(maxsize=4096)
def environment(value: str) -> str | None:
    """Give an environment name Sentry accepts, or None."""
    name = value.strip()
    if not name or len(name) > ENVIRONMENT_CHARS or name.lower() == "none" or _NOT_IN_ENVIRONMENT.search(name):
        return None
    return sound(name)


def dist(value: object) -> str | None:
    """Give a distribution name Sentry accepts, or None."""
    name = value.strip() if isinstance(value, str) else ""
    return name if len(name) <= DIST_CHARS and _DIST.fullmatch(name) else None


def logger(value: object, platform: str) -> str | None:
    """Give a logger's name; a long Java one keeps its last parts behind a star."""
    name = value.strip() if isinstance(value, str) else ""
    if "\n" in name or "\r" in name:
        return None
    if platform == "java" and len(name) > LOGGER_CHARS:
        tail = name[-(LOGGER_CHARS - 1) :]
        return sound("*" + (tail[tail.index(".") :] if "." in tail else tail))
    return text(name, LOGGER_CHARS)


@lru_cache(maxsize=4096)
def ip(value: str) -> str | None:
    """Give an IP address in its usual spelling, or None."""
    try:
        return str(ip_address(value))
    except ValueError:
        return None


def instant(value: object) -> datetime | None:
    """
    Read Sentry's two ways to say a time: seconds since the epoch, or ISO 8601 with a "T"; without a zone it is UTC.

    Milliseconds, numbers in strings, bare dates, a space for the "T", and years beyond 9999 are no times.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        if not 0 <= value < 253_402_300_799:
            return None
        return datetime.fromtimestamp(value, UTC)
    if not isinstance(value, str) or not 19 <= len(value) <= 64 or not value.isascii():
        return None
    if not (value[4] == value[7] == "-" and value[10] == "T" and value[13] == value[16] == ":") or "," in value:
        return None
    carried = _NOTHING
    if len(value) > 26 and value[19] == "." and value[26] in "56789":
        carried = timedelta(microseconds=1)  # finer than a microsecond: rounded, where Python would cut
    if value[17:19] == "60":
        value, carried = value[:17] + "59" + value[19:], carried + timedelta(seconds=1)
    try:
        said = datetime.fromisoformat(value)
        return (said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)) + carried
    except (ValueError, OverflowError):
        return None


def web_url(value: object) -> str | None:
    """Give the address of a page, None for one that is longer than any and for what no browser should be led to."""
    is_page = isinstance(value, str) and value[:8].lower().startswith(("https://", "http://"))
    return text(value, WEB_URL_CHARS) if is_page and len(str(value)) <= WEB_URL_CHARS else None
