"""Long tables of hours stand crosswise in texts, and lose nothing."""

from datetime import date
from io import StringIO

from rich.console import Console

from reports.crossed import LONG, crossed
from reports.period import calendar
from reports.render import rendering
from reports.render.text import printed
from reports.report import Chart, Section, Table, span
from tests.support.reports import by_day, by_hour, culprits, heat, report


def sums(table: Table) -> float:
    return sum(value or 0 for row in table.rows for value in row[1:])


def told(section: Section, column: str) -> float:
    place = [each.name for each in section.table.columns].index(column)
    return sum(row[place] for row in section.table.rows)


def test_weekdays_stand_beside_each_other_above_the_hours() -> None:
    made = crossed(heat(), "Europe/Berlin")
    assert [column.title for column in made.columns] == [
        *("Hour of the day", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    ]
    assert [row[0] for row in made.rows] == [f"{hour:02d}" for hour in range(24)]
    assert abs(sums(made) - told(heat(), "events")) < 1e-6


def test_series_stand_beside_each_other_above_their_time() -> None:
    made = crossed(by_day(), "UTC")
    assert [column.title for column in made.columns[1:]] == ["fatal", "error", "warning", "info", "debug"]
    assert len(made.rows) == 14
    assert sums(made) == told(by_day(), "events")
    assert crossed(by_hour(), "UTC").columns[1].title == "production"


def test_hours_stand_under_their_days_and_one_that_comes_twice_is_added_up() -> None:
    week = span(calendar(date(2026, 10, 19), "week", "Europe/Berlin"))
    section = by_hour(169)
    rows = [row for row in section.table.rows if row[1] == "production"]
    columns = section.table.columns
    alone = Section("a", "A", "A.", Table(columns, rows), Chart("lines", "hour", "events"))
    made = crossed(alone, week.zone)
    assert len(made.rows) == 24
    assert sums(made) == sum(row[2] for row in rows)


def test_short_tables_and_those_without_two_axes_stay_as_they_are() -> None:
    for section in (by_day(LONG // 5), culprits([f"c{number}" for number in range(40)])):
        assert crossed(section, "UTC") is section.table


def test_a_text_has_no_line_that_is_too_long_and_names_what_it_left_out() -> None:
    told_report = report(culprits(["x" * 8192, "short"]), heat())
    text = rendering("text").render(told_report).decode()
    assert max(map(len, text.splitlines())) <= 140
    assert len(text.splitlines()) < 100
    buffer = StringIO()
    printed(told_report, Console(file=buffer, width=90))
    assert "Too wide to show here: " in buffer.getvalue()
