# ruff: noqa: RUF001 - minus and dash are what people are shown
from typing import Any

import pytest

from reports.period import calendar, parsed
from reports.report import Column, Figure, Kind, Table, span
from reports.wording import arrow, blocks, cells, change, compared, figure, hours, shortened, told, visible
from reports.wording import span as told_span
from tests.support import reports as make

ZONE = "Europe/Berlin"


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (1234567, "count", "1,234,567"),
        (12.0, "count", "12"),
        (12.5, "count", "12.50"),
        (-812, "count", "−812"),
        (0, "count", "0"),
        (911.93, "number", "911.9"),
        (4.2, "number", "4.20"),
        (0.0421, "number", "0.042"),
        (0.00004, "number", "4.0e−05"),
        (0.1234, "share", "12.3 %"),
        (1.0, "share", "100.0 %"),
        (0.0001, "share", "< 0.1 %"),
        (0.0, "share", "0 %"),
        (0.162, "change", "+16.2 %"),
        (-0.5, "change", "−50.0 %"),
        (-0.0001, "change", "> −0.1 %"),
        (31.4, "change", "+3,140 %"),
        (9007199254740993, "id", "9007199254740993"),
        ("2026-11-08T23:30:00Z", "instant", "9 Nov 00:30"),
        ("2025-12-31T23:30:00.123456Z", "instant", "1 Jan 00:30"),
        ("2025-11-08T12:00:00Z", "instant", "8 Nov 2025 13:00"),
        ("2026-11-08", "day", "Sun 8 Nov"),
        (True, "flag", "yes"),
        (False, "flag", "no"),
        (None, "count", "–"),
        ([1, None, 2000], "sparkline", "1 2,000"),
        ("a\x1b[1mb", "text", "a␛[1mb"),
    ],
)  # fmt: skip
def test_values_are_told_as_people_read_them(value: Any, kind: Kind, words: str) -> None:
    assert told(value, kind, ZONE, 2026) == words


def test_numbers_of_a_column_have_the_same_decimals() -> None:
    table = Table((Column("rate", "Rate", "number", ""),), [[238.1], [8.82], [0.5], [0.01], [None], [0.0]])
    assert cells(table, ZONE, 2026) == [["238.1"], ["8.8"], ["0.5"], ["0.010"], ["–"], ["0"]]


@pytest.mark.parametrize("text", make.HOSTILE)
def test_nothing_unseen_is_left_in_words(text: str) -> None:
    seen = visible(text)
    assert len(seen) == len(text)
    assert visible(seen) == seen


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    short = shortened("module." * 100 + "function", 30)
    assert len(short) == 30
    assert short.startswith("module.")
    assert short.endswith("function")
    assert shortened("short", 30) == "short"


@pytest.mark.parametrize(
    ("now", "before", "part", "words"),
    [
        (120, 100, 0.2, "△ +20, +20.0 %; 100 before"),
        (80, 100, -0.2, "▽ −20, −20.0 %; 100 before"),
        (12, 0, None, "△ +12; 0 before"),
        (7, 7, 0.0, "unchanged"),
    ],
)
def test_a_change_is_told_absolute_and_in_percent(now: int, before: int, part: float | None, words: str) -> None:
    difference = change(Figure("events", "Events", now, "count", None, before, part))
    assert difference is not None
    assert compared(difference, is_significant=False) == words
    assert arrow(difference, is_significant=True) in {"▲", "▼", "="}


def test_shares_differ_by_points() -> None:
    difference = change(Figure("share", "Share", 0.15, "share", None, 0.12))
    assert difference is not None
    assert difference.absolute == "+3.0 points"


def test_what_cannot_be_compared_is_not() -> None:
    assert change(Figure("events", "Events", None, "count", None, 3)) is None
    assert change(Figure("events", "Events", 3)) is None
    assert change(Figure("last", "Last", "2026-11-08T12:00:00Z", "instant", None, "2026-11-07T12:00:00Z")) is None
    assert figure(Figure("lag", "Lag", 4.2, "number", "seconds")) == "4.20 seconds"


def test_periods_are_told_by_their_days_and_real_hours() -> None:
    week = span(calendar(make.WEEK, "week", ZONE))
    assert told_span(week) == "Mon 2 Nov – Sun 8 Nov 2026"
    change_of_clocks = span(calendar(make.WEEK.replace(month=10, day=25), "day", ZONE))
    assert told_span(change_of_clocks) == "Sunday 25 October 2026"
    assert hours(change_of_clocks) == "25 hours"
    rolling = span(parsed(make.NOW, last="36h", zone_name="Asia/Kolkata"))
    assert told_span(rolling) == "7 Nov 2026 09:45 – 8 Nov 2026 21:45"


def test_a_line_of_blocks_is_as_long_as_its_counts() -> None:
    assert blocks([0, 1, 2, 4]) == "▁▃▅█"
    assert blocks([None, 0]) == "▁▁"
    assert blocks([]) == ""
