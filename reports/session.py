"""
A connection to PostgreSQL that answers with Arrow tables, by ADBC's own calls.

ADBC's DB-API does the same, and imports pandas before it connects; a report has asked by then.
"""

from contextlib import suppress
from typing import Any, Self

import adbc_driver_manager as adbc
import adbc_driver_postgresql
import pyarrow as pa


class Session:
    """One transaction; it is used by one thread at a time."""

    def __init__(self, url: str) -> None:
        self._database = adbc_driver_postgresql.connect(url)
        try:
            self._connection = adbc.AdbcConnection(self._database)
        except BaseException:
            self._database.close()
            raise
        self._connection.set_autocommit(False)

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the database as it was."""
        with suppress(adbc.Error):
            self._connection.rollback()
        self._connection.close()
        self._database.close()

    def run(self, statement: str) -> None:
        """Run a statement that answers nothing."""
        with adbc.AdbcStatement(self._connection) as made:
            made.set_sql_query(statement)
            made.execute_update()

    def ask(self, statement: str, values: list[Any]) -> pa.Table:
        """Ask a question with values for $1, $2, …; give the whole answer."""
        with adbc.AdbcStatement(self._connection) as made:
            made.set_sql_query(statement)
            if values:
                made.prepare()
                made.bind(pa.record_batch([[value] for value in values], names=[str(at) for at in range(len(values))]))
            stream, _ = made.execute_query()
            return pa.RecordBatchReader._import_from_c(stream.address).read_all()  # noqa: SLF001 - as ADBC does

    def cancel(self) -> None:
        """End what is asked in another thread, if anything is."""
        with suppress(adbc.Error):
            self._connection.cancel()
