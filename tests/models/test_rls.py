"""Row-level security: nothing of project B is seen by an analyst of project A, by whatever way; and each known trap."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from sqlalchemy import Engine

from models import logins, migrate, rls, roles
from models.engine import engine_for
from models.fold import fold_all
from tests.support import postgres, warehouse
from tests.support import roles as support
from tests.support.builders import event
from tests.support.loading import NOON, Clock, loading, sdk, told

A, B = 1, 2
HOUR = timedelta(hours=1)
VIEWS = (
    "select c.relname::text as name from pg_class c "
    "where c.relnamespace = 'analytics'::regnamespace and c.relkind = 'v' order by 1"
)
SECRET = "of B alone"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


def events_of(project: int) -> list[dict[str, Any]]:
    """Give the same events at each call, that share users, releases and culprits with those of other projects."""
    return [
        event(
            event_id=f"{project:016x}{number:016x}",
            timestamp=told(NOON - number * 7 * HOUR),
            user={"id": str(number % 3), "email": f"{number}@example.com"},
            release=f"shop@1.{number % 2}",
            message=SECRET if project == B else None,
            tags={"project": str(project)},
        )
        for number in range(12)
    ]


def fill(url: str, *projects: int) -> None:
    """Load the events of these projects, fold most, and leave some waiting; with a run of a report."""
    engine = engine_for(url)
    with loading(url, Clock()) as (loader, _):
        for project in projects:
            loader.load([sdk(*events_of(project)[:8], project=project)], origin="test")
        fold_all(engine, NOON.date(), 14)
        for project in projects:
            loader.load([sdk(*events_of(project)[8:], project=project)], origin="test")
    engine.dispose()
    postgres.run(
        url,
        "insert into warehouse.report_run (run_id, name, report, scheduled_for, status, attempt_count) "
        "values (gen_random_uuid(), 'weekly', 'by_culprit', now(), 'done', 1)",
    )


def guarded(url: str) -> None:
    engine = engine_for(url)
    roles.set_up(engine)
    assert rls.enable(engine).findings == []
    engine.dispose()


@pytest.fixture
def both(database_url: str) -> str:
    fill(database_url, A, B)
    guarded(database_url)
    return database_url


def everything(url: str, view: str) -> list[str]:
    with psycopg.connect(url) as connection:
        query = sql.SQL("select t.*::text from {} t order by 1").format(sql.Identifier("analytics", view))
        return [row[0] for row in connection.execute(query)]


@contextmanager
def analyst(url: str, *projects: int) -> Iterator[str]:
    with support.login(url, "analyst", projects or None) as made:
        yield made


def test_no_view_shows_anything_of_another_project(both: str, empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    fill(empty_database_url, A)
    guarded(empty_database_url)
    names = [each["name"] for each in warehouse.rows(both, VIEWS)]
    assert len(names) >= 1
    with analyst(both, A) as here, analyst(empty_database_url, A) as alone, analyst(both) as anybody:
        for name in names:
            assert everything(here, name) == everything(alone, name), name
            assert SECRET not in "".join(everything(here, name))
        assert warehouse.value(here, "select count(*) from analytics.events") == 12
        assert warehouse.value(anybody, "select count(*) from analytics.events") == 24
        for name in names:
            assert everything(anybody, name) == everything(both, name), name


def test_who_has_no_project_sees_nothing_and_who_has_all_sees_those_to_come(both: str) -> None:
    with analyst(both, 99) as nobody, analyst(both) as anybody, analyst(both, A, B, 3) as several:
        count = "select count(*) from analytics.events"
        assert [warehouse.value(who, count) for who in (nobody, anybody, several)] == [0, 24, 24]
        with loading(both) as (loader, _):
            loader.load([sdk(event(timestamp=told(NOON)), project=3)], origin="test")
        assert [warehouse.value(who, count) for who in (nobody, anybody, several)] == [0, 25, 25]


def test_report_runs_are_for_those_who_may_see_all(both: str) -> None:
    with analyst(both, A) as one, analyst(both) as anybody:
        count = "select count(*) from analytics.report_runs"
        assert (warehouse.value(one, count), warehouse.value(anybody, count)) == (0, 1)


def test_an_analyst_that_is_given_other_projects_sees_them_at_once(both: str, engine: Engine) -> None:
    with analyst(both, A) as one:
        name = support.name_of(one)
        seen = "select array_agg(distinct project_id) as ids from analytics.events"
        for projects in ([B], None, [A]):
            logins.give(engine, name, "analyst", projects)
            assert warehouse.value(one, seen) == (projects or [A, B])


def test_members_of_a_role_with_projects_may_read_them_too(both: str) -> None:
    with analyst(both, A) as one, analyst(both, B) as other:
        name, member = (sql.Identifier(support.name_of(url)) for url in (one, other))
        postgres.run(both, sql.SQL("grant {} to {}").format(name, member))
        assert warehouse.value(other, "select count(distinct project_id) from analytics.events") == 2
        assert warehouse.value(one, "select count(distinct project_id) from analytics.events") == 1


def test_functions_tell_nobody_what_another_may_see(both: str) -> None:
    with analyst(both, A) as one, analyst(both, A, B) as other, psycopg.connect(one) as connection:
        for asked in (support.name_of(other), "errhouse_owner", "errhouse_loader", support.name_of(both)):
            query = "select analytics.allowed_projects(%s), analytics.allowed_all_projects(%s)"
            assert connection.execute(query, (asked, asked)).fetchone() == ([], False)
        query = "select analytics.allowed_projects(current_user), analytics.allowed_all_projects(current_user)"
        assert connection.execute(query).fetchone() == ([A], False)


@pytest.mark.parametrize(
    "condition",
    [
        "1 / (project_id - 2) > -9",
        "1 / length(replace(message, 'of B alone', '')) > -9",
        "case when project_id = 2 then 1 / (project_id - 2) else 1 end > 0",
        "(project_id::text || case project_id when 2 then 'x' else '' end)::int > 0",
        "substr('x', 1, (1 - project_id)::int) is not null",  # a length below 0 fails
        "sqrt(1.5 - project_id) > -1",
        "cast(tags ->> 'project' as int) / (project_id - 2) < 9 or project_id > 0",
        "set_config('our.seen', coalesce(current_setting('our.seen', true), '') || project_id || ';', false) <> ''",
    ],
)
def test_no_condition_fails_or_tells_because_of_a_row_that_is_hidden(both: str, condition: str) -> None:
    with analyst(both, A) as one, psycopg.connect(one) as connection:
        connection.execute("set default_transaction_read_only = off")
        views = ["events", "errors_daily"] if "tags" not in condition and "message" not in condition else ["events"]
        for view in views:
            query = sql.SQL("select * from {} where ").format(sql.Identifier(view)) + sql.SQL(condition)
            connection.execute(query)
            connection.execute(sql.SQL("select count(*) from ({}) q").format(query))
        (seen,) = connection.execute("select coalesce(current_setting('our.seen', true), '')").fetchall()
    assert f"{B};" not in seen[0]


def test_explain_shows_no_row_of_what_is_hidden(both: str) -> None:
    with analyst(both, A) as one, psycopg.connect(one) as connection:
        query = "explain (analyze, verbose, costs off) select message from events where project_id = 2"
        plan = [line for (line,) in connection.execute(query.encode())]
    assert "rows=0" in plan[0]
    assert SECRET not in "".join(plan)


def test_trap_i_a_view_of_somebody_else_s_shows_everything_so_it_is_found_and_taken_over(
    both: str, engine: Engine
) -> None:
    with analyst(both, A) as one:
        postgres.run(both, "create view analytics.mine as select project_id from warehouse.fact_event")
        postgres.run(both, "grant select on analytics.mine to errhouse_analyst")
        count = "select count(distinct project_id) from analytics.mine"
        assert warehouse.value(one, count) == 2  # PostgreSQL's own rule, and the reason why the owner is no superuser
        with engine.connect() as connection:
            (finding,) = rls.state(connection).findings
        assert "analytics.mine" in finding
        assert "errhouse db roles" in finding
        with pytest.raises(roles.RolesError, match=r"analytics\.mine"):
            rls.enable(engine)
        roles.set_up(engine)
        assert warehouse.value(one, count) == 1
        with engine.connect() as connection:
            assert rls.state(connection).findings == []


def test_trap_ii_a_view_that_runs_as_its_reader_would_need_rights_on_tables_so_there_is_none(
    both: str, engine: Engine
) -> None:
    with analyst(both, A) as one, engine.connect() as connection:
        assert rls.state(connection).findings == []
        connection.rollback()
        postgres.run(both, "alter view analytics.events set (security_invoker = true)")
        with psycopg.connect(one) as asking, pytest.raises(errors.InsufficientPrivilege):
            asking.execute("select * from events")
        (finding,) = rls.state(connection).findings
        assert "security_invoker" in finding


def test_trap_iii_the_owner_s_views_are_subject_to_policies_because_they_are_forced(both: str) -> None:
    with analyst(both, A) as one:
        count = "select count(distinct project_id) from analytics.events"
        assert warehouse.value(one, count) == 1
        with psycopg.connect(one) as asking, pytest.raises(errors.InsufficientPrivilege):
            asking.execute("select * from warehouse.fact_event")
        postgres.run(both, "alter table warehouse.fact_event no force row level security")
        assert warehouse.value(one, count) == 2


def test_trap_iv_a_policy_for_the_owner_would_show_analysts_everything_so_it_is_found(
    both: str, engine: Engine
) -> None:
    with analyst(both, A) as one, engine.connect() as connection:
        count = "select count(distinct project_id) from analytics.events"
        roles_of_policies = "select count(*) from pg_policies where 'errhouse_owner' = any(roles)"
        assert warehouse.value(both, roles_of_policies) == 0
        assert not connection.exec_driver_sql(
            "select pg_has_role('errhouse_owner', 'errhouse_loader', 'MEMBER')"
        ).scalar()
        connection.rollback()
        postgres.run(both, "create policy mine on warehouse.fact_event to errhouse_owner using (true)")
        assert warehouse.value(one, count) == 2
        (finding,) = rls.state(connection).findings
        assert "Policy mine on warehouse.fact_event" in finding
        connection.rollback()
        with pytest.raises(errors.InvalidGrantOperation):  # that would come to the same; PostgreSQL sees the circle
            postgres.run(both, "grant errhouse_loader to errhouse_owner")


def test_trap_v_a_dump_by_the_owner_is_refused_and_never_silently_empty(both: str) -> None:
    with support.login(both, "loader") as loader, psycopg.connect(loader) as connection:
        connection.execute("set role errhouse_owner")
        assert connection.execute("select count(*) from warehouse.fact_event").fetchone() == (24,)
        assert connection.execute("select count(*) from warehouse.dim_project").fetchone() == (2,)
        connection.execute("set row_security = off")  # as pg_dump does
        with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
            connection.execute("copy (select * from warehouse.fact_event) to stdout")
    with psycopg.connect(both) as connection:
        connection.execute("set row_security = off")
        assert connection.execute("select count(*) from warehouse.fact_event").fetchone() == (24,)


def test_trap_vi_the_projects_are_asked_once_a_query_and_an_index_is_used(both: str) -> None:
    with analyst(both, A) as one, psycopg.connect(one) as connection:
        connection.execute("set enable_seqscan = off")
        query = "explain (costs off, verbose) select count(*) from events where occurred_at >= '2026-11-20'"
        plan = "\n".join(line for (line,) in connection.execute(query.encode()))
    assert "InitPlan" in plan
    assert "project_id = ANY (" in plan
    conditions = [line for line in plan.splitlines() if "Index Cond" in line and "ANY (" in line]
    assert conditions, plan


def test_every_table_is_guarded_but_the_one_that_says_who_may_what(both: str) -> None:
    unguarded = (
        "select c.relname::text as name from pg_class c where c.relnamespace = 'warehouse'::regnamespace "
        "and c.relkind in ('r', 'p') and not c.relispartition and not (c.relrowsecurity and c.relforcerowsecurity)"
    )
    assert warehouse.rows(both, unguarded) == [{"name": "analyst_project"}]


def test_a_table_that_an_upgrade_adds_is_guarded_from_then_on(both: str, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("drop policy by_project on warehouse.dim_user")
        connection.exec_driver_sql("alter table warehouse.dim_stack no force row level security")
        assert len(rls.state(connection).findings) == 2
    migrate.upgrade(both)
    with engine.connect() as connection:
        assert rls.state(connection).findings == []
        connection.exec_driver_sql("drop schema analytics cascade")  # and with it the functions that policies ask
        connection.commit()
    migrate.upgrade(both)
    with engine.connect() as connection:
        assert rls.state(connection).findings == []
    with analyst(both, A) as one:
        assert warehouse.value(one, "select count(*) from analytics.events") == 12


def test_it_is_off_until_it_is_switched_on_and_leaves_nothing_behind(database_url: str, engine: Engine) -> None:
    fill(database_url, A, B)
    with pytest.raises(roles.RolesError, match="errhouse db roles"):
        rls.enable(engine)
    with analyst(database_url, A) as one:
        count = "select count(*) from analytics.events"
        assert warehouse.value(one, count) == 24
        assert rls.enable(engine).is_on
        assert warehouse.value(one, count) == 12
        found = rls.disable(engine)
        assert (found.is_on, found.guarded, found.findings) == (False, 0, [])
        assert warehouse.value(one, count) == 24
        assert warehouse.value(database_url, "select count(*) from pg_policies") == 0
        migrate.upgrade(database_url)
        assert warehouse.value(one, count) == 24


def test_a_login_that_was_dropped_disturbs_nobody(both: str, engine: Engine) -> None:
    with analyst(both, A) as one:
        name = support.name_of(one)
    with analyst(both, B) as other, engine.connect() as connection:
        assert name not in [each.name for each in rls.state(connection).analysts]
        assert warehouse.value(other, "select array_agg(distinct project_id) as ids from analytics.events") == [B]
