"""What reports say is what the events say, by SQL that shares nothing with them."""

import random
from datetime import date, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from models import fold
from reports.built_in import make
from reports.period import Period, calendar
from reports.reading import reading
from reports.report import Report, Section, encoded
from tests.support import warehouse
from tests.support.builders import event
from tests.support.corpus import corpus
from tests.support.facts import Fact, put
from tests.support.loading import NOON, loading, sdk, told

# Events by everything that they can be grouped by, from the facts and dimensions alone.
COUNTED = """
    select {columns}, count(*)::int as events, count(distinct f.user_key)::int as users,
        min(f.occurred_at) as first_seen_at, max(f.occurred_at) as last_seen_at
    from warehouse.fact_event f
    left join warehouse.dim_project p using (project_id)
    left join warehouse.dim_culprit c on (c.project_id, c.culprit_key) = (f.project_id, f.culprit_key)
    left join warehouse.dim_environment e on (e.project_id, e.environment_key) = (f.project_id, f.environment_key)
    left join warehouse.dim_release r on (r.project_id, r.release_key) = (f.project_id, f.release_key)
    left join warehouse.dim_group g on (g.project_id, g.group_key) = (f.project_id, f.group_key)
    where f.occurred_at >= %s and f.occurred_at < %s and {wanted}
    group by {places}
"""
NAMED = {
    "project": "coalesce(p.slug, p.name, f.project_id::text)",
    "level": "case f.level when 50 then 'fatal' when 40 then 'error' when 30 then 'warning' when 20 then 'info' "
    "when 10 then 'debug' end",
    "culprit": "coalesce(c.culprit, '')",
    "environment": "coalesce(e.environment, '')",
    "release": "coalesce(r.release, '')",
    "issue": "g.public_issue_id",
}
GROUP = text(
    "insert into warehouse.dim_group (project_id, group_key, group_hash, type, title, culprit) "
    "values (42, 1, '1', 'error', 'one', '')"
)
WEEK = calendar(NOON.date() - timedelta(days=7), "week", "UTC")
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/Los_Angeles")


def made(number: int, source: random.Random) -> Any:
    """Give an event of the last 26 days, of few kinds; some name nothing that can be missing."""
    return event(
        event_id=UUID(int=number + 1).hex,
        timestamp=told(NOON - timedelta(minutes=source.randrange(1, 26 * 24 * 60))),
        level=source.choice(["fatal", "error", "error", "warning", "info"]),
        environment=source.choice([None, "production", "staging"]),
        release=source.choice([None, "shop@1.0.0", "shop@1.1.0"]),
        transaction=source.choice([None, "/checkout", "/cart"]),
        user=source.choice([None, {"id": "1"}, {"id": "2"}, {"id": "3"}]),
        fingerprint=[source.choice(["basket", "checkout", "login"])],
    )


@pytest.fixture
def url(database_url: str) -> str:
    """Three projects, of whose events the first half is folded and the second is not."""
    source = random.Random(5)
    with loading(database_url) as (loader, engine):
        for half in range(2):
            for project in (42, 43, 44):
                parcel = [made(1000 * project + 150 * half + number, source) for number in range(150)]
                loader.load([sdk(*parcel, project=project)], origin="test")
            if half == 0:
                fold.fold_all(engine, NOON.date(), 14)
    return database_url


def report(url: str, name: str, period: Period = WEEK, **parameters: Any) -> Report:
    with reading(url) as reader:
        return make(name, reader, period, parameters)


def rows(section: Section) -> list[dict[str, Any]]:
    names = [column.name for column in section.table.columns]
    return [dict(zip(names, row, strict=True)) for row in section.table.rows]


def expected(url: str, by: list[str], period: Period, wanted: str = "true") -> dict[tuple[Any, ...], dict[str, Any]]:
    columns = ", ".join(f"{NAMED[name]} as {name}" for name in by)
    sql = COUNTED.format(columns=columns, wanted=wanted, places=", ".join(str(place + 1) for place in range(len(by))))
    return {tuple(row[name] for name in by): row for row in warehouse.rows(url, sql, period.start, period.end)}


def holds(found: Report, url: str, by: list[str], period: Period, wanted: str = "true") -> None:
    """Compare the plain table with the facts, every column of it."""
    facts, before = (expected(url, by, each, wanted) for each in (period, period.previous()))
    shown = {tuple(row[name] for name in by): row for row in rows(found.section("frequency"))}
    assert set(shown) == set(facts)
    total = sum(row["events"] for row in facts.values())
    for key, row in facts.items():
        assert (shown[key]["events"], shown[key]["users"]) == (row["events"], row["users"])
        for name in ("first_seen_at", "last_seen_at"):
            assert shown[key][name] == row[name].astimezone(ZoneInfo("UTC")).isoformat().replace("+00:00", "Z")
        assert shown[key]["share"] == pytest.approx(row["events"] / total)
        was = before[key]["events"] if key in before else 0
        change = row["events"] / was - 1 if was >= 20 else None
        assert shown[key]["change"] == (pytest.approx(change) if change is not None else None)
    assert found.headline[0].value == total


@pytest.mark.parametrize("zone", ZONES)
def test_frequency_is_that_of_the_events_in_any_time_zone(url: str, zone: str) -> None:
    for kind in ("day", "week"):
        period = calendar(NOON.date() - timedelta(days=7), kind, zone)
        for by in (["project", "level", "culprit"], ["environment"], ["project", "release", "issue"]):
            holds(report(url, "frequency", period, by=",".join(by)), url, by, period)


def test_frequency_takes_filters_and_periods_to_the_minute(url: str) -> None:
    period = Period(NOON - timedelta(days=5, minutes=7), NOON - timedelta(hours=1, minutes=3), "UTC", "span")
    told = {"project": ["43", "44"], "level": ["error"], "culprit": ["/cart"], "environment": ["production", "staging"]}
    wanted = (
        "f.project_id in (43, 44) and f.level = 40 and c.culprit = '/cart' "
        "and e.environment in ('production', 'staging')"
    )
    holds(report(url, "frequency", period, by="project,release", **told), url, ["project", "release"], period, wanted)


def test_the_rows_that_are_left_out_are_counted(url: str) -> None:
    by = ["project", "level", "culprit", "environment"]
    found = report(url, "frequency", by=by, top=3).section("frequency").table
    every = sorted((row["events"] for row in expected(url, by, WEEK).values()), reverse=True)
    place = [column.name for column in found.columns].index("events")
    assert [row[place] for row in found.rows] == every[:3]
    assert found.left_out_count == len(every) - 3


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_every_section_of_the_weekly_report_adds_up_to_the_events(url: str, zone: str) -> None:
    week = calendar(NOON.date() - timedelta(days=7), "week", zone)
    found = report(url, "weekly", week, top=2)
    now = sum(row["events"] for row in expected(url, ["project"], week).values())
    then = sum(row["events"] for row in expected(url, ["project"], week.previous()).values())
    figures = {each.name: each for each in found.headline}
    assert (figures["events"].value, figures["events"].previous) == (now, then)
    assert figures["events_per_hour"].value == pytest.approx(now / 168, abs=0.001)
    assert figures["users"].value == sum(row["users"] for row in expected(url, ["project"], week).values())
    for name in ("top_culprits", "projects", "levels", "timeline", "heatmap", "releases", "environments"):
        assert sum(row["events"] for row in rows(found.section(name))) == now, name
    assert sum(row["difference"] for row in rows(found.section("what_changed"))) == now - then
    for name in ("top_culprits", "projects", "releases", "environments"):
        assert sum(row["share"] for row in rows(found.section(name))) == pytest.approx(1), name


def test_top_culprits_are_the_most_frequent_with_their_users_and_days(url: str) -> None:
    found = rows(report(url, "weekly", top=4).section("top_culprits"))
    facts = expected(url, ["project", "culprit"], WEEK)
    ranked = sorted(facts, key=lambda key: (-facts[key]["events"], key))[:4]
    assert [(row["project"], row["culprit"]) for row in found[:4]] == ranked
    assert [row["users"] for row in found[:4]] == [facts[key]["users"] for key in ranked]
    assert [sum(row["trend"][-7:]) for row in found[:4]] == [facts[key]["events"] for key in ranked]
    assert [len(row["trend"]) for row in found[:4]] == [14] * 4
    assert found[4]["culprit"] == f"other ({len(facts) - 4} culprits)"


def test_new_issues_are_those_whose_first_event_is_of_the_period(url: str) -> None:
    with loading(url) as (loader, _):
        one = event(event_id=UUID(int=9).hex, timestamp=told(WEEK.start + timedelta(hours=9)), fingerprint=["only now"])
        loader.load([sdk(one, project=43)], origin="test")
    found = report(url, "weekly")
    first = warehouse.value(
        url,
        """select count(*) from (
            select min(occurred_at) as at from warehouse.fact_event group by project_id, group_key
        ) g where at >= %s and at < %s""",
        WEEK.start,
        WEEK.end,
    )
    assert {each.name: each.value for each in found.headline}["new_issues"] == first > 0
    assert [row["movement"] for row in rows(found.section("new_and_regressed"))].count("new") == first


def test_a_day_is_compared_with_the_mean_of_the_fourteen_before(url: str) -> None:
    day = calendar(NOON.date() - timedelta(days=3), "day", "Europe/Berlin")
    before = Period(day.start - timedelta(days=14), day.start, day.zone, "span")
    figure = report(url, "daily", day).headline[0]
    assert figure.value == sum(row["events"] for row in expected(url, ["project"], day).values())
    was = sum(row["events"] for row in expected(url, ["project"], before).values()) / 14
    assert figure.previous == pytest.approx(was, abs=0.05)


@pytest.mark.parametrize("name", ["frequency", "daily", "weekly", "health"])
def test_a_past_period_gives_the_same_to_the_byte_whatever_came_later_and_was_folded(url: str, name: str) -> None:
    first = encoded(report(url, name))
    assert encoded(report(url, name)) == first
    with loading(url) as (loader, engine):
        later = [event(event_id=UUID(int=n + 1).hex, timestamp=told(NOON), fingerprint=["login"]) for n in range(9)]
        loader.load([sdk(*later, project=43)], origin="test")
        fold.fold_all(engine, NOON.date(), 14)
    assert encoded(report(url, name)) == first


@pytest.mark.parametrize(("day", "hours"), [("2026-10-19", 169), ("2026-03-23", 167)])
def test_the_rate_of_a_week_in_which_clocks_change_is_by_its_real_hours(
    database_url: str, day: str, hours: int
) -> None:
    week = calendar(date.fromisoformat(day), "week", "Europe/Berlin")
    with loading(database_url) as (_, engine):
        inside = [Fact(week.start + timedelta(hours=number)) for number in range(hours)]
        with engine.begin() as connection:
            connection.execute(GROUP)
        put(engine, [*inside, Fact(week.start - timedelta(seconds=1)), Fact(week.end)])
        fold.fold_all(engine, NOON.date(), 14)
    found = report(database_url, "weekly", week)
    assert (found.period.hours, found.headline[0].value, found.headline[1].value) == (hours, hours, 1.0)
    assert len(found.section("timeline").table.rows) == hours


def test_numbers_of_the_corpus_are_those_of_its_events(database_url: str) -> None:
    with loading(database_url) as (loader, engine):
        loader.load(corpus(), origin="test")
        fold.fold_all(engine, NOON.date(), 14)
    spread = warehouse.rows(
        database_url, "select min(occurred_at) as first, max(occurred_at) as last from warehouse.fact_event"
    )[0]
    for end in (spread["last"] + timedelta(seconds=1), NOON + timedelta(hours=1)):
        period = Period(end - timedelta(days=3000), end, "Europe/Berlin", "span")
        for by in (["project", "level", "culprit"], ["release", "issue"]):
            holds(report(database_url, "frequency", period, by=",".join(by)), database_url, by, period)
