"""Tags: the event's own, as Sentry keeps them."""

import re
from functools import lru_cache
from typing import Any

from ingest.normalize.fields import lenient, sound, text

KEY_CHARS = 200
VALUE_CHARS = 200
READ_CHARS = 512
MOST_TAGS = 500

_KEY = re.compile(r"[a-zA-Z0-9_.:-]{1,200}")
_DROPPED = frozenset({"release", "dist", "user", "filename", "function"})
_FIELDS = ("server_name", "site")  # fields that Sentry turns into tags


def tags(data: dict[str, Any], *, is_processed: bool) -> dict[str, str]:
    """
    Read tags from an object or a list of pairs; the first of two with one name stays.

    Takes:  for Sentry's own output also a list of {key, value}, and nothing that was told is dropped from it.
    """
    found: dict[str, str] = {}
    told = data.get("tags")
    if isinstance(told, dict):
        for key, value in told.items():
            _keep(found, key, value, is_processed)
    elif isinstance(told, list):
        for pair in told:
            if isinstance(pair, list):
                if len(pair) == 2:
                    _keep(found, pair[0], pair[1], is_processed)
            elif is_processed and isinstance(pair, dict):
                _keep(found, pair.get("key"), pair.get("value"), is_processed)
    for key in _FIELDS:
        if key not in found:
            value = tag_value(data.get(key)) if isinstance(data.get(key), str) else None
            if value is not None:
                found[key] = value
    return found


def _keep(found: dict[str, str], key: object, value: object, is_processed: bool) -> None:
    name = lenient(key)
    if name is None or len(name) > READ_CHARS or len(found) >= MOST_TAGS:
        return
    name = _told_key(name) if is_processed else tag_key(name)
    if name is None or name in found or (not is_processed and name in _DROPPED):
        return
    worth = text(lenient(value), VALUE_CHARS) if is_processed else tag_value(value)
    if worth is not None:
        found[name] = worth


@lru_cache(maxsize=8192)
def tag_key(name: str) -> str | None:
    """Give a tag's name as Sentry spells it, or None if it cannot be one."""
    name = name.strip().replace(" ", "-")
    return name if _KEY.fullmatch(name) else None


def tag_value(value: object) -> str | None:
    """Give a tag's value, or None if it cannot be one."""
    worth = lenient(value)
    if worth is None:
        return None
    worth = worth[:READ_CHARS].strip() if len(worth) > READ_CHARS else worth.strip()
    return None if "\n" in worth else text(worth, VALUE_CHARS)


def _told_key(name: str) -> str | None:
    return text(sound(name.removeprefix("sentry:")), KEY_CHARS)
