"""What holds of aggregations whatever came in."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.aggregation import COUNTS, HOURS, INSTANT, ISSUE_HOURS, ISSUES, RELEASE_DAYS, empty
from reports.aggregations import aggregation
from reports.hourly import dispersion_of
from reports.period import calendar

START = datetime(2026, 11, 16, tzinfo=UTC)
END = START + timedelta(days=7)
BY = ("project", "level", "culprit", "environment", "release", "issue")
EMPTY = empty(COUNTS)
WORDS = st.sampled_from(["", "a", "b", "ü", "<script>", "other (2 culprits)"])
MANY = settings(max_examples=25, deadline=None)


def counts_of(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    names = [*BY, "events", "users", "minute"]
    made = pd.DataFrame(rows, columns=names)
    made["first_seen_at"] = [START + timedelta(minutes=minute) for minute in made["minute"]]
    made["last_seen_at"] = made["first_seen_at"]
    made["weighted_events"] = made["events"] * 1.1
    made["unhandled_events"] = made["events"] // 2
    return made[list(COUNTS)].astype(dict(COUNTS)) if rows else EMPTY


ROW = st.tuples(
    WORDS,
    st.sampled_from(["fatal", "error", "warning", "info", "debug"]),
    WORDS,
    WORDS,
    WORDS,
    st.integers(-(2**62), 2**62),
    st.integers(1, 10**6),
    st.integers(0, 100),
    st.integers(0, 10_000),
)
FRAMES = st.lists(ROW, max_size=25).map(counts_of)
GROUPED_BY = st.lists(st.sampled_from(BY), min_size=1, max_size=6, unique=True)
TOP = st.one_of(st.none(), st.integers(0, 5))


@MANY
@given(FRAMES, FRAMES, GROUPED_BY, TOP)
def test_shares_add_up_to_one_and_the_row_of_others_closes_every_sum(
    now: pd.DataFrame, before: pd.DataFrame, by: list[str], top: int | None
) -> None:
    made = aggregation("frequency").run(now=now, before=before, hours=168, by=by, top=top)
    assert made["events"].sum() == now["events"].sum()
    assert made["previous_events"].sum() == before["events"].sum()
    assert made["unhandled_events"].sum() == now["unhandled_events"].sum()
    assert made["weighted_events"].sum() == pytest.approx(now["weighted_events"].sum(), abs=0.1)
    if len(now):
        assert made["share"].sum() == pytest.approx(1)
        assert made["last_seen_at"].max() == now["last_seen_at"].max()
    groups = len(pd.concat([now, before])[by].drop_duplicates())
    assert made["groups"].sum() == groups
    assert len(made) == (groups if top is None or groups <= top else top + 1)
    shown = made[~made["is_other"]]
    assert list(shown["events"]) == sorted(shown["events"], reverse=True)
    keys = list(zip(-shown["events"], *(shown[name] for name in BY if name in by), strict=True))
    assert keys == sorted(keys)


@MANY
@given(FRAMES, FRAMES, GROUPED_BY)
def test_counts_of_two_periods_add_up_to_those_of_both(one: pd.DataFrame, other: pd.DataFrame, by: list[str]) -> None:
    def events(frame: pd.DataFrame) -> pd.Series:
        made = aggregation("frequency").run(now=frame, before=EMPTY, hours=1, by=by)
        return made.set_index([name for name in BY if name in by])["events"]

    both = events(pd.concat([one, other], ignore_index=True))
    apart = events(one).add(events(other), fill_value=0).astype("int64")
    assert both.to_dict() == apart.to_dict()


@MANY
@given(FRAMES, FRAMES, st.integers(0, 10**6))
def test_the_order_in_which_counts_come_changes_nothing(now: pd.DataFrame, before: pd.DataFrame, seed: int) -> None:
    mixed = {name: frame.sample(frac=1, random_state=seed) for name, frame in (("now", now), ("before", before))}
    for name, more in (
        ("frequency", {"hours": 1, "by": BY[:3], "top": 2}),
        ("by_project", {"hours": 1}),
        ("by_level", {"hours": 1}),
        ("contribution", {"top": 2}),
        ("users_affected", {}),
        ("unhandled_rate", {}),
        ("churn", {"top": 3}),
    ):
        wanted = aggregation(name)
        first = wanted.run(now=now, before=before, **more)
        pd.testing.assert_frame_equal(first, wanted.run(**mixed, **more), check_exact=True)


@MANY
@given(FRAMES, FRAMES, TOP)
def test_contributions_add_up_to_one_or_are_not_told(now: pd.DataFrame, before: pd.DataFrame, top: int | None) -> None:
    made = aggregation("contribution").run(now=now, before=before, top=top)
    moved = int(now["events"].sum() - before["events"].sum())
    assert made["difference"].sum() == moved
    if moved:
        # terms of either sign may be far larger than their sum
        assert abs(made["contribution"].sum() - 1) <= 1e-9 * max(1, made["contribution"].abs().sum())
    else:
        assert made["contribution"].isna().all()


@MANY
@given(FRAMES, TOP)
def test_cumulative_shares_rise_to_one_and_the_vital_few_are_as_few_as_can_be(
    now: pd.DataFrame, top: int | None
) -> None:
    made = aggregation("pareto").run(now=now, by="culprit", top=top)
    facts = aggregation("concentration").run(now=now, by="culprit")
    if now.empty:
        assert made.empty
        assert facts.empty
        return
    assert made["cumulative_share"].is_monotonic_increasing
    assert made["cumulative_share"].iloc[-1] == 1
    whole = aggregation("pareto").run(now=now, by="culprit")
    vital = int(facts["vital_groups"].iloc[0])
    assert whole["is_vital"].sum() == vital
    assert whole["cumulative_share"].iloc[vital - 1] >= 0.8 - 1e-6
    assert vital == 1 or whole["cumulative_share"].iloc[vital - 2] < 0.8
    assert 1 - 1e-9 <= facts["effective_groups"].iloc[0] <= facts["groups"].iloc[0] + 1e-9


HOUR_ROWS = st.lists(
    st.tuples(
        st.sampled_from(["shop", "blog"]),
        st.integers(0, 167),
        st.sampled_from(["fatal", "error", "debug"]),
        st.integers(1, 1000),
    ),
    max_size=30,
)


def hours_of(rows: list[tuple[Any, ...]], start: datetime) -> pd.DataFrame:
    if not rows:
        return empty(HOURS)
    made = pd.DataFrame(rows, columns=["project", "hour", "level", "events"])
    made["hour"] = pd.Series([start + timedelta(hours=hour) for hour in made["hour"]]).astype(INSTANT)
    return made.assign(environment="", weighted_events=1.0, unhandled_events=0).astype(dict(HOURS))


@MANY
@given(HOUR_ROWS, st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Australia/Lord_Howe"]))
def test_no_event_is_lost_in_buckets_of_any_zone(rows: list[tuple[Any, ...]], zone: str) -> None:
    period = calendar(START.date(), "week", zone)
    hours = hours_of(rows, period.start.replace(minute=0))
    total = hours["events"].sum()
    told = {"hours": hours, "start": period.start, "end": period.end, "zone": zone}
    for size in ("hour", "day", "week"):
        made = aggregation("timeline").run(**told, size=size)
        assert made["events"].sum() == total
        assert not made.duplicated(["starts_at", "series"]).any()
    assert aggregation("level_mix").run(**told)["events"].sum() == total
    assert aggregation("heatmap").run(**told)["events"].sum() == total


@pytest.mark.parametrize(
    ("zone", "day", "length"),
    [
        ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC), 167),
        ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC), 169),
        ("America/New_York", datetime(2026, 3, 8, tzinfo=UTC), 167),
        ("UTC", datetime(2026, 3, 8, tzinfo=UTC), 168),
    ],
)
def test_hours_of_a_week_are_as_many_as_there_really_were(zone: str, day: datetime, length: int) -> None:
    period = calendar(day.date(), "week", zone)
    hours = hours_of([("shop", 30, "error", 100)], period.start)
    told = {"hours": hours, "start": period.start, "end": period.end, "zone": zone}
    heat = aggregation("heatmap").run(**told)
    assert heat["hours"].sum() == period.hours == length
    missing = heat[heat["hours"] == 0]
    assert len(missing) == (length == 167)
    assert missing["mean_events"].isna().all()
    days = aggregation("timeline").run(**told)
    assert [each.astimezone(ZoneInfo(zone)).hour for each in days["starts_at"]] == [0] * 7
    assert not days["is_partial"].any()


def test_dispersion_of_hours_is_that_of_their_sum_over_whole_weeks() -> None:
    # the same hour has 2 + 2, 8 and 6 in three weeks: mean 6, variance 4; all 167 other hours have nothing
    rows = [("shop", 0, "error", 2), ("blog", 0, "debug", 2), ("shop", 168, "error", 8), ("shop", 336, "error", 6)]
    end = START + timedelta(weeks=3)
    assert dispersion_of(hours_of(rows, START), end) == 1
    many = [(project, hour, level, 1000 * events) for project, hour, level, events in rows]
    assert dispersion_of(hours_of(many, START), end) == pytest.approx(4_000_000 / 6000 / 168)
    assert dispersion_of(hours_of(many[:1], START), START + timedelta(weeks=1)) == 1
    assert dispersion_of(empty(HOURS), end) == 1


@MANY
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 400)), max_size=40))
def test_every_episode_ends_in_one_period_only(rows: list[tuple[int, int]]) -> None:
    known = pd.DataFrame(rows, columns=["issue_id", "hour"]).drop_duplicates()
    known["hour"] = [START + timedelta(hours=int(hour)) for hour in known["hour"]]
    hours = (
        known.assign(project="shop", events=1)[list(ISSUE_HOURS)].astype(dict(ISSUE_HOURS))
        if rows
        else empty(ISSUE_HOURS)
    )

    def episodes(start: datetime, end: datetime) -> int:
        told = {"issue_hours": hours, "issues": empty(ISSUES), "start": start, "end": end}
        return int(aggregation("time_to_silence").run(**told)["episodes"].sum())

    edges = [START + timedelta(hours=100 * number) for number in range(6)]
    parts = sum(episodes(first, last) for first, last in pairwise(edges))
    assert parts == episodes(edges[0], edges[-1])
    assert (parts > 0) == bool(rows)


@MANY
@given(st.lists(st.tuples(WORDS, WORDS, st.integers(0, 3), st.integers(1, 100)), max_size=30), st.integers(1, 4))
def test_adoption_adds_up_to_one_on_every_day(rows: list[tuple[Any, ...]], top: int) -> None:
    made = pd.DataFrame(rows, columns=["project", "release", "day", "events"])
    made["day"] = pd.Series([START.date() + timedelta(days=day) for day in made["day"]], dtype="object")
    days = made.astype(dict(RELEASE_DAYS)) if rows else empty(RELEASE_DAYS)
    found = aggregation("release_adoption").run(days=days, top=top)
    assert found["events"].sum() == days["events"].sum()
    np.testing.assert_allclose(found.groupby(["project", "day"])["share"].sum(), 1)
    assert (found.groupby(["project", "day"]).size() <= top + 1).all()
