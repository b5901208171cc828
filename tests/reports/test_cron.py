"""When schedules are due, and of which period their runs are: pure, in any zone, over both changes of the clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from reports.cron import MOST_OWED, Schedule, after, check, due, instants, period, told, upcoming
from reports.errors import BadPeriod, BadSchedule

BERLIN = "Europe/Berlin"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def schedule(**about: object) -> Schedule:
    given = {"cron": "0 * * * *", "zone": "UTC", "settle": timedelta(0), **about}
    return Schedule("hourly", "frequency", starts_at=NOW, parameters={}, formats=["json"], targets=[], **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2026-03-28", "2026-03-28T01:30"),  # CET
        ("2026-03-29", "2026-03-29T01:00"),  # 02:30 is not there: 03:00 CEST
        ("2026-03-30", "2026-03-30T00:30"),
        ("2026-10-25", "2026-10-25T00:30"),  # 02:30 is there twice: the first
        ("2026-10-26", "2026-10-26T01:30"),
    ],
)
def test_half_past_two_in_berlin_comes_once_on_every_day(day: str, expected: str) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(BERLIN))
    end = (start + DAY).astimezone(UTC)
    assert list(instants("30 2 * * *", BERLIN, start.astimezone(UTC), end)) == [utc(expected)]


@pytest.mark.parametrize("cron", ["30 2 * * *", "0,30 1-4 * * *", "*/20 * * * *", "15 2,3 * * *", "0 8 * * 1"])
@pytest.mark.parametrize("first", ["2026-03-28T12:00", "2026-10-24T12:00"])
def test_whoever_looks_every_few_minutes_sees_what_who_looks_once_sees(cron: str, first: str) -> None:
    begin = utc(first)
    end = begin + 2 * DAY
    whole = list(instants(cron, BERLIN, begin, end))
    seen: list[datetime] = []
    at = begin
    while at < end:
        seen += instants(cron, BERLIN, at, min(at + 7 * MINUTE, end))
        at += 7 * MINUTE
    assert seen == whole
    assert len(set(whole)) == len(whole)
    assert whole == sorted(whole)


def test_what_is_due_has_settled_and_has_no_run_yet() -> None:
    each = schedule(settle=timedelta(minutes=10), catch_up="all")
    assert due(each, NOW - MINUTE, NOW) == []
    assert due(each, NOW - MINUTE, NOW + timedelta(minutes=9, seconds=59)) == []
    assert [(one.scheduled_for, one.is_run) for one in due(each, NOW - MINUTE, NOW + 10 * MINUTE)] == [(NOW, True)]
    assert due(each, NOW, NOW + 10 * MINUTE) == []


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [("latest", [False, False, True]), ("all", [True, True, True]), ("skip", [False, False, False])],
)
def test_what_was_missed_is_caught_up_with_as_the_schedule_says(catch_up: str, expected: list[bool]) -> None:
    late = NOW + timedelta(minutes=40)
    found = due(schedule(catch_up=catch_up), NOW - timedelta(hours=2, minutes=30), late)
    assert [one.is_run for one in found] == expected
    assert [one.scheduled_for for one in found] == [NOW - timedelta(hours=hours) for hours in (2, 1, 0)]


def test_a_schedule_that_skips_what_was_missed_still_runs_what_is_on_time() -> None:
    found = due(schedule(catch_up="skip"), NOW - timedelta(hours=2), NOW + MINUTE)
    assert [one.is_run for one in found] == [False, True]


def test_neither_what_is_too_old_nor_more_than_a_hundred_is_owed() -> None:
    long_ago = NOW - timedelta(days=30)
    two_days = due(schedule(catch_up="all"), long_ago, NOW)
    assert len(two_days) == 48
    assert two_days[0].scheduled_for == NOW - timedelta(hours=47)
    many = due(schedule(catch_up="all", max_lateness=timedelta(days=10)), long_ago, NOW)
    assert len(many) == MOST_OWED
    assert many[-1].scheduled_for == NOW
    never_late = due(schedule(max_lateness=timedelta(0)), long_ago, NOW + MINUTE)
    assert [one.scheduled_for for one in never_late] == [NOW]


@pytest.mark.parametrize(
    ("report", "at", "parameters", "label", "hours"),
    [
        ("daily", "2026-11-24T07:00", {}, "2026-11-23", 24),
        ("daily", "2026-11-23T23:30", {}, "2026-11-23", 24),  # half past midnight of the 24th in Berlin
        ("daily", "2026-03-30T07:00", {}, "2026-03-29", 23),
        ("weekly", "2026-11-23T07:00", {}, "2026-W47", 168),
        ("weekly", "2026-03-30T06:00", {}, "2026-W13", 167),
        ("weekly", "2026-10-26T07:00", {}, "2026-W43", 169),
        ("weekly", "2027-01-04T07:00", {}, "2026-W53", 168),
        ("monthly", "2026-11-01T07:00", {}, "2026-10", 745),
        ("health", "2026-11-23T07:00", {"period": "week"}, "2026-W47", 168),
        ("frequency", "2026-11-24T07:00", {"last": "36h"}, "2026-11-22 20:00 to 2026-11-24 08:00", 36),
        ("frequency", "2026-11-24T07:00", {}, "2026-11-17 08:00 to 2026-11-24 08:00", 168),
        ("weekly", "2026-11-24T07:00", {"last": "24h"}, "2026-11-23 08:00 to 2026-11-24 08:00", 24),
    ],
)
def test_the_period_of_a_run_follows_from_its_instant(
    report: str, at: str, parameters: dict[str, str], label: str, hours: float
) -> None:
    found = period(report, utc(at), BERLIN, parameters)
    assert (found.label, found.hours) == (label, hours)
    assert found.end <= utc(at)


@pytest.mark.parametrize("parameters", [{"period": "year"}, {"last": "soon"}, {"last": "7d", "period": "day"}])
def test_a_period_that_cannot_be_is_one_sentence(parameters: dict[str, str]) -> None:
    with pytest.raises(BadPeriod):
        period("weekly", NOW, "UTC", parameters)


def test_a_report_is_asked_what_is_its_own() -> None:
    assert told({"period": "day", "top": "5"}) == {"top": "5"}


@pytest.mark.parametrize(
    "cron", ["", "* * * *", "* * * * * *", "61 * * * *", "0 0 31 2 *", "@daily", "x", "0 25 * * *"]
)
def test_cron_fields_that_cannot_be_are_one_sentence(cron: str) -> None:
    with pytest.raises(BadSchedule, match="write five fields"):
        check(cron, "UTC", NOW)


def test_a_time_zone_that_is_not_there_is_one_sentence() -> None:
    for name in ("Europe/Atlantis", "../etc/passwd", ""):
        with pytest.raises(BadPeriod, match="There is no time zone"):
            check("0 8 * * 1", name, NOW)


def test_what_comes_next_is_after_now() -> None:
    assert upcoming("0 8 * * 1", BERLIN, NOW, 2) == [utc("2026-11-30T07:00"), utc("2026-12-07T07:00")]
    assert next(after("0 12 * * *", "UTC", NOW)) == NOW + DAY
