"""
Payloads made fit to train a dictionary on: a dictionary outlives its payloads, so nothing in it may tell a person.

Three sieves, each of which would do for most: what says who somebody is goes by its place and its shape; what the users
of these events are called goes wherever it stands, in their own events and in the others'; and a word that does not
stand in the events of several users goes whatever it is.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

import msgspec

FEWEST_USERS = 5  # a word of fewer users' events is not trained on
MOST_SAMPLE_CHARS = 32 * 1024

_USER_KEYS = ("user", "sentry.interfaces.User")
_REQUEST_KEYS = ("request", "sentry.interfaces.Http")
_KEPT_OF_REQUEST = ("method", "url")
_SHORT = 4  # an identifier of fewer characters goes only where it stands alone
_MAIL_AT = re.compile(r"(?:@|%40)[\w-]+(?:\.[\w-]+)+")
_IN_MAIL = "._+%-"
_IPV4 = re.compile(r"(?<!\d)\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}")
_IPV6_COLON = re.compile(r":[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*(?!\w)")
_IN_IPV6 = "0123456789abcdefABCDEF:"
_TIME = re.compile(r"\d\d:\d\d:\d\d(\.\d+)?")
_WORD = re.compile(r"\w{3,}")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class _Sample(NamedTuple):
    text: str
    user: str


def faceless(bodies: Sequence[bytes]) -> list[bytes]:
    """Give these payloads without anything that tells a person; they are no JSON any more, only text to train on."""
    samples: list[_Sample] = []
    names: set[str] = set()
    for number, body in enumerate(bodies):
        try:
            event = _decode(body)
            identifiers = _identifiers(event)
            samples.append(_Sample(_text(event, identifiers), "\n".join(sorted(identifiers)) or str(number)))
        except (msgspec.MsgspecError, RecursionError, ValueError):
            continue
        names.update(word for identifier in identifiers for word in _names(identifier))
    common = _common(samples) - names

    def kept(found: re.Match[str]) -> str:
        word = found[0]
        return word if word.lower() in common else ""

    return [_WORD.sub(kept, sample.text).encode() for sample in samples]


def _common(samples: Sequence[_Sample]) -> set[str]:
    """Give the words, in small letters, that stand in the events of several users."""
    has_users = len({sample.user for sample in samples}) >= 2 * FEWEST_USERS
    seen: defaultdict[str, set[str]] = defaultdict(set)
    for number, sample in enumerate(samples):
        who = sample.user if has_users else str(number)
        for word in {found.lower() for found in _WORD.findall(sample.text)}:
            if len(users := seen[word]) < FEWEST_USERS:
                users.add(who)
    return {word for word, users in seen.items() if len(users) >= FEWEST_USERS}


def _identifiers(event: dict[str, Any]) -> set[str]:
    """Give everything that is said of an event's user, apart from where in the world."""
    return {told for key in _USER_KEYS for told in _leaves(event.get(key)) if told.strip()}


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != "geo":
                yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
        yield str(value)


def _names(identifier: str) -> list[str]:
    """Give the words of an identifier that must not stand anywhere; a mail's domain and an address's numbers may."""
    if _IPV4.fullmatch(identifier):
        return []
    return [word.lower() for word in _WORD.findall(_MAIL_AT.sub(" ", identifier))]


def _text(event: dict[str, Any], identifiers: set[str]) -> str:
    """Write an event without its user, what came with the request, addresses, and whatever identifies its user."""
    for key in _USER_KEYS:
        event.pop(key, None)
    for key in _REQUEST_KEYS:
        if isinstance(told := event.get(key), dict):
            event[key] = {name: str(told[name]).partition("?")[0] for name in _KEPT_OF_REQUEST if name in told}
    text = _without(_encode(event).decode(), _MAIL_AT, lambda char: char.isalnum() or char in _IN_MAIL)
    text = _without(text, _IPV6_COLON, _IN_IPV6.__contains__)
    text = _IPV4.sub("", text)
    lowered = text.lower()
    forms = {
        form for told in identifiers for form in (told, _encode(told).decode()[1:-1], quote(told), quote_plus(told))
    }
    if there := [form for form in forms if form.lower() in lowered]:
        text = _any_of(there).sub("", text)
    return text[:MOST_SAMPLE_CHARS]


def _without(text: str, end: re.Pattern[str], is_before: Callable[[str], bool]) -> str:
    """Leave out what ends like this, with what stands before it: a pattern that began with that would take minutes."""
    parts: list[str] = []
    done = 0
    for found in end.finditer(text):
        start = found.start()
        while start > done and is_before(text[start - 1]):
            start -= 1
        if not _TIME.fullmatch(text, start, found.end()):
            parts.append(text[done:start])
            done = found.end()
    return "".join((*parts, text[done:]))


def _any_of(forms: list[str]) -> re.Pattern[str]:
    longest_first = sorted(forms, key=len, reverse=True)
    parts = [re.escape(form) if len(form) >= _SHORT else rf"(?<!\w){re.escape(form)}(?!\w)" for form in longest_first]
    return re.compile("|".join(parts), re.IGNORECASE)
