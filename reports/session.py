"""
Connections to PostgreSQL that answer with Arrow tables, by ADBC's own calls; all of one snapshot.

ADBC's DB-API does the same, and imports pandas before it connects; a report has asked by then.
"""

import re
import struct
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from queue import SimpleQueue
from typing import Any, Self

import adbc_driver_manager as adbc
import adbc_driver_postgresql
import pyarrow as pa

from reports.sketches import SKETCH, counted

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AT_ONCE = 2  # questions; more than one, since a question waits for the disk and for one of PostgreSQL's processes

_SNAPSHOT = re.compile(r"[0-9A-F]+(-[0-9A-F]+)*")


class Session:
    """One transaction; it is used by one thread at a time."""

    def __init__(self, database: adbc.AdbcDatabase) -> None:
        self._connection = adbc.AdbcConnection(database)
        self._connection.set_autocommit(False)

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the database as it was."""
        with suppress(adbc.Error):
            self._connection.rollback()
        self._connection.close()

    def run(self, statement: str) -> None:
        """Run a statement that answers nothing."""
        with adbc.AdbcStatement(self._connection) as made:
            made.set_sql_query(statement)
            made.execute_update()

    def ask(self, statement: str, values: list[Any]) -> pa.Table:
        """Ask a question with values for $1, $2, …; give the whole answer, in which sketches are counted as users."""
        with adbc.AdbcStatement(self._connection) as made:
            made.set_sql_query(statement)
            if values:
                made.prepare()
                names = [str(at) for at in range(len(values))]
                made.bind(pa.RecordBatch.from_arrays([_array(value) for value in values], names=names))
            stream, _ = made.execute_query()
            answer = pa.RecordBatchReader._import_from_c(stream.address)  # noqa: SLF001 - as ADBC does
            return counted(answer) if SKETCH in answer.schema.names else answer.read_all()

    def cancel(self) -> None:
        """End what is asked in another thread, if anything is."""
        with suppress(adbc.Error):
            self._connection.cancel()


def _array(value: Any) -> pa.Array:
    """
    Give an array of one value.

    Dates and instants, which every report asks with, are written as Arrow keeps them: before it converts a value,
    pyarrow imports pandas, and the question would wait for that.
    """
    if isinstance(value, datetime):
        number = (value - EPOCH) // timedelta(microseconds=1)
        return pa.Array.from_buffers(pa.timestamp("us", "UTC"), 1, [None, pa.py_buffer(struct.pack("=q", number))])
    if isinstance(value, date):
        number = (value - EPOCH.date()).days
        return pa.Array.from_buffers(pa.date32(), 1, [None, pa.py_buffer(struct.pack("=i", number))])
    return pa.array([value])


class Sessions:
    """
    Sessions that see the same, and the threads that ask in them.

    The first is opened here, the others beside its first question. Where they cannot be, as where connections are few,
    the first does their work.
    """

    def __init__(self, url: str, settings: Sequence[str]) -> None:
        """Open the first one. Raises adbc.Error."""
        self._settings = settings
        self._database = adbc_driver_postgresql.connect(url)  # which asks for the types there are, once
        self._opened: list[Session] = []
        self._free: SimpleQueue[Session] = SimpleQueue()
        self._askers = ThreadPoolExecutor(AT_ONCE, "asking")
        try:
            first = self._open()
            snapshot = first.ask("select pg_export_snapshot() as id", [])["id"][0].as_py()
        except BaseException as wrong:
            self.__exit__(type(wrong))
            raise
        self._free.put(first)
        for _ in range(AT_ONCE - 1):
            self._askers.submit(self._join, snapshot)

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, wrong: type[BaseException] | None, *_: object) -> None:
        """Wait for what is being asked, or end it when something went wrong, and leave the database as it was."""
        self._askers.shutdown(wait=False, cancel_futures=True)
        for each in self._opened if wrong else ():
            each.cancel()
        self._askers.shutdown()
        for each in self._opened:
            each.__exit__()
        self._database.close()

    def ask(self, statement: str, values: list[Any]) -> "Future[pa.Table]":
        """Begin to ask a question, in the order of asking, as soon as a session is free."""
        return self._askers.submit(self._asked, statement, values)

    def _asked(self, statement: str, values: list[Any]) -> pa.Table:
        session = self._free.get()
        try:
            return session.ask(statement, values)
        finally:
            self._free.put(session)

    def _open(self) -> Session:
        session = Session(self._database)
        self._opened.append(session)
        for each in self._settings:
            session.run(each)
        return session

    def _join(self, snapshot: str) -> None:
        """Open another session on the snapshot of the first."""
        if not _SNAPSHOT.fullmatch(snapshot):  # for it is a word of a statement that takes no values
            return
        with suppress(adbc.Error):
            session = self._open()
            session.run(f"set transaction snapshot '{snapshot}'")
            self._free.put(session)
