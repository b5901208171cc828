"""The three roles, and what each may do; logins with limits, and what is done where limits are not enough."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from sqlalchemy import Engine, text

from models import grants, logins, migrate, roles
from models.engine import engine_for
from tests.support import postgres, warehouse
from tests.support import roles as support
from tests.support.builders import event
from tests.support.loading import NOON, loading, sdk, told
from tests.support.wait import until

OUR_VIEWS = "select c.relname from pg_class c where c.relnamespace = 'analytics'::regnamespace and c.relkind = 'v'"
COLUMNS = (
    "select table_name, column_name from information_schema.columns where table_schema = 'analytics' order by 1, 2"
)
STRANGERS = """
    select c.oid::regclass::text as name, pg_get_userbyid(c.relowner) as owner from pg_class c
    where c.relnamespace in ('warehouse'::regnamespace, 'analytics'::regnamespace) and c.relkind in ('r', 'p', 'v')
    and pg_get_userbyid(c.relowner) <> 'errhouse_owner'
    union all
    select p.oid::regprocedure::text, pg_get_userbyid(p.proowner) from pg_proc p
    where p.pronamespace in ('warehouse'::regnamespace, 'analytics'::regnamespace)
    and pg_get_userbyid(p.proowner) <> 'errhouse_owner'
"""
PATIENT = timedelta(milliseconds=300)
SECONDS = 20

REFUSED = (
    "select * from warehouse.fact_event",
    "select * from warehouse.fact_event_p2026_11_23",
    "select * from warehouse.project_key",
    "select * from warehouse.hook",
    "select * from warehouse.set_aside",
    "select * from warehouse.dim_user",
    "select * from warehouse.analyst_project",
    "select * from public.errhouse_schema_version",
    "insert into warehouse.dim_project (project_id, created_at) values (9, now())",
    "update analytics.events set message = 'gone'",
    "delete from analytics.events",
    "insert into analytics.report_runs select * from analytics.report_runs",
    "truncate warehouse.fact_event",
    "drop view analytics.events",
    "drop table warehouse.fact_event",
    "drop schema analytics cascade",
    "create table mine (a int)",
    "create table analytics.mine (a int)",
    "create table public.mine (a int)",
    "create temporary table mine (a int)",
    "create schema mine",
    "create view analytics.mine as select 1 as one",
    "create function analytics.mine() returns int language sql as 'select 1'",
    "create function public.mine() returns int language sql as 'select 1'",
    "create or replace view analytics.events as select 1 as one",
    "comment on view analytics.events is 'mine'",
    "copy analytics.events to '/tmp/stolen'",
    "copy (select * from analytics.events) to program 'cat'",
    "copy warehouse.fact_event to stdout",
    "copy warehouse.dim_project from '/etc/passwd'",
    "select pg_read_file('/etc/passwd')",
    "select lo_create(0)",
    "select lo_import('/etc/passwd')",
    "select pg_advisory_lock(1)",
    "select pg_try_advisory_xact_lock(1)",
    "set temp_file_limit = -1",
    "set role errhouse_owner",
    "set role errhouse_loader",
    "alter role current_user connection limit -1",
    "alter role current_user superuser",
    "select warehouse.users_united('{1}', '{2}')",
    "lock table warehouse.fact_event in access exclusive mode",
    "lock table analytics.events in access exclusive mode",
    "analyze warehouse.fact_event; do $$ begin raise insufficient_privilege; end $$",  # only warned of, and skipped
)

REFUSALS = (
    errors.InsufficientPrivilege,
    errors.InvalidSchemaName,  # no schema to make something in
    errors.ObjectNotInPrerequisiteState,  # a view that is none to write to, and
    errors.FeatureNotSupported,  # a column of one
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


@pytest.fixture
def analyst(database_url: str) -> Iterator[str]:
    load(database_url)
    with support.login(database_url, "analyst") as url:
        yield url


def load(url: str) -> None:
    with loading(url) as (loader, _):
        loader.load([sdk(event(timestamp=told(NOON)))], origin="test")


@contextmanager
def at_work(url: str, *statements: str) -> Iterator[Callable[[], list[Exception]]]:
    """Run statements in a session of their own, meanwhile; give what it has ended with, once it has."""
    ended: list[Exception] = []

    def run() -> None:
        try:
            with closing(psycopg.connect(url, autocommit=True)) as connection:
                for statement in statements:
                    connection.execute(statement.encode())
        except psycopg.Error as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield lambda: ended
    finally:
        if thread.is_alive():
            query = "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s"
            warehouse.rows(postgres_of(url), query, support.name_of(url))
        thread.join(SECONDS)


SERVER: list[str] = []


@pytest.fixture(autouse=True)
def _server(database_url: str) -> Iterator[None]:
    SERVER.append(database_url)
    yield
    SERVER.clear()


def postgres_of(_: str) -> str:
    return SERVER[-1]


def test_everything_belongs_to_the_owner_and_making_the_roles_again_changes_nothing(
    engine: Engine, database_url: str
) -> None:
    load(database_url)
    roles.set_up(engine)
    assert warehouse.rows(database_url, STRANGERS) == []
    version_table = f"select tableowner from pg_tables where tablename = '{migrate.VERSION_TABLE}'"
    assert warehouse.value(database_url, version_table) == "errhouse_owner"
    with engine.connect() as connection:
        assert grants.made(connection, grants.STRANGE) == []
        assert grants.made(connection, grants.GRANTS) == []
        assert connection.execute(grants.REVOKED, {"owner": grants.OWNER, "loader": grants.LOADER}).all() == []
    rights = (
        "select array_agg(relacl::text order by relname) as all from pg_class where relnamespace = %s::regnamespace"
    )
    before = [warehouse.value(database_url, rights, schema) for schema in ("warehouse", "analytics")]
    roles.set_up(engine)
    migrate.upgrade(database_url)
    assert [warehouse.value(database_url, rights, schema) for schema in ("warehouse", "analytics")] == before


def test_no_role_but_logins_may_log_in_and_loaders_do_not_have_the_owner_s_rights(engine: Engine) -> None:
    roles.set_up(engine)
    with engine.connect() as connection:
        mighty = "select bool_or(rolcanlogin or rolsuper or rolbypassrls or rolcreaterole), count(*) from pg_roles "
        ours = "where rolname in ('errhouse_owner', 'errhouse_loader', 'errhouse_analyst')"
        assert connection.exec_driver_sql(mighty + ours).one() == (False, 3)
        may = "select pg_has_role('errhouse_loader', 'errhouse_owner', '{}')"
        assert connection.exec_driver_sql(may.format("MEMBER")).scalar() is True
        assert connection.exec_driver_sql(may.format("USAGE")).scalar() is False


def test_an_analyst_reads_every_column_of_every_view(analyst: str, database_url: str) -> None:
    columns = warehouse.rows(database_url, COLUMNS)
    assert len({each["table_name"] for each in columns}) == len(warehouse.rows(database_url, OUR_VIEWS)) > 0
    with psycopg.connect(analyst) as connection:
        for each in columns:
            name = sql.Identifier("analytics", each["table_name"])
            connection.execute(sql.SQL("select {} from {}").format(sql.Identifier(each["column_name"]), name))
            connection.execute(sql.SQL("select count(distinct t.*::text) from {} t").format(name))
        (found,) = connection.execute("select count(*) from events").fetchall()  # by search_path
    assert found == (1,)


def test_an_analyst_is_refused_whatever_limits_it_lifts(analyst: str, database_url: str) -> None:
    name = sql.Identifier(support.name_of(analyst)).as_string(None)
    done = []
    with psycopg.connect(analyst, autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = off")
        for statement in REFUSED:
            try:
                with connection.transaction():
                    connection.execute(statement.replace("current_user", name).encode())
            except REFUSALS:
                continue
            done.append(statement)
        connection.execute("grant select on analytics.events to public")  # which does nothing but warn
    assert done == []
    assert not warehouse.value(database_url, "select has_table_privilege('public', 'analytics.events', 'SELECT')")


def test_a_view_made_later_is_read_without_further_ado(analyst: str, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("set local role errhouse_owner")
        connection.exec_driver_sql(
            "create view analytics.later as select count(*) as event_count from warehouse.fact_event"
        )
    assert warehouse.value(analyst, "select event_count from analytics.later") == 1


def test_views_come_back_readable_when_their_schema_was_dropped(
    analyst: str, engine: Engine, database_url: str
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("drop schema analytics cascade")
    migrate.upgrade(database_url)
    assert warehouse.value(analyst, "select count(*) from analytics.events") == 1
    assert warehouse.rows(database_url, STRANGERS) == []


def test_pg_stats_of_tables_are_not_shown_to_an_analyst(analyst: str, engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("analyze warehouse.dim_user")
        count = "select count(*) from pg_stats where schemaname = 'warehouse'"
        assert connection.exec_driver_sql(count).scalar_one() > 0
    assert warehouse.value(analyst, count) == 0


def test_a_session_of_an_analyst_begins_with_its_limits(analyst: str, database_url: str) -> None:
    limits = dict(logins.LIMITS) | dict([logins.SUPERUSERS_LIMIT])
    with psycopg.connect(analyst) as connection:
        for name, value in limits.items():
            (found,) = connection.execute("select current_setting(%s)", (name,)).fetchall()
            assert found == ({"60s": "1min"}.get(value, value),), name
    (role,) = warehouse.rows(
        database_url,
        "select rolconnlimit, rolpassword from pg_authid where rolname = %s", support.name_of(analyst),
    )  # fmt: skip
    assert role["rolconnlimit"] == 10
    assert role["rolpassword"].startswith("SCRAM-SHA-256$")
    with psycopg.connect(analyst) as connection, pytest.raises(errors.ReadOnlySqlTransaction):
        connection.execute("create temporary table t ()")


def test_a_query_over_the_time_limit_is_ended(analyst: str) -> None:
    with (
        psycopg.connect(analyst, options="-c statement_timeout=100ms") as connection,
        pytest.raises(errors.QueryCanceled, match="statement timeout"),
    ):
        connection.execute("select pg_sleep(600)")


@pytest.mark.parametrize("who", ["superuser", "loader"])
def test_a_ten_minute_query_is_ended_though_the_analyst_lifted_its_limit(
    analyst: str, database_url: str, who: str
) -> None:
    with support.login(database_url, "loader") as loader:
        engine = engine_for(database_url if who == "superuser" else loader)
        with at_work(analyst, "set statement_timeout = 0", "select pg_sleep(600)") as ended:

            def is_ended() -> bool:
                with engine.begin() as connection:
                    roles.cancel_overlong(connection, PATIENT)
                    assert connection.exec_driver_sql("select current_user = session_user").scalar()
                return bool(ended())

            until(is_ended, SECONDS, "the query is ended")
            assert isinstance(ended()[0], errors.QueryCanceled)
        engine.dispose()


def test_an_analyst_that_sits_in_a_transaction_is_thrown_out(analyst: str, engine: Engine) -> None:
    with psycopg.connect(analyst) as connection:
        connection.execute("set idle_in_transaction_session_timeout = 0")
        connection.execute("select count(*) from events")

        def is_out() -> bool:
            with engine.begin() as ours:
                return roles.cancel_overlong(ours, PATIENT) == 1

        until(is_out, SECONDS, "the session is ended")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")


def test_nobody_but_analysts_is_ended_and_they_only_when_late(analyst: str, engine: Engine, database_url: str) -> None:
    with (
        support.login(database_url, "loader") as loader,
        support.plain(database_url) as stranger,
        at_work(loader, "select pg_sleep(600)") as loading_ended,
        at_work(stranger, "select pg_sleep(600)") as stranger_ended,
        at_work(analyst, "select pg_sleep(600)") as ended,
    ):
        asleep = "select count(*) from pg_stat_activity where query = 'select pg_sleep(600)' and state = 'active' "
        mine = "and datname = current_database()"
        until(lambda: warehouse.value(database_url, asleep + mine) == 3, SECONDS, "all are at work")
        with engine.begin() as connection:
            assert roles.cancel_overlong(connection, timedelta(minutes=1)) == 0
            until(lambda: roles.cancel_overlong(connection, PATIENT) == 1, SECONDS, "the analyst's is ended")
        until(lambda: bool(ended()), SECONDS, "the analyst is told")
        assert (loading_ended(), stranger_ended()) == ([], [])


def test_without_roles_or_rights_nothing_is_ended(database_url: str) -> None:
    with support.plain(database_url) as stranger:
        engine = engine_for(stranger)
        with engine.begin() as connection:
            assert roles.cancel_overlong(connection, timedelta()) == 0
        engine.dispose()


@pytest.mark.parametrize("name", ['we"ird', "o'brien; drop schema analytics", "Grafana Läser", "100%s", "a{}b"])
def test_a_login_may_have_any_name(engine: Engine, database_url: str, name: str) -> None:
    roles.set_up(engine)
    named = f"{name} {support.new_name('x')}"
    try:
        given = logins.give(engine, named, "analyst", [1], password="pässwort %s")
        assert given.password == "pässwort %s"
        url = support.as_login(database_url, named, given.password)
        assert warehouse.value(url, "select current_user::text") == named
        query = "select array_agg(project_id) as ids from warehouse.analyst_project where role_name = %s"
        assert warehouse.value(database_url, query, named) == [1]
    finally:
        support.drop(database_url, named)


def test_a_login_given_again_keeps_its_password_and_changes_its_projects(analyst: str, engine: Engine) -> None:
    name = support.name_of(analyst)
    scrambled = text("select rolpassword from pg_authid where rolname = :name")
    with engine.connect() as connection:
        before = connection.execute(scrambled, {"name": name}).scalar()
    assert logins.give(engine, name, "analyst", [7, 3, 7]).project_ids == [3, 7]
    again = logins.give(engine, name, "analyst", [4])
    assert again.password is None
    with engine.connect() as connection:
        assert connection.execute(scrambled, {"name": name}).scalar() == before
        assert connection.execute(
            text("select project_id from warehouse.analyst_project where role_name = :name"), {"name": name}
        ).scalars().all() == [4]  # fmt: skip


def test_a_login_that_limits_would_not_hold_is_refused(engine: Engine, database_url: str, analyst: str) -> None:
    me = support.name_of(database_url)
    with support.login(database_url, "loader") as loader:
        refused: list[tuple[Any, ...]] = [
            (me, "analyst"), (support.name_of(loader), "analyst"), (support.name_of(analyst), "loader"),
            ("errhouse_owner", "analyst"), ("", "analyst"), ("x" * 64, "analyst"), ("ü" * 32, "analyst"),
            ("pg_mine", "analyst"), ("x", "analyst", []), ("x", "analyst", [0]), ("x", "analyst", [-1]),
            ("x", "loader", [1]), ("x", "analyst", None, ""),
        ]  # fmt: skip
        for arguments in refused:
            with pytest.raises(roles.RolesError, match=r"[.)]$"):
                logins.give(engine, *arguments)
    assert warehouse.rows(database_url, "select 1 as one from pg_roles where rolname in ('x', 'pg_mine')") == []


def test_before_the_roles_are_made_there_is_no_login(engine: Engine) -> None:
    with pytest.raises(roles.RolesError, match="errhouse db roles"):
        logins.give(engine, support.new_name("early"), "analyst")


def test_another_login_reads_and_makes_nothing(database_url: str, engine: Engine) -> None:
    roles.set_up(engine)
    with support.plain(database_url) as stranger, psycopg.connect(stranger, autocommit=True) as connection:
        for statement in ("select * from analytics.events", "create temporary table t ()", "create table public.t ()"):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_a_role_that_may_not_make_roles_is_told_so(empty_database_url: str) -> None:
    with support.plain(empty_database_url) as owner:
        name = sql.Identifier(postgres.database_name(empty_database_url))
        role = sql.Identifier(support.name_of(owner))
        postgres.run(empty_database_url, sql.SQL("alter database {} owner to {}").format(name, role))
        migrate.upgrade(owner)
        engine = engine_for(owner)
        with pytest.raises(roles.RolesError, match="may not make roles; run it once with the URL of a superuser"):
            roles.set_up(engine)
        engine.dispose()
        postgres.run(empty_database_url, sql.SQL("alter database {} owner to current_user").format(name))
