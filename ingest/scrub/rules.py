"""
Decide by the rules of Sentry's default data scrubber whether a key names a secret, and take secrets out of a text.

A text with `MANY` secrets and more goes as a whole, so that only its length decides what it costs.
"""

import re
from functools import lru_cache
from typing import Any

from ingest.scrub import patterns
from ingest.scrub.scan import Hints

FILTERED = "[Filtered]"
MARK = re.compile(r"\[(?:Filtered|email|creditcard|iban|us-ssn|token)\]")  # what stands where a secret stood
MANY = 100
MESSAGE_CHARS = 8192  # of a message, as many as Sentry keeps

_COOKIE_NAMES = (
    "sentrysid sudo su session __session sessionid user_session symfony phpsessid fasthttpsessionid mysession "
    "irissessionid _vercel_jwt csrf xsrf _xsrf _csrf csrf-token csrf_token xsrf-token xsrf_token fastcsrf "
    "_iris_csrf"
)
COOKIES = frozenset(_COOKIE_NAMES.split())
_COOKIE_PART = re.compile(r"__\d+$", re.ASCII)
TRIVIAL = frozenset({"", "true", "false", "null", "undefined"})
_CACHED_KEY_CHARS = 100

_Rules = tuple[tuple[Any, bytes], ...]
_FILTERED = FILTERED.encode()
_PATHS: _Rules = ((patterns.USER_PATH, rb"\1" + _FILTERED),)
_URLS: _Rules = ((patterns.URL_AUTH, rb"\1" + _FILTERED + b"@"),)
_PARTS_BUT_PATHS: _Rules = (
    *_URLS,
    (patterns.BEARER, _FILTERED),
    (patterns.NUMBER, _FILTERED),
)
_PARTS = _PARTS_BUT_PATHS + _PATHS
_NUMBERS: _Rules = ((patterns.NUMBER, _FILTERED),)
_MESSAGE: _Rules = (
    (patterns.EMAIL, b"[email]"),
    (patterns.CARD, b"[creditcard]"),
    (patterns.IBAN, b"[iban]"),
    (patterns.SSN, b"[us-ssn]"),
    (patterns.BEARER, b"Bearer [token]"),
)


def is_secret_key(key: str) -> bool:
    """Whether the value under this key is secret, whatever it is."""
    return _is_secret_key(key) if len(key) <= _CACHED_KEY_CHARS else _is_secret_key.__wrapped__(key)


@lru_cache(8192)
def _is_secret_key(key: str) -> bool:
    return patterns.SECRET_KEY.search(_raw(key)) is not None


def is_secret_cookie(name: str) -> bool:
    """Whether a cookie is by its name a session or a guard against forgery; long ones are split as `name__1`."""
    return _COOKIE_PART.sub("", name.strip().lower()) in COOKIES or is_secret_key(name)


def text(value: str, hints: Hints) -> str:
    """Apply the value rules: the whole text goes where it speaks of a secret, else what matches."""
    lower = value.lower()
    for gate in hints.gates:
        if gate in lower:
            break
    else:
        return _replaced(value, _NUMBERS) if hints.numbers else value
    if lower in TRIVIAL:
        return value
    return FILTERED if patterns.WHOLE.search(_raw(value)) else _replaced(_without_keys(value), _PARTS)


def parts_but_paths(value: str) -> str:
    """Apply only those value rules that leave the rest of the text, and leave paths, which may be routes."""
    return _replaced(_without_keys(value), _PARTS_BUT_PATHS)


def url_auth(value: str) -> str:
    """Take the password out of every URL."""
    return _replaced(value, _URLS)


def message(value: str) -> str:
    """Apply what Relay applies to a log message, which is never filtered as a whole; what it cuts off may go."""
    if len(value) > 2 * MESSAGE_CHARS:
        scrubbed = _replaced(value, _MESSAGE)
        if scrubbed != FILTERED:
            return scrubbed
        value = value[:MESSAGE_CHARS] + "..."
    return _replaced(value, _MESSAGE, many=len(value) + 1)


def is_card(number: int) -> bool:
    """Whether a bare number is a card number: shape and check digit, for there is no text around it to tell."""
    digits = str(number) if 10**14 <= number < 10**16 else ""
    if not digits or patterns.CARD.search(digits.encode()) is None:
        return False
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (sum(map(int, digits[::-2])) + sum(n - 9 if n > 9 else n for n in doubled)) % 10 == 0


def _without_keys(value: str) -> str:
    """Cut the body out of every PEM block; of one that does not end, all that follows."""
    if "-----BEGIN" not in value:
        return value
    raw, pieces, position = _raw(value), [], 0
    while begin := patterns.PEM_BEGIN.search(raw, position):
        pieces += [raw[position : begin.end()], _FILTERED]
        end = patterns.PEM_END.search(raw, begin.end())
        position = end.start() if end else len(raw)
        if len(pieces) > MANY:
            return FILTERED
    scrubbed = b"".join([*pieces, raw[position:]]).decode(errors="surrogatepass")
    return value if scrubbed == value else scrubbed


def _replaced(value: str, rules: _Rules, many: int = MANY) -> str:
    raw = _raw(value)
    for pattern, replacement in rules:
        if pattern.search(raw) is None:
            continue
        raw, count = pattern.subn(replacement, raw, many)
        if count == many:
            return FILTERED
    scrubbed: str = raw.decode(errors="surrogatepass")
    return value if scrubbed == value else scrubbed


def _raw(value: str) -> bytes:
    return value.encode(errors="surrogatepass")
