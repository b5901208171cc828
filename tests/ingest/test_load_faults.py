"""Whatever the database does in the middle of a batch, nothing is lost, set aside for no reason, or counted twice."""

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError

from ingest.progress import Tally, positions
from ingest.records import Door, Payload
from ingest.spool import Position
from ingest.sqlstate import Verdict, verdict
from tests.support import builders, warehouse
from tests.support.loading import NOON, loading, sdk, told, us

SPOOL = UUID(int=7)
POSITION = Position(SPOOL, 3, 1234)
NO_EVENT = Payload(us(NOON), Door.STORE, b"no event", 1, {})


def state(url: str) -> dict[str, Any]:
    counted = {
        table: warehouse.value(url, f"select count(*) from warehouse.{table}") for table in ("fact_event", "set_aside")
    }
    return {
        **counted,
        "tally": warehouse.tally(url),
        "position": warehouse.rows(url, "select segment, byte_offset from warehouse.spool_position"),
    }


def run(url: str, statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set role none")
        for statement in filter(None, statements.split(";")):
            connection.execute(statement.encode())


GRANTS = (
    "create role weak_{0} nologin; grant usage, create on schema warehouse to weak_{0}; "
    "grant all on all tables in schema warehouse to weak_{0}; "
    "revoke insert on warehouse.fact_event from weak_{0}; alter database {1} set role to weak_{0}"
)
FAULTS = {
    "INSERT is revoked": (GRANTS, "grant insert on warehouse.fact_event to weak_{0}"),
    "the table is renamed": (
        "alter table warehouse.fact_event rename to gone",
        "alter table warehouse.gone rename to fact_event",
    ),
    "a column is dropped": (
        "drop view analytics.events; alter table warehouse.fact_event drop column url",
        "alter table warehouse.fact_event add column url text",
    ),
    "a dimension is gone": (
        "alter table warehouse.dim_release rename to gone",
        "alter table warehouse.gone rename to dim_release",
    ),
}


@pytest.mark.scenario("D-10")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_database_that_is_not_as_it_should_be_costs_no_event(database_url: str, fault: str) -> None:
    name, database = uuid4().hex[:8], database_url.rpartition("/")[2]
    breaks, mends = (statement.format(name, database) for statement in FAULTS[fault])
    batch = [sdk(builders.event(timestamp=told(NOON))) for _ in range(4)]
    with loading(database_url) as (loader, _):
        loader.load([sdk(builders.event(timestamp=told(NOON)))], origin="test")
    try:
        run(database_url, breaks)
        with loading(database_url) as (loader, engine):
            with pytest.raises(DBAPIError) as wrong:
                loader.load(batch, origin="test", position=POSITION)
            assert verdict(wrong.value) is Verdict.SCHEMA
            run(database_url, mends)
            loader.reset()
            engine.dispose()
            assert loader.load(batch, origin="test", position=POSITION) == Tally(4, 4, 4, 0, 0, 0)
    finally:
        run(database_url, f"alter database {database} reset role")
        if fault == "INSERT is revoked":
            run(database_url, f"drop owned by weak_{name}; drop role weak_{name}")
    assert warehouse.value(database_url, "select count(*) from warehouse.set_aside") == 0


@pytest.mark.scenario("D-17")
@pytest.mark.parametrize("where", ["batch_event", "set_aside", "load_tally", "spool_position", "commit"])
def test_a_connection_that_is_cut_anywhere_commits_nothing_and_the_retry_is_exact(
    database_url: str, where: str
) -> None:
    batch = [sdk(builders.event(timestamp=told(NOON))) for _ in range(4)] + [NO_EVENT]
    with loading(database_url) as (loader, engine):
        loader.load([], origin="test", position=Position(SPOOL, 1, 10))
        before = state(database_url)
        cut = Cutter(engine, database_url, where)
        with pytest.raises(Exception, match=r"terminat|closed|lost|OperationalError") as wrong:
            loader.load(batch, origin="test", position=POSITION)
        assert verdict(wrong.value) is Verdict.RETRY
        assert cut.done
        assert state(database_url) == before
        loader.reset()
        tally = loader.load(batch, origin="test", position=POSITION)
        assert positions(engine) == {str(SPOOL): POSITION}
    assert tally == Tally(5, 4, 4, 0, 0, 1)
    after = state(database_url)
    assert (after["fact_event"], after["set_aside"], after["tally"]) == (4, 1, tally._asdict())


class Cutter:
    """Ends the server's side of a connection once, just before the statement that names `where`, or the commit."""

    def __init__(self, engine: Engine, url: str, where: str) -> None:
        self.done = False
        self._url, self._where = url, where
        event.listen(engine, "before_cursor_execute", self._statement)
        event.listen(engine, "commit", self._commit)

    def _statement(self, connection: Any, _cursor: object, statement: str, *_: object) -> None:
        if self._where in statement:
            self._cut(connection)

    def _commit(self, connection: Any) -> None:
        if self._where == "commit":
            self._cut(connection)

    def _cut(self, connection: Any) -> None:
        if not self.done:
            self.done = True
            pid = connection.connection.driver_connection.info.backend_pid
            assert warehouse.value(self._url, "select pg_terminate_backend(%s, 5000)", pid)
