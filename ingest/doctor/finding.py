"""What a check is given, and what it finds."""

import os
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine, text

from models.settings import Settings

STATEMENT_LIMIT = text("set statement_timeout = '4s'")  # below the deadline of a check, so that it can say why
MOST_NAMED = 3


class State(StrEnum):
    """How a link is."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    SKIPPED = "skipped"


class Finding(NamedTuple):
    """What one check says: how it is, in a sentence, and what to do about it; `name` is the check's."""

    state: State
    sentence: str
    cure: str = ""
    name: str = ""


class Skip(Exception):
    """A check cannot be made here; the sentence says why."""


Look = Callable[[Connection, datetime], Sequence[tuple[str, str, str, str]]]
"""Tells how things of another room are: of each its name, "ok", "warning" or "wrong", why, and what to do."""


class Database:
    """The database as a check sees it; without an engine, why there is none."""

    def __init__(self, engine: Engine | None, why: str = "", *, is_wrong: bool = True) -> None:
        self._engine = engine
        self.why = why
        self.is_wrong = is_wrong

    @property
    def is_reached(self) -> bool:
        """Whether it could be reached when the examination began."""
        return self._engine is not None

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Give a connection whose statements are ended in time. Raises Skip when there is none."""
        if self._engine is None:
            raise Skip("It cannot be looked at without the database.")
        with self._engine.connect() as connection:
            connection.execute(STATEMENT_LIMIT)
            connection.commit()
            yield connection


def nothing(_: Connection, __: datetime) -> Sequence[tuple[str, str, str, str]]:
    """Give nothing, where no other room was asked."""
    return ()


@dataclass(frozen=True)
class Context:
    """
    What checks look at.

    Takes: `targets` and `scripts`, as reports tells them; `sync` and `tls`, how bytes are made durable and what
    certificates are checked against.
    """

    settings: Settings
    database: Database
    clock: Callable[[], datetime]
    targets: Look = nothing
    scripts: Look = nothing
    sync: Callable[[int], None] = os.fdatasync
    tls: Callable[[], ssl.SSLContext] = ssl.create_default_context

    @property
    def run_dir(self) -> Path:
        """Return where the processes say how they fare."""
        return self.settings.DATA_DIR / "run"


def ok(sentence: str) -> Finding:
    """Say that all is well."""
    return Finding(State.OK, sentence)


def warning(sentence: str, cure: str) -> Finding:
    """Say what may become wrong."""
    return Finding(State.WARNING, sentence, cure)


def wrong(sentence: str, cure: str) -> Finding:
    """Say what is wrong, and what to do."""
    return Finding(State.WRONG, sentence, cure)


def worst(found: Sequence[Finding]) -> Finding:
    """Give several findings as one: of the worst state, with the sentences of that state."""
    for state in (State.WRONG, State.WARNING, State.OK):
        if same := [each for each in found if each.state is state]:
            cures = dict.fromkeys(each.cure for each in same if each.cure)
            return Finding(state, " ".join(dict.fromkeys(each.sentence for each in same)), " ".join(cures))
    return found[0]


def named(names: Sequence[str]) -> str:
    """Name a few, and say how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
