"""Every example query answers what its first sentence says, over events, as whoever may read the views alone."""

import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from models import fold, rls, roles
from tests.support import warehouse
from tests.support.builders import event
from tests.support.loading import loading, sdk, told
from tests.support.roles import login
from tests.support.server import ROOT

FOLDER = ROOT / "docs" / "queries"
QUERIES = sorted(FOLDER.glob("*.sql"))
VARIABLE = re.compile(r"(?<!:):'?([a-z]\w*)'?")
TABLE = re.compile(r"\b(?:from|join)\s+([a-z_]\w*)\.", re.IGNORECASE)
NOW = datetime.now(UTC).replace(microsecond=0)
READER = "errhouse_test_query_reader"
TABLES = """
    select v.*, f.user_key, f.handled as is_handled
    from analytics.events v join warehouse.fact_event f using (project_id, event_id)
"""


@pytest.fixture(scope="module")
def filled(postgres_url: str, template_database: str) -> Iterator[str]:
    """Give a database of 360 events of 50 days, half of them folded; the queries only read it."""
    from tests.support import postgres

    source = random.Random(11)
    with postgres.database(postgres_url, template_database) as url, loading(url) as (loader, engine):
        for batch in range(6):
            events = [made(60 * batch + number, source) for number in range(60)]
            for project in (42, 43):
                loader.load([sdk(*events[project % 2 :: 2], project=project, at=NOW)], origin="test")
            if batch == 3:
                fold.fold_all(engine, NOW.date(), 14)
        fresh = event(fingerprint=["fresh"], timestamp=told(NOW), event_id="a" * 32, user=None)
        again = [
            event(fingerprint=["again"], timestamp=told(NOW - timedelta(days=days)), event_id=f"{days:032}", user=None)
            for days in (20, 1)
        ]
        loader.load([sdk(fresh, *again, project=44, at=NOW)], origin="test")
        yield url


def made(number: int, source: random.Random) -> dict[str, Any]:
    at = NOW - timedelta(minutes=source.randrange(1, 50 * 24 * 60) if number % 3 else source.randrange(1, 7 * 24 * 60))
    one = event(
        event_id=UUID(int=number + 1).hex,
        timestamp=told(at),
        level=source.choice(["error", "error", "warning", "fatal"]),
        environment=source.choice([None, "production", "staging"]),
        release=source.choice(["shop@1.9.0", "shop@1.10.0", "shop@1.10.0-rc.1"]),
        transaction=source.choice([None, "/checkout", "/basket", "/search"]),
        user=source.choice([None, *({"id": str(each)} for each in range(9))]),
        fingerprint=source.choice([["a"], ["b"], ["c"]]),
        tags={"region": source.choice(["eu", "us"]), "order": str(number)},
    )
    one["exception"]["values"][0]["mechanism"]["handled"] = source.choice([True, False])
    return one


@contextmanager
def reading(url: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """Give a connection that may read the views and nothing else."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        for statement in (
            f"create role {READER}",
            f"grant usage on schema analytics to {READER}",
            f"grant select on all tables in schema analytics to {READER}",
            f"set role {READER}",
            "set transaction read only",
            "set local timezone = 'Asia/Kathmandu'",  # no answer may hang on where it is asked
        ):
            connection.execute(statement.encode())
        yield connection
        connection.rollback()


def ask(url: str, path: Path, values: dict[str, Any]) -> list[dict[str, Any]]:
    return warehouse.rows(url, *statement(path, values))


def statement(path: Path, values: dict[str, Any]) -> tuple[Any, ...]:
    """Give a query as psycopg takes it, with the values of its variables in their order."""
    text = path.read_text().replace("%", "%%")
    return VARIABLE.sub("%s", text), *(values[name] for name in VARIABLE.findall(text))


def answer(url: str, number: int, **values: Any) -> list[dict[str, Any]]:
    (path,) = FOLDER.glob(f"{number:02}_*.sql")
    query, *given = statement(path, values)
    with reading(url) as connection:
        return connection.execute(query.encode(), given).fetchall()


def events(url: str, where: str = "true") -> list[dict[str, Any]]:
    return warehouse.rows(url, f"select * from ({TABLES}) e where {where}")


def since(days: int) -> datetime:
    return NOW.replace(hour=0, minute=0, second=0) - timedelta(days=days)


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_a_query_begins_with_what_it_answers_and_reads_views_alone(path: Path) -> None:
    first, rest = path.read_text().split("\n", 1)
    assert re.fullmatch(r"-- [A-Z].{40,116}\.", first)
    assert set(TABLE.findall(rest)) == {"analytics"}
    assert rest.rstrip().endswith(";")
    assert ";" not in rest.rstrip()[:-1]


def test_there_are_as_many_queries_as_the_page_names() -> None:
    page = (ROOT / "docs" / "how-to" / "query.md").read_text()
    assert [path.name for path in QUERIES] == re.findall(r"\(\.\./queries/(\w+\.sql)\)", page)
    assert len(QUERIES) >= 12


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_a_query_runs_over_nothing_and_over_events(database_url: str, filled: str, path: Path) -> None:
    (one,) = warehouse.rows(filled, "select project_id, issue_id, event_id from analytics.events limit 1")
    number = int(path.stem[:2])
    assert answer(database_url, number, **one) == []
    assert answer(filled, number, **one)


def test_top_culprits_have_share_and_change(filled: str) -> None:
    now = Counter((e["project"], e["culprit"]) for e in events(filled) if e["occurred_at"] >= since(30))
    before = Counter((e["project"], e["culprit"]) for e in events(filled) if e["occurred_at"] < since(30))
    found = answer(filled, 1)
    assert {(f["project"], f["culprit"]): f["events"] for f in found} == dict(now)
    assert [f["events"] for f in found] == sorted(now.values(), reverse=True)
    assert sum(f["share_percent"] for f in found) == pytest.approx(100, abs=1)
    for each in found:
        was = before[each["project"], each["culprit"]]
        assert each["events_before"] == was
        expected = round(100 * each["events"] / was - 100, 1) if was else None
        assert each["change_percent"] == pytest.approx(expected, abs=0.11)


def test_new_issues_are_new_and_regressed_ones_were_silent_or_resolved(filled: str) -> None:
    found = [f for f in answer(filled, 2) if f["project"] == "44"]
    assert [(f["kind"], f["events_in_period"]) for f in found] == [("new", 1), ("regressed", 1)]
    assert all(f["first_seen_at"] >= NOW - timedelta(days=8) for f in answer(filled, 2) if f["kind"] == "new")


def test_the_heatmap_counts_every_hour_of_four_weeks(filled: str) -> None:
    counted = Counter(
        (e["occurred_at"].isoweekday(), e["occurred_at"].hour)
        for e in events(filled)
        if since(28) <= e["occurred_at"] < since(0)
    )
    found = answer(filled, 3)
    assert {(f["weekday"], f["hour"]): f["events"] for f in found} == dict(counted)
    assert all(f["mean_events"] == f["events"] / 4 for f in found)


def test_a_release_is_compared_with_the_version_before_it(filled: str) -> None:
    found = [f for f in answer(filled, 4) if f["project"] == "42"]
    assert [(f["release"], f["release_before"]) for f in found] == [
        ("shop@1.10.0", "shop@1.10.0-rc.1"), ("shop@1.10.0-rc.1", "shop@1.9.0"), ("shop@1.9.0", None),
    ]  # fmt: skip
    for each in found:
        of_release = [e for e in events(filled, "project_id = 42") if e["release"] == each["release"]]
        assert each["events"] == len(of_release)
        assert each["users"] == len({e["user_key"] for e in of_release} - {None})
    issues = {e["issue_id"] for e in events(filled, "project_id = 42")}
    assert sum(f["new_issues"] for f in found) == len(issues)


def test_environments_are_compared_within_their_project(filled: str) -> None:
    recent = [e for e in events(filled) if e["occurred_at"] >= since(30)]
    found = answer(filled, 5)
    counted = Counter((e["project"], e["environment"] or "(none)") for e in recent)
    assert {(f["project"], f["environment"]): f["events"] for f in found} == dict(counted)
    for each in found:
        here = [
            e for e in recent if (e["project"], e["environment"] or "(none)") == (each["project"], each["environment"])
        ]
        assert each["unhandled_percent"] == pytest.approx(100 * sum(e["handled"] is False for e in here) / len(here))
        assert each["fatal_events"] == sum(e["level"] == "fatal" for e in here)
        in_project = sum(e["project"] == each["project"] for e in recent)
        assert each["share_percent"] == pytest.approx(100 * len(here) / in_project)


def test_users_affected_are_counted_once_over_any_days(filled: str) -> None:
    def users(project: str, days: int) -> int | None:
        of_project = [e for e in events(filled) if e["project"] == project and e["occurred_at"] >= since(days)]
        return len({e["user_key"] for e in of_project} - {None})

    for each in answer(filled, 6):
        assert each["users_in_7_days"] == users(each["project"], 7)
        assert each["users_in_30_days"] == users(each["project"], 30)


def test_tags_are_counted_and_those_of_one_event_each_are_left_out(filled: str) -> None:
    recent = [e for e in events(filled) if e["occurred_at"] >= NOW - timedelta(days=7)]
    found = answer(filled, 7)
    counted = Counter((e["project"], *tag) for e in recent for tag in e["tags"].items() if tag[0] != "order")
    assert {(f["project"], f["tag"], f["value"]): f["events"] for f in found} == dict(counted)


def test_noisy_issues_make_four_fifths_of_the_events(filled: str) -> None:
    found = answer(filled, 8)
    counted = Counter((e["project"], e["issue_id"]) for e in events(filled))
    assert {(f["project"], f["issue_id"]): f["events"] for f in found}.items() <= counted.items()
    assert found[-1]["running_percent"] >= 80 > (found[-2]["running_percent"] if len(found) > 1 else 0)
    assert [f["events"] for f in found] == sorted(counted.values(), reverse=True)[: len(found)]


def test_the_lag_is_that_of_the_events(filled: str) -> None:
    found = answer(filled, 9)
    recent = [e for e in events(filled) if e["occurred_at"] >= NOW - timedelta(days=7)]
    assert sum(f["events"] for f in found) == len(recent)
    for each in found:
        late = [
            e["received_at"] - e["occurred_at"] > timedelta(hours=1) for e in recent if e["project"] == each["project"]
        ]
        assert each["late_percent"] == pytest.approx(100 * sum(late) / len(late))
        assert each["arriving_seconds_p50"] <= each["arriving_seconds_p95"]


def test_the_unhandled_rate_is_by_whole_weeks(filled: str) -> None:
    found = answer(filled, 10)
    counted = Counter(
        (e["project"], e["occurred_at"].date() - timedelta(days=e["occurred_at"].weekday())) for e in events(filled)
    )
    assert {(f["project"], f["week"]): f["events"] for f in found} == dict(counted)
    assert sum(f["unhandled_events"] for f in found) == sum(e["handled"] is False for e in events(filled))


def test_hot_spots_are_functions_of_the_program_s_own_code(filled: str) -> None:
    found = [f for f in answer(filled, 11) if f["project"] == "42"]
    recent = [e for e in events(filled, "project_id = 42") if e["occurred_at"] >= NOW - timedelta(days=7)]
    assert [(f["module"], f["function"], f["events"], f["events_as_top"]) for f in found] == [
        ("shop.price", "share", len(recent), len(recent))
    ]


def test_an_event_is_found_by_its_id_with_its_issue_and_frames(filled: str) -> None:
    (one,) = events(filled, f"event_id = '{UUID(int=7)}'")
    (found,) = answer(filled, 12, project_id=one["project_id"], event_id=one["event_id"])
    assert (found["title"], found["occurred_at"]) == (one["title"], one["occurred_at"])
    assert [frame["function"] for frame in found["frames"]] == ["share", "checkout"]
    assert found["issue_events"] == len(
        events(filled, f"project_id = {one['project_id']} and issue_id = {one['issue_id']}")
    )


def test_the_last_events_of_an_issue_are_found_across_its_groups(filled: str) -> None:
    groups = warehouse.rows(filled, "select distinct group_id from analytics.events where project_id = 43 limit 2")
    with psycopg.connect(filled) as connection:
        merged = [each["group_id"] for each in groups]
        connection.execute(
            "update warehouse.dim_group set issue_id = 5 where project_id = 43 and group_key = any(%s)", (merged,)
        )
    found = answer(filled, 13, project_id=43, issue_id=5)
    expected = sorted(
        events(filled, "project_id = 43 and issue_id = 5"), key=lambda e: (e["occurred_at"], e["event_id"])
    )
    assert len({e["group_id"] for e in expected}) == 2
    assert sorted(f["event_id"] for f in found) == sorted(e["event_id"] for e in expected[-50:])


@pytest.mark.parametrize("projects", [None, [42]])
def test_an_analyst_is_answered_over_the_projects_there_are_for_them(
    database_url: str, projects: list[int] | None
) -> None:
    source = random.Random(5)
    with loading(database_url) as (loader, engine):
        for project in (42, 43):
            events_of_project = [made(100 * project + number, source) for number in range(40)]
            loader.load([sdk(*events_of_project, project=project, at=NOW)], origin="test")
        fold.fold_all(engine, NOW.date(), 14)
        roles.set_up(engine)
        rls.enable(engine)
        (one,) = warehouse.rows(
            database_url, "select project_id, issue_id, event_id from analytics.events where project_id = 42 limit 1"
        )
        with login(database_url, "analyst", projects) as analyst:
            for path in QUERIES:
                found = ask(analyst, path, one)
                assert found or path.stem.startswith("02_"), path.stem
                seen = {row["project"] for row in found if "project" in row}
                assert seen <= ({"42", "43"} if projects is None else {"42"}), path.stem
            other = warehouse.rows(analyst, "select count(*) as events from analytics.events where project_id = 43")
            assert (other[0]["events"] > 0) is (projects is None)
