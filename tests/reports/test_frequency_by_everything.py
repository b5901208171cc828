"""How often, by every combination of what can be grouped by, is what one finds who counts the facts one by one."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any, NamedTuple
from uuid import UUID

import pandas as pd
import pytest

from models import fold
from reports import frames
from reports.built_in import make
from reports.filters import GROUPINGS, Filters
from reports.period import Period
from reports.reading import Reader, reading
from tests.support import postgres, warehouse
from tests.support.builders import event
from tests.support.corpus import corpus
from tests.support.loading import NOON, loading, sdk, told

# The facts with their names: a row for each event, counted here in Python and nowhere else.
FACTS = """
    select coalesce(p.slug, p.name, f.project_id::text) as project,
        case f.level when 50 then 'fatal' when 40 then 'error' when 30 then 'warning' when 20 then 'info'
            when 10 then 'debug' end as level,
        coalesce(c.culprit, '') as culprit, coalesce(e.environment, '') as environment,
        coalesce(r.release, '') as release, g.public_issue_id as issue,
        f.user_key, f.occurred_at, f.sample_weight::float8 as weight, f.handled is false as is_unhandled
    from warehouse.fact_event f
    left join warehouse.dim_project p using (project_id)
    left join warehouse.dim_culprit c on (c.project_id, c.culprit_key) = (f.project_id, f.culprit_key)
    left join warehouse.dim_environment e on (e.project_id, e.environment_key) = (f.project_id, f.environment_key)
    left join warehouse.dim_release r on (r.project_id, r.release_key) = (f.project_id, f.release_key)
    left join warehouse.dim_group g on (g.project_id, g.group_key) = (f.project_id, f.group_key)
    where f.occurred_at >= %s and f.occurred_at < %s
"""
COMBINATIONS = [some for size in range(1, len(GROUPINGS) + 1) for some in combinations(GROUPINGS, size)]
PROMISED = {"project", "level", "culprit", "environment", "release"}


class Counted(NamedTuple):
    """What is told of one group."""

    events: int
    weighted: float
    unhandled: int
    users: int
    first_seen_at: datetime
    last_seen_at: datetime


def by_hand(url: str, by: tuple[str, ...], period: Period, filters: Filters = frames.ALL) -> dict[Any, Counted]:
    """Count the facts of a period."""
    groups: dict[Any, list[dict[str, Any]]] = {}
    wanted = {name: values for name, values in filters.told().items() if values}
    for row in warehouse.rows(url, FACTS, period.start, period.end):
        if all(row[name] in values for name, values in wanted.items()):
            groups.setdefault(tuple(row[name] for name in by), []).append(row)
    return {
        key: Counted(
            len(rows),
            pytest.approx(sum(row["weight"] for row in rows)),
            sum(row["is_unhandled"] for row in rows),
            len({row["user_key"] for row in rows} - {None}),
            min(row["occurred_at"] for row in rows),
            max(row["occurred_at"] for row in rows),
        )
        for key, rows in groups.items()
    }


def told_by(frame: pd.DataFrame, by: tuple[str, ...]) -> dict[Any, Counted]:
    """Read a frame in the same way."""
    names = [*by, "events", "weighted_events", "unhandled_events", "users", "first_seen_at", "last_seen_at"]
    rows = [tuple(row) for row in frame[names].itertuples(index=False)]
    assert len({row[: len(by)] for row in rows}) == len(rows)
    return {row[: len(by)]: Counted(*row[len(by) :]) for row in rows}


def made(number: int, source: random.Random) -> Any:
    """Give an event of the last twelve days; each of what it can be grouped by may be missing."""
    return event(
        event_id=UUID(int=number + 1).hex,
        timestamp=told(NOON - timedelta(seconds=source.randrange(1, 12 * 24 * 3600))),
        level=source.choice(["fatal", "error", "error", "warning", "info", "debug"]),
        environment=source.choice([None, "production", "staging", "Production"]),
        release=source.choice([None, "shop@1.0.0", "shop@1.1.0", "1a2b3c"]),
        transaction=source.choice([None, "/checkout", "/cart", "🛒 سلة"]),
        user=source.choice([None, {"id": "1"}, {"id": "2"}, {"id": "3"}]),
        fingerprint=[source.choice(["basket", "checkout", "login"])],
    )


def generated(url: str) -> Period:
    """Load three projects, half of them folded; give a period that begins and ends within a minute of a day."""
    source = random.Random(11)
    with loading(url) as (loader, engine):
        for half in range(2):
            for project in (42, 43, 44):
                parcel = [made(1000 * project + 100 * half + number, source) for number in range(100)]
                loader.load([sdk(*parcel, project=project)], origin="test")
            if half == 0:
                fold.fold_all(engine, NOON.date(), 14)
    return Period(NOON - timedelta(days=9, seconds=4321), NOON - timedelta(hours=7, seconds=7), "UTC", "span")


def of_corpus(url: str) -> Period:
    """Load what real senders sent; give a period that leaves out its first and its last event."""
    with loading(url) as (loader, engine):
        payloads = list(corpus())
        loader.load(payloads[::2], origin="test")
        fold.fold_all(engine, NOON.date(), 14)
        loader.load(payloads[1::2], origin="test")
    sql = "select min(occurred_at) as first, max(occurred_at) as last from warehouse.fact_event"
    (found,) = warehouse.rows(url, sql)
    return Period(found["first"] + timedelta(microseconds=1), found["last"], "UTC", "span")


@pytest.fixture(scope="module", params=[generated, of_corpus])
def loaded(request: pytest.FixtureRequest, postgres_url: str, template_database: str) -> Iterator[tuple[str, Period]]:
    with postgres.database(postgres_url, template_database) as url:
        yield url, request.param(url)


@pytest.fixture
def reader(loaded: tuple[str, Period]) -> Iterator[Reader]:
    with reading(loaded[0]) as opened:
        yield opened


def test_every_combination_is_counted_as_one_would_by_hand(loaded: tuple[str, Period], reader: Reader) -> None:
    url, period = loaded
    assert set(GROUPINGS) >= PROMISED
    total = by_hand(url, (), period)[()].events
    assert total > 100
    for by in COMBINATIONS:
        found = told_by(frames.frequency(period, by, reader=reader), by)
        assert found == by_hand(url, by, period), by
        assert sum(each.events for each in found.values()) == total


def test_the_report_shows_every_combination_whole(loaded: tuple[str, Period], reader: Reader) -> None:
    url, period = loaded
    for by in COMBINATIONS:
        if not PROMISED.issuperset(by):
            continue
        report = make("frequency", reader, period, {"by": ",".join(by), "top": "10000"})
        table = report.section("frequency").table
        names = [column.name for column in table.columns]
        shown = {
            tuple(row[names.index(name)] for name in by): (row[names.index("events")], row[names.index("users")])
            for row in table.rows
        }
        expected = by_hand(url, by, period)
        assert shown == {key: (each.events, each.users) for key, each in expected.items()}, by
        assert table.left_out_count == 0
        assert report.headline[0].value == sum(each.events for each in expected.values())


def test_what_is_filtered_by_each_and_by_all_is_counted_as_one_would_by_hand(
    loaded: tuple[str, Period], reader: Reader
) -> None:
    url, period = loaded
    by = tuple(name for name in GROUPINGS if name in PROMISED)
    commonest = max(by_hand(url, by, period).items(), key=lambda each: each[1].events)[0]
    one = dict(zip(by, commonest, strict=True))
    for some in COMBINATIONS:
        if PROMISED.issuperset(some):
            filters = Filters(**{name: (one[name], "nothing has this name") for name in some})
            found = told_by(frames.frequency(period, by, filters, reader), by)
            assert found == by_hand(url, by, period, filters), some
            assert found[commonest].events > 0
