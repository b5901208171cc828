"""
Walk a JSON value and scrub it by the rules in question, without knowing what event it is part of.

Everything here gives back the same object where there is nothing to be done, and never changes what it is given.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus

from ingest import jsontext
from ingest.errors import MalformedPayload
from ingest.scrub import rules as scrub_rules
from ingest.scrub.rules import FILTERED, TRIVIAL, is_secret_cookie, is_secret_key
from ingest.scrub.scan import ALL, Hints, scan

Scrubber = Callable[[str, Any, Hints], Any]

PAIR_TEXT_CHARS = 16_384  # of cookies, a query or a form; Sentry keeps half of that at most
_NAME = re.compile(r"[\w.\[\]-]{1,100}")

COOKIE_KEYS = frozenset({"cookie", "cookies", "set-cookie", "set_cookie", "http_cookie", "http_set_cookie"})


def at(key: str, value: Any, hints: Hints) -> Any:
    """Scrub any value under its key, with all below it; a list of two whose first is text is a key and its value."""
    if value is None or isinstance(value, bool):
        return value
    if hints.gates and is_secret_key(key):
        return value if isinstance(value, str) and (value == FILTERED or value.lower() in TRIVIAL) else FILTERED
    if hints.cookies and key.lower() in COOKIE_KEYS and key.isascii():
        return cookies(value, hints)
    if isinstance(value, str):
        return scrub_rules.text(value, hints)
    if isinstance(value, dict):
        changes = None
        for name, item in value.items():
            scrubbed = at(name, item, hints)
            if scrubbed is not item:
                changes = changes or {}
                changes[name] = scrubbed
        return {**value, **changes} if changes else value
    if isinstance(value, list):
        if len(value) == 2 and isinstance(value[0], str):
            first, second = _name(value[0], hints), at(value[0], value[1], hints)
            if second is not value[1] or second == FILTERED:
                return same_if_unchanged([first, second], value)
        return same_if_unchanged([at("", item, hints) for item in value], value)
    return FILTERED if hints.numbers and isinstance(value, int) and scrub_rules.is_card(value) else value


def members(value: Any, hints: Hints, scrubber: Scrubber) -> Any:
    """Scrub what has names by the scrubber: the members of an object, the pairs of a list of pairs."""
    if isinstance(value, dict):
        changes = None
        for key, item in value.items():
            scrubbed = scrubber(key, item, hints)
            if scrubbed is not item:
                changes = changes or {}
                changes[key] = scrubbed
        return {**value, **changes} if changes else value
    if isinstance(value, list):
        return same_if_unchanged([_pair(item, hints, scrubber) for item in value], value)
    return at("", value, hints)


def cookies(value: Any, hints: Hints) -> Any:
    """Scrub cookies in any of their shapes by name, and the rest of them like anything else."""
    if not isinstance(value, str):
        return members(value, hints, cookie)
    return _assignments(value, ";", hints, cookie) if len(value) <= PAIR_TEXT_CHARS else FILTERED


def cookie(name: str, value: Any, hints: Hints) -> Any:
    """Scrub one cookie."""
    if value is None or isinstance(value, bool):
        return value
    return FILTERED if is_secret_cookie(name) and value not in ("", FILTERED) else at(name, value, hints)


def query(value: Any, hints: Hints) -> Any:
    """Scrub a query string or form in any of its shapes, pair by pair."""
    if not isinstance(value, str):
        return members(value, hints, at)
    if len(value) > PAIR_TEXT_CHARS:
        return FILTERED if scan(value, jsontext.encode(value)).are_about_texts() else value
    return _assignments(value, "&", hints, at)


def embedded(key: str, value: str, hints: Hints) -> str:
    """Scrub text that may be JSON or a form."""
    if value[:1] in ("{", "["):
        try:
            inner, _ = jsontext.parse(value.encode())
        except (MalformedPayload, UnicodeEncodeError):
            return scrub_rules.text(value, hints)
        scrubbed = at(key, inner, hints)
        return value if scrubbed is inner else jsontext.encode(scrubbed).decode()
    if "=" in value and " " not in value:
        return str(query(value, hints))
    return scrub_rules.text(value, hints)


def same_if_unchanged(scrubbed: list[Any], value: list[Any]) -> list[Any]:
    """Give the list itself where each item is the same object still."""
    for one, other in zip(scrubbed, value, strict=True):
        if one is not other:
            return scrubbed
    return value


def _pair(item: Any, hints: Hints, scrubber: Scrubber) -> Any:
    if isinstance(item, list) and len(item) == 2 and isinstance(item[0], str):
        return same_if_unchanged([_name(item[0], hints), scrubber(item[0], item[1], hints)], item)
    return at("", item, hints)


def _name(text: str, hints: Hints) -> str:
    """Keep what may be the name of a value; what has spaces or signs in it is a text like others."""
    return text if _NAME.fullmatch(text) else scrub_rules.text(text, hints)


def _assignments(value: str, separator: str, hints: Hints, scrubber: Scrubber) -> str:
    hints = ALL if hints.escapes else hints
    scrubbed = separator.join([_assignment(part, hints, scrubber) for part in value.split(separator)])
    return value if scrubbed == value else scrubbed


def _assignment(part: str, hints: Hints, scrubber: Scrubber) -> str:
    """Scrub `name=value`, percent-encoded or not."""
    name, sign, value = part.partition("=")
    if not sign:
        return scrub_rules.text(part, hints)
    scrubbed = scrubber(unquote_plus(name).strip(" ?"), value, hints)
    if scrubbed is value and ("%" in value or "+" in value):
        plain = unquote_plus(value)
        scrubbed = value if scrub_rules.text(plain, hints) is plain else FILTERED
    return f"{name}={scrubbed}"
