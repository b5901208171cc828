"""A loader that is not the owner does everything a loader does, with policies and without."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine

from models import access, migrate, partitions, projects, rebuild, rls, roles
from models.engine import engine_for
from models.fold import fold_all
from models.maintain import maintain
from models.ownership import as_owner, become_owner
from models.settings import Settings
from tests.support import postgres, warehouse
from tests.support import roles as support
from tests.support.builders import event
from tests.support.cluster import Cluster
from tests.support.loading import NOON, PROJECT, loading, sdk, store, told
from tests.support.wait import until

DAY = timedelta(days=1)
LEAVES = (
    "select c.relname, pg_get_userbyid(c.relowner) as owner, has_table_privilege(%s, c.oid, 'INSERT') as may_insert "
    "from pg_inherits i join pg_class c on c.oid = i.inhrelid where c.relkind = 'r'"
)
WHO = "select current_user || ' ' || session_user"


@pytest.fixture(params=["without policies", "with policies"])
def loader_url(database_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    with support.login(database_url, "loader") as url:
        if request.param == "with policies":
            engine = engine_for(database_url)
            rls.enable(engine)
            engine.dispose()
        yield url


@pytest.fixture
def engine(loader_url: str) -> Iterator[Engine]:
    made = engine_for(loader_url)
    yield made
    made.dispose()


def test_loading_folding_rebuilding_and_upgrading_need_a_loader_s_rights_alone(
    loader_url: str, engine: Engine, database_url: str
) -> None:
    migrate.upgrade(loader_url)
    with engine.begin() as connection:
        projects.added(connection, "shop", PROJECT, True, NOON)
        projects.hook_added(connection, "old", NOON)
        access.read(connection)
    events = [event(timestamp=told(NOON - days * DAY)) for days in (0, 0, 1, 9, 40)]
    with loading(loader_url) as (loader, _):
        loader.prepare()
        loader.load([sdk(*events)], origin="test")
        again = loader.load([sdk(*events), store(events[0]), store({"level": "error"})], origin="test")
    assert again.duplicates >= len(events)
    assert fold_all(engine, NOON.date(), 14) > 0
    with engine.begin() as connection:
        assert rebuild.rebuild(connection, NOON.date(), NOON.date(), 14) == 1
    migrate.upgrade(loader_url)
    count = "select sum(event_count)::int from warehouse.rollup_day"
    loaded = warehouse.value(loader_url, "select count(*)::int from warehouse.fact_event")
    assert loaded >= len(events)
    assert warehouse.value(loader_url, count) + waiting(loader_url) == loaded
    assert warehouse.value(loader_url, "select count(*)::int from analytics.events") == loaded
    leaves = warehouse.rows(database_url, LEAVES, support.name_of(loader_url))
    assert len(leaves) > 10
    assert {(each["owner"], each["may_insert"]) for each in leaves} == {("errhouse_owner", True)}


def waiting(url: str) -> int:
    return int(warehouse.value(url, "select coalesce(sum(event_count), 0)::int from warehouse.rollup_delta"))


def test_a_loader_makes_a_partition_as_the_owner_and_goes_on_as_itself(loader_url: str, engine: Engine) -> None:
    name = support.name_of(loader_url)
    with engine.begin() as connection:
        assert partitions.ensure(connection, partitions.EVENTS, [date(2030, 1, 1)]) == 2
        assert connection.exec_driver_sql(WHO).scalar() == f"{name} {name}"
    with engine.connect() as connection:
        with pytest.raises(Exception, match="must be owner"):
            connection.exec_driver_sql("drop table warehouse.fact_event")
        connection.rollback()
        with as_owner(connection):
            assert connection.exec_driver_sql(WHO).scalar() == f"errhouse_owner {name}"
        assert connection.exec_driver_sql(WHO).scalar() == f"{name} {name}"


def test_who_became_the_owner_is_itself_again_after_every_kind_of_failure(loader_url: str, engine: Engine) -> None:
    name = support.name_of(loader_url)
    with engine.connect() as connection:
        with pytest.raises(ZeroDivisionError), as_owner(connection):
            raise ZeroDivisionError
        assert connection.exec_driver_sql(WHO).scalar() == f"{name} {name}"
        savepoint = connection.begin_nested()
        with pytest.raises(Exception, match="division by zero"), as_owner(connection):
            connection.exec_driver_sql("select 1 / 0")
        savepoint.rollback()
        assert connection.exec_driver_sql(WHO).scalar() == f"{name} {name}"
        become_owner(connection)
        assert become_owner(connection) is None
        connection.commit()
        assert connection.exec_driver_sql(WHO).scalar() == f"{name} {name}"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        with as_owner(connection, local=False):
            assert connection.exec_driver_sql(WHO).scalar() == f"errhouse_owner {name}"
        with pytest.raises(Exception, match="division by zero"), as_owner(connection, local=False):
            connection.exec_driver_sql("select 1 / 0")
        assert connection.exec_driver_sql(WHO).scalar() == f"{name} {name}"


def test_maintenance_needs_a_loader_s_rights_alone(loader_url: str, engine: Engine) -> None:
    with loading(loader_url) as (loader, _):
        loader.load([sdk(*(event(timestamp=told(NOON - days * DAY)) for days in (0, 1, 28)))], origin="test")
    settings = Settings(EVENT_RETENTION_DAYS=14, PAYLOAD_RETENTION_DAYS=14)
    steps = maintain(engine, settings, NOON, pause=lambda _: None)
    assert [(step.name, step.told) for step in steps if not step.is_done] == []
    assert warehouse.value(loader_url, "select count(*) from warehouse.fact_event") == 2
    assert warehouse.value(loader_url, "select count(*) from warehouse.event_payload") == 2


def test_roles_and_policies_are_made_while_events_are_loaded(database_url: str) -> None:
    engine = engine_for(database_url)
    is_over = threading.Event()
    loaded: list[int] = []

    def load() -> None:
        with loading(database_url) as (loader, _):
            while not is_over.is_set():
                loaded.append(loader.load([sdk(event(timestamp=told(NOON)))], origin="test").loaded)

    with ThreadPoolExecutor(1) as threads:
        work = threads.submit(load)
        until(lambda: len(loaded) > 3, 20, "events are loaded")
        roles.set_up(engine)
        assert rls.enable(engine).findings == []
        assert not rls.disable(engine).is_on
        before = len(loaded)
        until(lambda: len(loaded) > before or work.done(), 20, "events are still loaded")
        is_over.set()
        work.result()
    engine.dispose()
    assert warehouse.value(database_url, "select count(*) from warehouse.fact_event") == sum(loaded) == len(loaded)


def test_a_superuser_s_partitions_belong_to_the_owner_too(loader_url: str, database_url: str) -> None:
    engine = engine_for(database_url)
    partitions.Partitions(engine, 7).ensure([date(2031, 1, 1)])
    engine.dispose()
    leaves = warehouse.rows(database_url, LEAVES, support.name_of(loader_url))
    assert {(each["owner"], each["may_insert"]) for each in leaves} == {("errhouse_owner", True)}


def test_whoever_owned_the_warehouse_before_goes_on_as_a_member(empty_database_url: str) -> None:
    with support.plain(empty_database_url) as owner:
        give_database(empty_database_url, owner)
        migrate.upgrade(owner)
        with loading(owner) as (loader, ours):
            loader.load([sdk(event(timestamp=told(NOON)))], origin="test")
            engine = engine_for(empty_database_url)
            roles.set_up(engine)
            loader.load([sdk(event(timestamp=told(NOON - 30 * DAY)))], origin="test")  # over connections from before
            rls.enable(engine)
            loader.load([sdk(event(timestamp=told(NOON - 60 * DAY)))], origin="test")
            engine.dispose()
            assert fold_all(ours, NOON.date(), 14) > 0
        migrate.upgrade(owner)
        assert warehouse.value(owner, "select count(*) from warehouse.fact_event") == 3
        assert warehouse.value(owner, "select count(*) from analytics.events") == 3
        give_database(empty_database_url, empty_database_url)


def test_a_role_with_createrole_makes_the_roles_without_a_superuser(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "cluster")
    try:
        with postgres.database(cluster.url) as url, support.plain(url, attributes="createrole") as owner:
            give_database(url, owner)
            migrate.upgrade(owner)
            engine = engine_for(owner)
            made = roles.set_up(engine)
            assert made.members["errhouse_owner"] == [support.name_of(owner)]
            assert any("pg_signal_backend" in note for note in made.notes)
            assert roles.set_up(engine) == made
            rls.enable(engine)
            with support.login(owner, "loader", superuser=url) as loader_url, loading(loader_url) as (loader, _):
                loader.load([sdk(event(timestamp=told(NOON)))], origin="test")
            with support.login(owner, "analyst", [PROJECT], url) as analyst, psycopg.connect(analyst) as connection:
                assert connection.execute("select count(*) from events").fetchone() == (1,)
            with support.login(owner, "analyst", [PROJECT + 1], url) as analyst, psycopg.connect(analyst) as connection:
                assert connection.execute("select count(*) from events").fetchone() == (0,)
            migrate.upgrade(owner)
            engine.dispose()
            give_database(url, url)
    finally:
        cluster.stop()


def give_database(url: str, owner: str) -> None:
    """Make the login of another URL the owner of the database."""
    names = postgres.database_name(url), support.name_of(owner)
    statement = "alter database {} owner to {}"
    postgres.run(url, psycopg.sql.SQL(statement).format(*map(psycopg.sql.Identifier, names)))
