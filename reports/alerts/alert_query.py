"""Queries that operators give to alert rules: one select over schema analytics, read only, bounded in time and rows."""

from typing import Any

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import Connection, Engine, text

from models.ddl import driver
from reports.errors import BadRule

MOST_ROWS = 100
LIMITS = text(
    "select set_config('transaction_read_only', 'on', true), set_config('statement_timeout', '10s', true), "
    "set_config('search_path', 'analytics', true), set_config('work_mem', '64MB', true)"
)


def check(connection: Connection, query: str) -> None:
    """Have PostgreSQL read a query, without running it. Raises BadRule when it is not one select with a subject."""
    limited(connection)
    server = driver(connection).pgconn
    told = server.prepare(b"", _wrapped(query).encode())  # without a name, so that a pooler's process does not keep it
    if told.status != psycopg.pq.ExecStatus.COMMAND_OK:
        raise BadRule(f"--sql cannot be used ({_said(told.error_message)}); write one select over schema analytics.")
    shape = server.describe_prepared(b"")
    names = [shape.fname(place) for place in range(shape.nfields)]
    if b"subject" not in names:
        raise BadRule("--sql has no column subject; name what a row is about, as in `select project as subject, …`.")


def rows(engine: Engine, query: str) -> tuple[dict[str, Any], ...]:
    """Ask a query. Raises BadRule when it cannot be answered."""
    with engine.connect() as connection, connection.begin():
        limited(connection)
        try:
            with driver(connection).cursor(row_factory=dict_row) as cursor:
                # with a value, so that the server takes one statement and not two
                asked = _wrapped(query).replace("%", "%%").encode() + b" offset %s"
                return tuple(cursor.execute(asked, (0,)).fetchall())
        except psycopg.OperationalError:
            if driver(connection).broken:
                raise
            raise BadRule("The query took longer than 10 s; make it quicker, or ask for less.") from None
        except psycopg.Error as wrong:
            raise BadRule(f"The query cannot be asked ({_said(str(wrong).encode())}).") from None


def limited(connection: Connection) -> None:
    """Let the rest of a transaction only read, and not for long."""
    connection.execute(LIMITS)


def _wrapped(query: str) -> str:
    bare = query.strip().rstrip(";").rstrip()
    return f"select * from (\n{bare}\n) as asked limit {MOST_ROWS}"  # noqa: S608 - it is the operator's own query


def _said(message: bytes | None) -> str:
    lines = (message or b"").decode("utf-8", "replace").strip().splitlines()
    return (lines[0] if lines else "it was refused").removeprefix("ERROR:").strip().rstrip(".")
