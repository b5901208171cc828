"""Statements that take no parameters: psycopg quotes names and words into them; locks are asked for again and again."""

from collections.abc import Callable
from time import sleep
from typing import LiteralString

from psycopg import Connection as Driver
from psycopg import errors, sql
from sqlalchemy import Connection, Engine, text

from models.errors import ModelsError

LOCK_WAIT = "1s"  # nobody waits longer behind a statement of ours
ATTEMPTS = 40
PAUSE_SECONDS = 0.25
# the last three: another does the same at the same time
BUSY = (
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.InternalError_,
    errors.UniqueViolation,
    errors.DuplicateObject,
)


class Busy(ModelsError):
    """Others hold what is to be changed, for longer than we wait."""


def driver(connection: Connection) -> Driver:
    """Give psycopg's own connection, within the same transaction."""
    found = connection.connection.driver_connection
    assert isinstance(found, Driver)  # noqa: S101 - an open connection has one, of this kind
    return found


def run(connection: Connection, statement: LiteralString, *names: str, words: tuple[str, ...] = ()) -> None:
    """
    Execute one statement: each `{}` stands for a name, quoted as an identifier, then for a word, quoted as a literal.

    Raises: psycopg.Error.
    """
    parts = [*map(sql.Identifier, names), *map(sql.Literal, words)]
    _begin(connection)
    driver(connection).execute(sql.SQL(statement).format(*parts))


def run_made(connection: Connection, *statements: str) -> None:
    """Execute statements that the server has made and quoted, or that hold nothing but our own constants, at once."""
    _begin(connection)
    driver(connection).execute("; ".join(statements).encode())


def _begin(connection: Connection) -> None:
    """Let SQLAlchemy know of the transaction, which it would otherwise not commit."""
    if not connection.in_transaction():
        connection.execute(text("select"))


def attempted(connection: Connection, statement: LiteralString, *names: str) -> bool:
    """Execute a statement that may be refused; return whether it was done, and leave the transaction whole."""
    savepoint = connection.begin_nested()
    try:
        run(connection, statement, *names)
    except errors.InsufficientPrivilege:
        savepoint.rollback()
        return False
    savepoint.commit()
    return True


def patiently(engine: Engine, step: Callable[[Connection], None]) -> None:
    """
    Do one step in a short transaction of its own, again and again while others hold what it needs.

    Raises: Busy after some ten seconds; psycopg.Error, of which nothing was done.
    """
    for _ in range(ATTEMPTS):
        try:
            with engine.begin() as connection:
                connection.execute(text("select set_config('lock_timeout', :wait, true)"), {"wait": LOCK_WAIT})
                step(connection)
        except BUSY as error:
            reason = str(error).splitlines()[0]
            sleep(PAUSE_SECONDS)
        else:
            return
    raise Busy(f"Others work with what is to be changed ({reason}); end long queries and try again.")
