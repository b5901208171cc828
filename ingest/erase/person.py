"""Whom to erase, and how they are found and blotted out in text and JSON (pure)."""

import json
import re
from collections.abc import Iterable
from functools import cached_property
from typing import Any
from urllib.parse import quote

from ingest import jsontext
from ingest.stored_event import ERASED

LEAST_CHARS = 6
"""An identifier that is shorter stands for too much else to be searched for in running text."""

_USER = ("user", "sentry.interfaces.User")
_KINDS = ("id", "email", "username", "ip")  # Sentry's tag "user" says `id:7`

_STRUCTURE_KEYS = (
    "event_id eventID timestamp start_timestamp received datetime dateCreated dateReceived platform level type version "
    "sdk project projectID hashes fingerprints issue_id groupID key_id grouping_config debug_meta modules _meta"
)
# what makes an event what it is, and names nobody but in an e-mail address
_STRUCTURE = frozenset(_STRUCTURE_KEYS.split())
_PROGRAM_KEYS = "function raw_function module package filename abs_path type level platform category method"
# words of programs, where a short identifier is only a name like another
_PROGRAM = frozenset(_PROGRAM_KEYS.split())


class Person:
    """
    What names a person.

    Takes: `identifiers`, the asked one first, then those of their rows in dim_user.
    """

    def __init__(self, identifiers: Iterable[str]) -> None:
        self.identifiers = tuple(dict.fromkeys(each for each in identifiers if each))
        self._long = [each for each in self.identifiers if _is_distinctive(each)]
        self._short = frozenset(each.casefold() for each in self.identifiers if not _is_distinctive(each))
        self._of_all = [each for each in self._long if "@" in each or each == self.identifiers[0]]

    @property
    def is_searched_for(self) -> bool:
        """Whether anything of the person can be told from other text, in events that are not theirs."""
        return bool(self._of_all)

    @property
    def is_named_otherwise(self) -> bool:
        """Whether there is more that names them in their own events."""
        return len(self._long) > len(self._of_all)

    @cached_property
    def needles(self) -> tuple[str, ...]:
        """Give what stands in text, in lower case, where there is something to erase; often it is nothing."""
        return tuple({form.lower() for each in self._of_all for form in _forms(each)})

    @cached_property
    def like(self) -> list[str]:
        """Give what to look for in text of anybody, as SQL's `like` takes it."""
        return _like(self._of_all)

    @cached_property
    def own_like(self) -> list[str]:
        """Give what to look for in text of their own events."""
        return _like(self._long)

    def text(self, value: str, *, is_own: bool = False) -> str:
        """Blot the person out of text; `is_own`: it is of an event that happened to them."""
        return ERASED if is_own and self._is_whole(value) else self._running(value, is_own)

    def words(self, value: Any, *, is_own: bool = False) -> Any:
        """Blot the person out of what describes events of several people: no short identifier is looked for."""
        if isinstance(value, str):
            return self._running(value, is_own)
        if isinstance(value, dict):
            return {self._running(name, is_own): self.words(item, is_own=is_own) for name, item in value.items()}
        return [self.words(item, is_own=is_own) for item in value] if isinstance(value, list) else value

    def json(self, value: Any, *, is_own: bool = False) -> Any:
        """Blot the person out of a JSON value, in keys as in values; gives an equal value if there is nothing."""
        return self._json(value, is_own, "")

    def event(self, data: Any, *, is_own: bool) -> Any:
        """Blot the person out of an event; of their own events the user goes whole."""
        if not isinstance(data, dict):
            return self.json(data, is_own=is_own)
        erased: dict[str, Any] = {}
        for key, value in data.items():
            if is_own and key in _USER:
                continue
            if key in _STRUCTURE:
                erased[key] = self._mails_only(value)
            else:
                erased[self.text(key, is_own=is_own)] = self._json(value, is_own, key)
        return erased

    def payload(self, body: bytes, *, is_own: bool) -> bytes | None:
        """Give an event's JSON without the person, None if they are not in it."""
        if not is_own and not self.may_be_in(body):
            return None
        data, _ = jsontext.parse(body)
        erased = self.event(data, is_own=is_own)
        return None if erased == data else jsontext.encode(erased)

    def may_be_in(self, body: bytes) -> bool:
        """Whether bytes may hold the person: cheap, sure if false."""
        if not self.needles:
            return False
        if b"\\u" in body:  # a letter may be written as its number
            return True
        lower = body.decode("utf-8", "replace").lower()
        return any(needle in lower for needle in self.needles)

    def barred(self, body: bytes) -> bytes:
        """
        Give bytes of whatever kind with the person struck out at the same length, so that framing still holds.

        Where they are named by what only they are named by, everything else that names them is struck out, too.
        """
        text = body.decode("utf-8", "surrogateescape")
        if self._pattern is None or self._own_pattern is None or not self._pattern.search(text):
            return body
        struck = self._own_pattern.sub(lambda found: "*" * len(found[0].encode("utf-8", "surrogateescape")), text)
        return struck.encode("utf-8", "surrogateescape")

    def is_in(self, text: str) -> bool:
        """Whether text holds the person."""
        return self._pattern is not None and self._pattern.search(text) is not None

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return _compiled(self._of_all)

    @cached_property
    def _own_pattern(self) -> re.Pattern[str] | None:
        return _compiled(self._long)

    @cached_property
    def _mail_pattern(self) -> re.Pattern[str] | None:
        return _compiled([each for each in self._long if "@" in each])

    def _is_whole(self, value: str) -> bool:
        folded = value.casefold()
        kind, colon, name = folded.partition(":")
        return folded in self._short or (bool(colon) and kind in _KINDS and name in self._short)

    def _running(self, value: str, is_own: bool) -> str:
        pattern = self._own_pattern if is_own else self._pattern
        return value if pattern is None else pattern.sub(ERASED, value)

    def _json(self, value: Any, is_own: bool, key: str) -> Any:
        if isinstance(value, str):
            return self._running(value, is_own) if key in _PROGRAM else self.text(value, is_own=is_own)
        if isinstance(value, dict):
            return {self.text(name, is_own=is_own): self._json(item, is_own, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self._json(item, is_own, key) for item in value]
        if isinstance(value, int) and not isinstance(value, bool):
            known = self._long if is_own else self._of_all
            return ERASED if str(value) in known else value
        return value

    def _mails_only(self, value: Any) -> Any:
        if isinstance(value, str):
            return value if self._mail_pattern is None else self._mail_pattern.sub(ERASED, value)
        if isinstance(value, dict):
            return {name: self._mails_only(item) for name, item in value.items()}
        return [self._mails_only(item) for item in value] if isinstance(value, list) else value


def _is_distinctive(identifier: str) -> bool:
    return "@" in identifier or len(identifier) >= LEAST_CHARS


def _like(identifiers: Iterable[str]) -> list[str]:
    forms = {form.lower() for each in identifiers for form in _forms(each)}
    return ["%" + re.sub(r"([\\%_])", r"\\\1", form) + "%" for form in sorted(forms)]


def _forms(identifier: str) -> set[str]:
    """Give an identifier as it stands in text, in a URL, and in JSON."""
    return {identifier, quote(identifier, safe=""), quote(identifier, safe="@"), json.dumps(identifier)[1:-1]} | {
        json.dumps(identifier, ensure_ascii=False)[1:-1]
    }


def _compiled(identifiers: Iterable[str]) -> re.Pattern[str] | None:
    """Match identifiers where they stand alone: `a@b.example` not in `ma@b.example`, `10.0.0.1` not in `10.0.0.12`."""
    parts = []
    for identifier in sorted(identifiers, key=len, reverse=True):
        forms = "|".join(re.escape(form) for form in sorted(_forms(identifier), key=len, reverse=True))
        if "@" in identifier:
            left = r"(?:(?<![\w])(?<![\w][.+\-])|(?<=%[0-9a-f]{2}))"
            right = r"(?![^\W_])(?!-\w)(?!\.[a-z]{2,3}(?!\w))"
        else:
            left = r"(?:(?<![^\W_])(?<!\d\.)|(?<=%[0-9a-f]{2}))"
            right = r"(?![^\W_])(?!\.\d)"
        parts.append(f"{left}(?:{forms}){right}")
    return re.compile("|".join(parts), re.IGNORECASE) if parts else None
