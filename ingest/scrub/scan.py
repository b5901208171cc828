r"""
Find out by one look at the bytes of an event which rules could concern it at all.

Every rule has a gate, a literal that its key or text must hold, and a hint: how that looks in JSON bytes. Hints are
wider than their rules, never narrower, for what they miss is kept.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import re2  # type: ignore[import-untyped]

from ingest.jsontext import encode
from ingest.scrub import patterns as scrub_patterns


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

    def are_about_texts(self) -> bool:
        """Whether they are about any text; mail addresses are about messages alone."""
        return bool(self.gates) or self.numbers or self.escapes


# gate -> how it looks in JSON bytes, any case
_GATES = {
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
_SPACE = r"(?:[-\s+]|\\{1,3}[nrtf]|\\{1,3}u[0-9a-f]{4}|[\x80-\xff]{2,3})?"
_BEFORE = r"(?:^|[^0-9A-Za-z_]|\\[nrtbf]|\\u[0-9a-f]{4})"
_OTHERS = {
    "number": rf"{_BEFORE}(?:{scrub_patterns.CARD_START}(?:{_SPACE}\d){{12}}"
    rf"|\d{{3}}-\d\d-\d{{4}}|{scrub_patterns.COUNTRY}\d\d[a-z0-9]{{11}})",
    "cookie": "cookie",
    "email": r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]@[a-z0-9-]+\.[a-z0-9-]",
    "escape": "%[0-9a-f]{2}",
    "hidden": r"\\u00(?:00|[2-7])|\\/|\x00",  # ASCII spelled so that no other hint would know it
}
_NUMBER, _COOKIE, _EMAIL, _ESCAPE, _HIDDEN = range(len(_GATES), len(_GATES) + len(_OTHERS))

_NOTHING = Hints()
ALL = Hints(tuple(_GATES), numbers=True, cookies=True, emails=True, escapes=True)


def scan(data: Any, body: bytes) -> Hints:
    """
    Which rules a value could break.

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
        tuple(gate for index, gate in enumerate(_GATES) if index in found),
        numbers=_NUMBER in found,
        cookies=_COOKIE in found,
        emails=_EMAIL in found,
        escapes=_ESCAPE in found,
    )


def _compiled() -> Any:
    hints = re2.Set.SearchSet(scrub_patterns.options())
    for hint in (*_GATES.values(), *_OTHERS.values()):
        hints.Add(hint.encode())
    hints.Compile()
    return hints


_HINTS = _compiled()
