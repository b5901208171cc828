"""How pages reach the database: few connections, each page one read-only snapshot that cannot last."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text

from models.engine import engine_for
from models.watch import PATIENCE

AT_ONCE = 4
STATEMENT_SECONDS = 30

LIMIT = text(f"set local statement_timeout = '{STATEMENT_SECONDS}s'")


class Warehouse:
    """The database, for pages."""

    def __init__(self, url: str) -> None:
        self._engine: Engine = engine_for(
            url, application="errhouse console", pool_size=AT_ONCE, is_patient=True, tries=PATIENCE
        )
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a snapshot in which everything agrees and nothing can be written."""
        with self._snapshots.connect() as connection:
            connection.execute(LIMIT)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction for what the console itself keeps: sessions, and whether a schedule runs."""
        with self._engine.begin() as connection:
            connection.execute(LIMIT)
            yield connection

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()
