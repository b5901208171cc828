"""What views count is what the fact holds: before folding, after it, and in between; and in types that clients know."""

import random
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from models import fold
from models.views import VIEWS
from tests.support import warehouse
from tests.support.builders import event
from tests.support.loading import NOON, loading, sdk, told, webhook

PROJECTS = (42, 43)
TODAY = date(2026, 11, 24)
STATES = ("nothing is folded", "some is folded", "all is folded")
LEVELS = ("fatal", "error", "warning", "info", "debug")
SPELLED_OUT = {"timestamptz": "timestamp with time zone"}

COUNTS = """
    count(*) as events, sum(sample_weight)::float8 as weighted_events,
    count(*) filter (where not e.handled) as unhandled_events
"""
USERS = "count(distinct user_key) as users, true as users_are_exact"
EVENTS = """
    (select v.*, f.user_key, f.time_quality as quality, (v.occurred_at at time zone 'UTC')::date as day
    from analytics.events v join warehouse.fact_event f using (project_id, event_id)) e
"""
TRUTHS = {
    "errors_hourly": f"""
        select project_id, project, date_trunc('hour', occurred_at, 'UTC') as hour, level, environment, {COUNTS}
        from {EVENTS} group by 1, 2, 3, 4, 5
    """,
    "errors_daily": f"""
        select project_id, project, day, level, environment, {COUNTS} from {EVENTS} group by 1, 2, 3, 4, 5
    """,
    "culprits_daily": f"""
        select project_id, project, day, culprit, level, environment, {COUNTS}, {USERS}
        from {EVENTS} group by 1, 2, 3, 4, 5, 6
    """,
    "issues_daily": f"""
        select project_id, project, day, issue_id, group_id, culprit, level, environment, release, dist, {COUNTS},
            {USERS}, min(occurred_at) as first_seen_at, max(occurred_at) as last_seen_at
        from {EVENTS} group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    """,
    "issues_hourly": f"""
        select project_id, project, date_trunc('hour', occurred_at, 'UTC') as hour, issue_id, group_id,
            count(*) as events
        from {EVENTS} group by 1, 2, 3, 4, 5
    """,
    "users_affected_daily": f"select project_id, project, day, {USERS} from {EVENTS} group by 1, 2, 3",
    "releases": f"""
        select project_id, project, release, dist, {COUNTS}, {USERS}, min(occurred_at) as first_seen_at,
            max(occurred_at) as last_seen_at
        from {EVENTS} where release is not null group by 1, 2, 3, 4
    """,
    "issues": f"""
        select project_id, project, issue_id, {COUNTS}, {USERS}, min(occurred_at) as first_seen_at,
            max(occurred_at) as last_seen_at, (array_agg(release order by occurred_at))[1] as first_release,
            (array_agg(release order by occurred_at desc))[1] as last_release,
            (array_agg(level order by occurred_at desc))[1] as level, count(distinct group_id)::int as groups,
            array_agg(distinct group_id) as group_ids
        from {EVENTS} group by 1, 2, 3
    """,
    "data_quality": f"""
        select project_id, project, day, count(*) as events, count(*) filter (where release is null) as without_release,
            count(*) filter (where environment is null) as without_environment,
            count(*) filter (where user_key is null) as without_user, count(*) filter (where quality <> 0) as odd_time,
            round(avg(extract(epoch from loaded_at - received_at)), 6)::float8 as mean_delay_seconds
        from {EVENTS} group by 1, 2, 3
    """,
}


def made(number: int, source: random.Random) -> Any:
    """Give an event of three days, of so few kinds that every count is of several."""
    at = NOON - timedelta(minutes=source.randrange(3 * 24 * 60), seconds=number)
    release = source.choice([None, "shop@1.0.0", "shop@1.1.0-rc.1+7"])
    one = event(
        event_id=UUID(int=number + 1).hex,
        timestamp=told(at),
        level=source.choice(LEVELS),
        environment=source.choice([None, "production", "staging"]),
        release=release,
        dist=source.choice([None, "7"]) if release else None,
        transaction=source.choice([None, "/checkout", "/basket"]),
        user=source.choice([None, *({"id": str(each)} for each in range(5))]),
        fingerprint=source.choice([None, ["basket"], ["checkout"]]),
        contexts={"trace": {"trace_id": "a" * 32, "span_id": "b" * 16, "client_sample_rate": source.choice([1, 0.25])}},
    )
    one["exception"]["values"][0]["mechanism"]["handled"] = source.choice([True, False])
    return one


def fill(url: str, state: str) -> None:
    """Load the same events in several batches, and fold as far as told."""
    source = random.Random(7)
    parcels = [[made(100 * batch + number, source) for number in range(100)] for batch in range(4)]
    with loading(url) as (loader, engine):
        for batch, parcel in enumerate(parcels):
            for project in PROJECTS:
                loader.load([sdk(*parcel[project % 2 :: 2], project=project)], origin="test")
            if state == "some is folded" and batch == 1:
                fold.fold_all(engine, TODAY, 14)
        odd = event(event_id="f" * 32, timestamp=None, level="error")
        loader.load([sdk(odd, project=42, sent_at=None)], origin="test")
        merged = {"issue_id": "77", "fingerprint": ["basket"]}
        other = {"issue_id": "77", "fingerprint": ["checkout"]}
        for number, more in enumerate((merged, other)):
            told_by_sentry = event(event_id=UUID(int=9000 + number).hex, timestamp=told(NOON - timedelta(hours=number)))
            loader.load([webhook(told_by_sentry, project=43, **more)], origin="test")
        if state == "all is folded":
            fold.fold_all(engine, TODAY, 14)


def ordered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=repr)


@pytest.mark.parametrize("state", STATES)
def test_every_number_of_the_views_is_that_of_the_events(database_url: str, state: str) -> None:
    fill(database_url, state)
    waiting = warehouse.value(database_url, "select count(*) from warehouse.rollup_delta")
    folded = warehouse.value(database_url, "select count(*) from warehouse.rollup_hour")
    assert (waiting > 0, folded > 0) == (state != "all is folded", state != "nothing is folded")
    for name, truth in TRUTHS.items():
        expected = warehouse.rows(database_url, truth)
        columns = ", ".join(
            f"round({column}::numeric, 6)::float8 as {column}" if column.startswith("mean_") else column
            for column in expected[0]
        )
        found = warehouse.rows(database_url, f"select {columns} from analytics.{name}")
        assert len(expected) > 3, name
        assert ordered(found) == ordered(expected), name


@pytest.mark.parametrize("state", STATES)
def test_the_key_of_a_view_names_one_row_and_what_is_always_told_is_never_null(database_url: str, state: str) -> None:
    fill(database_url, state)
    for view in VIEWS:
        if view.key:
            twins = f"select {', '.join(view.key)} from analytics.{view.name} group by {', '.join(view.key)}"
            assert warehouse.rows(database_url, f"{twins} having count(*) > 1") == [], view.name
        for column in view.columns:
            of_column = f"from analytics.{view.name} where"
            if column.is_told:
                found = warehouse.rows(database_url, f"select * {of_column} {column.name} is null")
                assert found == [], (view.name, column.name)
            if column.words:
                found = warehouse.rows(database_url, f"select * {of_column} {column.name} <> all(%s)", [*column.words])
                assert found == [], (view.name, column.name)


def test_every_view_has_the_columns_and_types_it_declares_and_none_that_clients_do_not_know(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        for view in VIEWS:
            described = connection.execute(f"select * from analytics.{view.name} limit 0".encode()).description or []
            kinds = connection.execute(
                "select array_agg(format_type(atttypid, atttypmod) order by attnum) from pg_attribute "
                "where attrelid = cast(%s as regclass) and attnum > 0",
                (f"analytics.{view.name}",),
            ).fetchone()
            assert kinds is not None
            assert [each.name for each in described] == [column.name for column in view.columns], view.name
            assert kinds[0] == [column.type for column in view.columns], view.name
            assert [kind for kind in kinds[0] if kind.startswith(("numeric", "interval", "name", "unknown"))] == []


def test_an_analyst_without_any_right_to_tables_reads_every_view_and_counts_users(database_url: str) -> None:
    fill(database_url, "some is folded")
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        connection.execute("create role errhouse_test_reader")
        connection.execute("grant usage on schema analytics to errhouse_test_reader")
        connection.execute("grant select on all tables in schema analytics to errhouse_test_reader")
        connection.execute("set role errhouse_test_reader")
        for view in VIEWS:
            assert connection.execute(f"select * from analytics.{view.name}".encode()).fetchall() or (
                view.name in {"report_runs", "set_aside_daily"}
            )
        found = connection.execute(
            "select project_id, analytics.users(user_sketch) as users from analytics.culprits_daily "
            "group by project_id order by project_id"
        ).fetchall()
        connection.rollback()
    expected = "select project_id, count(distinct user_key) as users from warehouse.fact_event group by 1 order by 1"
    assert found == warehouse.rows(database_url, expected)
