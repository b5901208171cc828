"""The health report: what came late, what was not loaded, and whether rollups say what the events do."""

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from ingest.records import Door, Payload
from models import fold
from reports.built_in import make
from reports.period import calendar
from reports.reading import reading
from reports.report import Report, Section
from tests.support import postgres, roles, warehouse
from tests.support.builders import event
from tests.support.loading import NOON, loading, sdk, told, us

DAY = NOON.date() - timedelta(days=1)
WEEK = calendar(DAY, "day", "UTC")


def one(number: int, late: timedelta = timedelta(0)) -> Any:
    at = WEEK.end - timedelta(hours=5) - late
    return event(event_id=UUID(int=number + 1).hex, timestamp=told(at), user={"id": str(number)})


@pytest.fixture
def url(database_url: str) -> str:
    """Two projects, of which one sends late, with payloads met again, broken, and of nobody."""
    source = random.Random(2)
    received = WEEK.end - timedelta(hours=5)
    with loading(database_url) as (loader, engine):
        for project in (42, 43):
            events = [
                one(1000 * project + number, timedelta(minutes=source.randrange(240 if project == 43 else 2)))
                for number in range(40)
            ]
            loader.load([sdk(*events, at=received, project=project)], origin="test")
        fold.fold_all(engine, NOON.date(), 14)
        loader.load([sdk(one(42_000), at=received, project=42)], origin="test")
        loader.load(
            [Payload(us(received), Door.STORE, b"no json " + bytes([65 + n]), 42, {}) for n in range(3)],
            origin="test",
        )
    return database_url


def health(url: str) -> Report:
    with reading(url) as reader:
        return make("health", reader, WEEK)


def rows(section: Section) -> list[dict[str, Any]]:
    names = [column.name for column in section.table.columns]
    return [dict(zip(names, row, strict=True)) for row in section.table.rows]


def test_arrival_is_told_of_the_events_and_agrees_with_rollups(url: str) -> None:
    found = health(url).section("arrival")
    truth = warehouse.rows(
        url,
        """select project_id::text as project, count(*)::int as events,
            percentile_cont(0.5) within group (order by extract(epoch from received_at - occurred_at)::float8) as p50,
            percentile_cont(0.95) within group (order by extract(epoch from received_at - occurred_at)::float8) as p95,
            avg((received_at - occurred_at > interval '1 hour')::int)::float8 as late
        from warehouse.fact_event where occurred_at >= %s and occurred_at < %s group by 1 order by p95 desc""",
        WEEK.start,
        WEEK.end,
    )
    assert [row["project"] for row in truth] == ["43", "42"]
    for row, real in zip(rows(found), truth, strict=True):
        assert (row["project"], row["events"], row["rolled_up_events"]) == (real["project"], *[real["events"]] * 2)
        assert (row["p50_seconds"], row["p95_seconds"]) == pytest.approx((real["p50"], real["p95"]), abs=0.002)
        assert row["late_share"] == pytest.approx(real["late"])
        assert row["agrees"] is True
    assert f"{DAY.isoformat()}, those of 43 came latest" in found.sentence
    assert "as many as the rollups say." in found.sentence


def test_numbers_that_do_not_agree_are_told_and_events_that_are_not_kept_are_no_fault(url: str) -> None:
    postgres.run(url, "update warehouse.rollup_hour set event_count = event_count + 1 where project_id = 43")
    found = health(url)
    assert {each.name: each.value for each in found.headline}["unlike_projects"] == 1
    assert "but not in 1 project: `errhouse db audit` tells more." in found.section("arrival").sentence
    postgres.run(url, "delete from warehouse.fact_event")
    gone = health(url)
    assert [row["agrees"] for row in rows(gone.section("arrival"))] == [None, None]
    assert gone.section("arrival").sentence == f"No event of {DAY.isoformat()} is kept to be counted."


def test_what_was_not_loaded_is_told_with_reasons(url: str) -> None:
    today = calendar(NOON.date(), "day", "UTC")
    tally = warehouse.tally(url)
    with reading(url) as reader:
        loaded = make("health", reader, today)  # on the day of loading
    (row,) = rows(loaded.section("loads"))
    assert {name: row[name] for name in ("events", "loaded", "duplicates", "refused", "set_aside")} == {
        name: tally[name] for name in ("events", "loaded", "duplicates", "refused", "set_aside")
    }
    assert (row["duplicates"], row["set_aside"]) == (1, 3)
    (aside,) = rows(health(url).section("set_aside"))
    assert (aside["project"], aside["payloads"], aside["times_seen"]) == ("42", 3, 3)
    assert (
        health(url)
        .section("set_aside")
        .sentence.startswith(f"3 payloads are set aside, most often as {aside['reason']}")
    )


def test_an_analyst_of_one_project_is_told_of_it_alone(url: str, postgres_url: str) -> None:
    with roles.login(url, "analyst", superuser=postgres_url) as limited, reading(limited) as reader:
        found = make("health", reader, WEEK)
    assert [row["project"] for row in rows(found.section("arrival"))] == ["43", "42"]
