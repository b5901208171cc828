r"""
What counts as a secret in a key or a text: the rules of Sentry's default data scrubber (Relay's `@common:filter`).

Every rule has a gate, a literal its text must hold, and a hint: how that looks in the JSON bytes. `scan` looks for all
hints in one pass over the bytes of an event, so that an event without any costs nothing more, and of the others only
the gates in question are tried. Hints are wider than their rules, never narrower.

All expressions take linear time: no repetition can be entered at two places of the same text.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import re2  # type: ignore[import-untyped]

from ingest.jsontext import encode

FILTERED = "[Filtered]"
_COOKIE_NAMES = (
    "sentrysid sudo su session __session sessionid user_session symfony phpsessid fasthttpsessionid mysession "
    "irissessionid _vercel_jwt csrf xsrf _xsrf _csrf csrf-token csrf_token xsrf-token xsrf_token fastcsrf "
    "_iris_csrf"
)
COOKIES = frozenset(_COOKIE_NAMES.split())

TRIVIAL = frozenset({"", "true", "false", "null", "undefined"})
_COOKIE_PART = re.compile(r"__\d+$", re.ASCII)
_CACHED_KEY_CHARS = 100


class Hints(NamedTuple):
    """What a scan found: gates to try on keys and texts, and whether texts may hold what only digits betray."""

    gates: tuple[str, ...] = ()
    numbers: bool = False
    cookies: bool = False
    emails: bool = False
    escapes: bool = False  # percent-encoding, which hides words in query strings

    def __bool__(self) -> bool:
        """Whether there is any."""
        return any(self)

    def is_about_messages(self) -> bool:
        """Whether only mail addresses were seen, which concern nothing but messages."""
        return not (self.gates or self.numbers or self.cookies or self.escapes)


_COUNTRIES = (
    "AD AE AL AO AT AZ BA BE BF BG BH BI BJ BR BY CF CG CH CI CM CR CV CY CZ DE DJ DK DO DZ EE EG ES FI FO FR GA GB "
    "GE GI GL GQ GR GT GW HN HR HU IE IL IQ IR IS IT JO KM KW KZ LB LC LI LT LU LV LY MA MC MD ME MG MK ML MR MT MU MZ "
    "NE NI NL NO PK PL PS PT QA RO RS RU SA SC SE SI SK SM SN ST SV TD TG TL TN TR UA VA VG XK"
)
_COUNTRY = "(?:" + "|".join(_COUNTRIES.split()) + ")"
_CARD_START = r"(?:3[47]\d|4\d{3}|5[1-5]\d\d|65\d\d|6011)"
_EMAIL_CHARS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.!#$%&'*+/=?^_`{|}~-"

# gate -> how it looks in JSON bytes, any case
GATES = {
    "password": r"password",
    "passwd": r"passwd",
    "secret": r"secret",
    "api": r"api[-_]?key",
    "auth": r"auth",
    "credentials": r"credentials",
    "mysql_pwd": r"mysql_pwd",
    "private": r"private[-_]?key",
    "token": r"token",
    "otp": r"\botp\b",
    "factor": r"two[-_]factor",
    "bearer": r"bearer[^0-9a-z]",
    "-----begin": r"-----begin",
    "@": r'//[^/\s:@"]*:[^/\s@"]+@',
    "users": r"users(?:/|\\)",
    "home": r"home(?:/|\\)",
    "settings": r"documents[ +]and[ +]settings(?:/|\\)",
    "profiles": r"profiles(?:/|\\)",
}
_SPACE_HINT = r"(?:[-\s+]|\\{1,3}[nrtf]|\\{1,3}u[0-9a-f]{4}|[\x80-\xff]{2,3})?"
_START_HINT = r"(?:^|[^0-9A-Za-z_]|\\[nrtbf]|\\u[0-9a-f]{4})"
_NUMBER_HINT = (
    rf"{_START_HINT}(?:{_CARD_START}(?:{_SPACE_HINT}\d){{12}}"
    rf"|\d{{3}}-\d\d-\d{{4}}|(?-i:{_COUNTRY})\d\d[a-z0-9]{{11}})"
)
_EMAIL_HINT = r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]@[a-z0-9-]+\.[a-z0-9-]"
_HIDDEN_HINT = r"\\u00(?:00|[2-7])|\\/|\x00"  # ASCII spelled so that no other hint would know it

_WORDS = re.compile(
    "password|secret|passwd|api[-_]key|apikey|auth|credentials|mysql_pwd|privatekey|private[-_]key",
    re.ASCII | re.IGNORECASE,
)
_WHOLE = frozenset({"otp", "two-factor", "two_factor"})
_TOKEN = re.compile(r"token\S*", re.ASCII | re.IGNORECASE)
_BEARER = re.compile(r"\bbearer\s+\S+", re.ASCII | re.IGNORECASE)
_PEM_BEGIN = re.compile(r"-----BEGIN[A-Z ]+(?:PRIVATE|PUBLIC) KEY-----[\t ]*\r?\n?")
_PEM_END = re.compile(r"\r?\n?-----END[A-Z ]+(?:PRIVATE|PUBLIC) KEY-----")
_URL_AUTH = re.compile(r'(//[^/\s:@"]*:)[^/\s@"]+@', re.ASCII)
_USER_PATH = re.compile(
    r"((?:\b(?:users|home|documents and settings)|(?<=[^/\\])[/\\]profiles)[/\\])[^/\\\r\n\x00]+",
    re.ASCII | re.IGNORECASE,
)
_CARD = re.compile(
    rf"(?<![0-9A-Za-z_]){_CARD_START}(?:[-\s\xa0\u2000-\u200a\u202f\u3000]?\d){{12}}(?![0-9A-Za-z_])", re.ASCII
)
_SSN = re.compile(r"\b\d{3}-\d\d-\d{4}\b", re.ASCII)
_IBAN = re.compile(rf"\b{_COUNTRY}\d\d[a-zA-Z0-9]{{11,29}}\b", re.ASCII)
_NUMBERS = re.compile(f"{_CARD.pattern}|{_SSN.pattern}|{_IBAN.pattern}", re.ASCII)
_EMAIL_DOMAIN = re.compile(r"@(?:[a-zA-Z0-9-]+\.)+[a-zA-Z]{2,}", re.ASCII)

_NOTHING = Hints()
ALL = Hints(tuple(GATES), numbers=True, cookies=True, emails=True, escapes=True)
_NUMBER, _COOKIE, _EMAIL, _ESCAPE, _HIDDEN = range(len(GATES), len(GATES) + 5)


def scan(data: Any, body: bytes) -> Hints:
    """
    Which rules an event could break, by one look at its bytes.

    Takes:  the value, and the bytes it was read from, in whatever encoding and with whatever escapes.
    Gives:  hints, never fewer than `data` needs.
    """
    found = _HINTS.Match(body)
    if not found:
        return _NOTHING
    if _HIDDEN in found:
        found = _HINTS.Match(encode(data)) or ()
        if _HIDDEN in found:  # escapes within JSON within JSON
            return ALL
    return _hints(tuple(found))


@lru_cache(4096)
def _hints(found: tuple[int, ...]) -> Hints:
    return Hints(
        tuple(gate for index, gate in enumerate(GATES) if index in found),
        numbers=_NUMBER in found,
        cookies=_COOKIE in found,
        emails=_EMAIL in found,
        escapes=_ESCAPE in found,
    )


def is_secret_key(key: str) -> bool:
    """Whether the value under this key is secret, whatever it is."""
    return _is_secret_key(key) if len(key) <= _CACHED_KEY_CHARS else _is_secret_key.__wrapped__(key)


@lru_cache(8192)
def _is_secret_key(key: str) -> bool:
    lower = key.lower()
    return "token" in lower or lower in _WHOLE or _WORDS.search(key) is not None


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
        return _NUMBERS.sub(FILTERED, value) if hints.numbers else value
    if lower in TRIVIAL:
        return value
    if _WORDS.search(value) or lower in _WHOLE or any(":" in run or "=" in run for run in _TOKEN.findall(value)):
        return FILTERED
    return parts(value)


def parts(value: str) -> str:
    """Apply only those value rules that leave the rest of the text."""
    scrubbed = "".join(_without_keys(value)) if "-----BEGIN" in value else value
    scrubbed = _URL_AUTH.sub(rf"\1{FILTERED}@", scrubbed)
    scrubbed = _USER_PATH.sub(rf"\1{FILTERED}", scrubbed)
    scrubbed = _BEARER.sub(FILTERED, scrubbed)
    scrubbed = _NUMBERS.sub(FILTERED, scrubbed)
    return value if scrubbed == value else scrubbed


def parts_but_paths(value: str) -> str:
    """Apply only those value rules that leave the rest of the text, and leave paths, which may be routes."""
    scrubbed = _NUMBERS.sub(FILTERED, _BEARER.sub(FILTERED, url_auth(value)))
    return value if scrubbed == value else scrubbed


def url_auth(value: str) -> str:
    """Take the password out of every URL."""
    return _URL_AUTH.sub(rf"\1{FILTERED}@", value)


def message(value: str) -> str:
    """Apply what Relay applies to a log message, which is never filtered as a whole."""
    scrubbed = "".join(_without_emails(value)) if "@" in value else value
    scrubbed = _CARD.sub("[creditcard]", scrubbed)
    scrubbed = _IBAN.sub("[iban]", scrubbed)
    scrubbed = _SSN.sub("[us-ssn]", scrubbed)
    scrubbed = _BEARER.sub("Bearer [token]", scrubbed)
    return value if scrubbed == value else scrubbed


def is_card(number: int) -> bool:
    """Whether a bare number is a card number: shape and check digit, for there is no text around it to tell."""
    digits = str(number) if 10**14 <= number < 10**16 else ""
    if not _CARD.fullmatch(digits):
        return False
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (sum(map(int, digits[::-2])) + sum(n - 9 if n > 9 else n for n in doubled)) % 10 == 0


def _without_keys(value: str) -> Iterable[str]:
    """Cut the body out of every PEM block; of one that does not end, all that follows."""
    position = 0
    while begin := _PEM_BEGIN.search(value, position):
        yield value[position : begin.end()]
        yield FILTERED
        end = _PEM_END.search(value, begin.end())
        if end is None:
            return
        position = end.end()
        yield end.group()
    yield value[position:]


def _without_emails(value: str) -> Iterable[str]:
    position = 0
    for domain in _EMAIL_DOMAIN.finditer(value):
        before = value[position : domain.start()]
        rest = before.rstrip(_EMAIL_CHARS)
        yield rest if rest != before else before + domain.group()
        if rest != before:
            yield "[email]"
        position = domain.end()
    yield value[position:]


def _compiled() -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # bytes as they are
    options.case_sensitive = False
    options.never_capture = True
    hints = re2.Set.SearchSet(options)
    for hint in (*GATES.values(), _NUMBER_HINT, "cookie", _EMAIL_HINT, "%[0-9a-f]{2}", _HIDDEN_HINT):
        hints.Add(hint.encode())
    hints.Compile()
    return hints


_HINTS = _compiled()
