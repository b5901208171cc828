"""
How this room reads: questions in SQL, answers as DataFrames, all of one report from one snapshot.

Reading goes over ADBC, whose Arrow tables need a fifth of the memory that rows of Python objects do. Statements have
named parameters and read schema `analytics` only, so that an analyst's login is enough.

Questions that are known beforehand are asked in other threads, two at once, while this one imports what reads the
answers.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from reports.errors import ReportsError, TooManyRows

if TYPE_CHECKING:
    import pandas as pd

    from reports.questions import Question
    from reports.session import Sessions

MOST_ROWS = 2_000_000  # of one answer; more is a question that the database should have grouped
STATEMENT_SECONDS = 120
SETTINGS = (
    "set transaction isolation level repeatable read read only",
    "set local timezone = 'UTC'",
    "set local jit = off",
    "set local work_mem = '32MB'",  # a grouping of a hundred thousand rows stays in memory
    f"set local statement_timeout = '{STATEMENT_SECONDS}s'",
)

_NAMED = re.compile(r"(?<!:):([a-z_]+)")


class Reader:
    """One snapshot of the warehouse; everything asked of it agrees."""

    def __init__(self, sessions: "Sessions") -> None:
        self._sessions = sessions
        self._coming: dict[str, Future[Any]] = {}
        self.row_count = 0

    def ask(self, questions: "Sequence[Question]") -> None:
        """Begin to ask these, in this order and as many at once as there are sessions; `read` gives what came."""
        for sql, told in questions:
            statement, values = positional(sql, told)
            self._coming[f"{statement}{values}"] = self._sessions.ask(statement, values)

    def read(self, sql: str, **told: Any) -> "pd.DataFrame":
        """
        Ask a question.

        Takes: SQL with `:name` for what is told; instants must be aware, lists are arrays.
        Gives: text as str, whole numbers as int64, instants as datetime64[us, UTC], dates and lists as objects.
        Raises: TooManyRows, ReportsError when the database does not answer.
        """
        statement, values = positional(sql, told)
        coming = self._coming.pop(f"{statement}{values}", None)
        try:
            answer = (coming or self._sessions.ask(statement, values)).result()
        except Exception as error:
            raise ReportsError(f"The warehouse did not answer ({_said(error)}); see `errhouse db status`.") from error
        if answer.num_rows > MOST_ROWS:
            raise TooManyRows(f"The answer has {answer.num_rows:,} rows; ask for a shorter period or fewer groupings.")
        self.row_count += answer.num_rows
        frame: pd.DataFrame = answer.to_pandas()
        return frame


@contextmanager
def reading(url: str, ahead: "Sequence[Question]" = ()) -> Iterator[Reader]:
    """Open a snapshot of the warehouse at a `postgresql://` URL, and begin to ask. Raises ReportsError."""
    from reports.session import Sessions  # noqa: PLC0415 - a command loads what it needs

    try:
        sessions = Sessions(url, SETTINGS)
    except Exception as error:
        raise ReportsError(f"The warehouse cannot be reached ({_said(error)}); see `errhouse db status`.") from error
    with sessions:
        reader = Reader(sessions)
        reader.ask(ahead)
        yield reader


def positional(sql: str, told: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Give the statement with $1, $2, … and the values in that order; each name has one number (pure)."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    statement = _NAMED.sub(number, sql)
    return statement, [_bound(told[name]) for name in names]


def _bound(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC)  # the driver ignores any other zone
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    return value


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
