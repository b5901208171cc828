"""Frames of a real warehouse fit what aggregations take, and hold what its events say."""

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pandas as pd
import pytest

from models import fold
from reports import frames
from reports.aggregation import INSTANT
from reports.aggregations import AGGREGATIONS
from reports.filters import GROUPINGS, Filters
from reports.period import Period
from reports.reading import Reader, reading
from tests.support import warehouse
from tests.support.builders import event
from tests.support.loading import NOON, loading, sdk, told, webhook

END = NOON
START = END - timedelta(days=3)
NOW = Period(START, END, "UTC", "rolling")
BEFORE = NOW.previous()
EVER = Period(END - timedelta(days=40), END, "UTC", "span")


def made(number: int, source: random.Random) -> Any:
    """Give an event of the last six days, of few kinds; some name nothing that can be missing."""
    release = source.choice([None, "shop@1.0.0", "shop@1.1.0", "1a2b3c"])
    return event(
        event_id=UUID(int=number + 1).hex,
        timestamp=told(NOON - timedelta(minutes=source.randrange(1, 6 * 24 * 60))),
        level=source.choice(["fatal", "error", "warning"]),
        environment=source.choice([None, "production", "staging"]),
        release=release,
        transaction=source.choice([None, "/checkout"]),
        user=source.choice([None, {"id": "1"}, {"id": "2"}]),
        fingerprint=source.choice([None, ["basket"], ["checkout"]]),
    )


@pytest.fixture
def url(database_url: str) -> str:
    source = random.Random(3)
    with loading(database_url) as (loader, engine):
        for batch in range(2):
            parcel = [made(60 * batch + number, source) for number in range(60)]
            for project in (42, 43):
                loader.load([sdk(*parcel[project % 2 :: 2], project=project)], origin="test")
            if batch == 0:
                fold.fold_all(engine, NOON.date(), 14)
        for number, fingerprint in enumerate((["basket"], ["checkout"])):  # two groups that are one issue in Sentry
            one = event(event_id=UUID(int=900 + number).hex, timestamp=told(NOON - timedelta(hours=1)))
            loader.load([webhook(one, project=43, issue_id="77", fingerprint=fingerprint)], origin="test")
    return database_url


@pytest.fixture
def reader(url: str) -> Iterator[Reader]:
    with reading(url) as opened:
        yield opened


def test_every_aggregation_takes_what_the_warehouse_gives(reader: Reader) -> None:
    issue_filter = Filters()
    given = {
        "now": frames.frequency(NOW, GROUPINGS, reader=reader),
        "before": frames.frequency(BEFORE, GROUPINGS, reader=reader),
        "recent": frames.frequency(BEFORE, ("project", "issue"), reader=reader),
        "ever": frames.frequency(EVER, ("project", "environment", "issue"), reader=reader),
        "issues": frames.issues(BEFORE.start, issue_filter, reader),
        "issue_hours": frames.issue_hours(EVER, reader=reader),
        "releases": frames.releases(reader=reader),
        "days": frames.release_days(EVER, reader=reader),
        "quality": frames.quality(EVER, reader=reader),
        "start": START,
        "end": END,
    }
    both = {"hours": frames.hours(EVER, reader=reader), "release_hours": frames.release_hours(EVER, reader=reader)}
    more = {"error_budget": {"hours": 72.0, "budget": 1000.0}}
    counted = {"frequency", "by_project", "by_level", "by_culprit"}
    empty_ones = []
    for each in AGGREGATIONS:
        asked = dict.fromkeys(each.takes) | {name: given[name] for name in each.takes if name in given}
        if "hours" in each.takes:
            asked["hours"] = both["release_hours" if "release" in each.takes["hours"] else "hours"]
        takes_time = each.aggregate.__code__.co_varnames[: each.aggregate.__code__.co_argcount]
        asked |= {name: given[name] for name in ("start", "end") if name in takes_time}
        asked |= {"hours": NOW.hours} if each.name in counted else {}
        found = each.run(**asked, **more.get(each.name, {}))
        if found.empty:
            empty_ones.append(each.name)
    assert set(empty_ones) <= {"escalating", "spikes", "release_regressions", "time_to_silence", "noise_candidates"}


def test_frames_without_a_row_fit_as_well(reader: Reader) -> None:
    nobody = Filters(project=("nobody",))
    for frame in (
        frames.frequency(NOW, GROUPINGS, nobody, reader),
        frames.hours(NOW, nobody, reader),
        frames.issue_hours(NOW, nobody, reader),
        frames.release_hours(NOW, nobody, reader),
        frames.releases(nobody, reader),
    ):
        assert frame.empty
        assert "project" in frame.columns


def same(found: pd.DataFrame, url: str, sql: str) -> None:
    """Compare a frame with a query on the events, whatever the order."""
    expected = pd.DataFrame(warehouse.rows(url, sql, START, END))
    for name in expected.columns:
        if str(found[name].dtype) == INSTANT:
            expected[name] = pd.to_datetime(expected[name], utc=True).astype(INSTANT)
    keys = [name for name in expected.columns if name != "events"]
    assert len(expected) > 3
    left = found[list(expected.columns)].sort_values(keys, ignore_index=True)
    right = expected.sort_values(keys, ignore_index=True).astype(left.dtypes.to_dict())
    pd.testing.assert_frame_equal(left, right)


def test_hours_of_issues_and_of_releases_are_those_of_the_events(url: str, reader: Reader) -> None:
    hour = "date_trunc('hour', occurred_at, 'UTC') as hour"
    where = "from analytics.events where occurred_at >= %s and occurred_at < %s"
    exact = Period(START, END, "UTC", "rolling")
    same(
        frames.issue_hours(exact, reader=reader),
        url,
        f"select project, issue_id, {hour}, count(*)::bigint as events {where} group by 1, 2, 3",
    )
    same(
        frames.release_hours(exact, Filters(release=("shop@1.0.0", "shop@1.1.0")), reader),
        url,
        f"""select project, release, issue_id, {hour}, count(*)::bigint as events {where}
            and release in ('shop@1.0.0', 'shop@1.1.0') group by 1, 2, 3, 4""",
    )


def test_days_of_releases_are_those_of_the_events(url: str, reader: Reader) -> None:
    days = Period(NOON.replace(hour=0) - timedelta(days=3), NOON, "UTC", "span")
    found = frames.release_days(days, reader=reader)
    expected = warehouse.rows(
        url,
        """select project, coalesce(release, '') as release, (occurred_at at time zone 'UTC')::date as day,
            count(*)::int as events from analytics.events where occurred_at >= %s group by 1, 2, 3""",
        days.start,
    )
    told = {(row.project, row.release, row.day): row.events for row in found.itertuples()}
    assert told == {(row["project"], row["release"], row["day"]): row["events"] for row in expected}
