import re
from itertools import pairwise
from typing import Any

import pytest

from reports import drawing
from reports.buckets import buckets, ticks
from reports.charts import as_altair, caption, spec
from reports.palette import LEVELS, OTHER, inks
from reports.report import Chart, Column, Section
from reports.sparkline import sparkline
from tests.support import reports as make
from tests.support.reports import xml

ZONE = "Europe/Berlin"
SECTIONS = [*make.full().sections, *make.hostile().sections, make.by_day(1), make.by_hour(3), make.pareto(1)]
DRAWN = [section for section in SECTIONS if section.chart]


def marks(made: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for layer in made.get("layer", [made]) for row in layer["data"]["values"]]


@pytest.mark.parametrize("section", DRAWN, ids=lambda section: section.chart.kind)
def test_every_chart_is_valid_to_altair_and_drawn_as_valid_xml(section: Section) -> None:
    assert as_altair(section, ZONE).to_dict()
    picture = drawing.picture(section, ZONE)
    assert picture is not None
    xml(picture.element('xmlns="http://www.w3.org/2000/svg"'))
    assert picture.width == pytest.approx(720, abs=12)


@pytest.mark.parametrize("section", DRAWN, ids=lambda section: section.chart.kind)
def test_a_picture_holds_no_colour_that_has_no_dark_partner(section: Section) -> None:
    picture = drawing.picture(section, ZONE)
    assert picture is not None
    found = set(re.findall(r'(?:fill|stroke)="(#[^"]+)"', picture.inner))
    assert found
    assert found <= {ink.light for ink in inks()}


def test_a_chart_cannot_load_anything() -> None:
    made = {"data": {"url": "http://192.0.2.1/x.json"}, "mark": "bar", "encoding": {"x": {"field": "a"}}}
    with pytest.raises(ValueError, match="not allowed"):
        drawing._svg(made)


def test_no_rows_no_chart() -> None:
    assert spec(make.culprits([]), ZONE) is None
    assert drawing.picture(make.culprits([]), ZONE) is None
    with pytest.raises(ValueError, match="nothing to draw"):
        as_altair(make.changed())


def test_levels_are_stacked_from_the_gravest_up_in_their_own_colours() -> None:
    made = spec(make.by_day(2), ZONE)
    assert made is not None
    first = marks(made)[:5]
    assert [row["series"] for row in first] == list(LEVELS)
    assert first[0]["y"] == 0
    assert all(after["y"] == before["y2"] for before, after in pairwise(first))
    colours = made["layer"][0]["encoding"]["color"]["scale"]
    assert colours == {"domain": list(LEVELS), "range": [ink.light for ink in LEVELS.values()]}


def test_what_is_not_over_is_pale_and_said_to_be() -> None:
    section = make.by_day()
    made = spec(section, ZONE)
    assert made is not None
    assert {row["opacity"] for row in marks(made) if "opacity" in row} == {1, 0.4}
    assert "pale: not over yet" in caption(section, ZONE)
    assert "▼: spike" in caption(section, ZONE)
    assert "UTC" not in caption(section, ZONE)


def test_series_beyond_the_colours_are_drawn_together_and_none_is_lost() -> None:
    columns = (
        Column("day", "Day", "day", ""),
        Column("release", "Release", "text", ""),
        Column("events", "Events", "count", ""),
    )
    rows: list[list[Any]] = [["2026-11-02", f"r{number}", 100 - number] for number in range(9)]
    made = spec(make.section("s", "S", columns, rows, chart=Chart("stacked", "day", "events", "release")), ZONE)
    assert made is not None
    scale = made["layer"][0]["encoding"]["color"]["scale"]
    assert scale["domain"] == ["r0", "r1", "r2", "r3", "r4", "4 others"]
    assert scale["range"][-1] == OTHER.light
    assert max(row["y2"] for row in marks(made)) == sum(row[2] for row in rows)


def test_bars_that_look_alike_stay_two() -> None:
    columns = (Column("culprit", "Culprit", "text", ""), Column("events", "Events", "count", ""))
    rows: list[list[Any]] = [["same", 2], ["same", 1]]
    made = spec(make.section("s", "S", columns, rows, chart=Chart("bars", "culprit", "events")), ZONE)
    assert made is not None
    assert len({row["key"] for row in made["layer"][0]["data"]["values"]}) == 2


def test_a_difference_lies_to_the_side_of_its_sign() -> None:
    columns = (Column("culprit", "Culprit", "text", ""), Column("difference", "Difference", "count", ""))
    for values in ([5, -3], [-3, -9], [0, 0], [7, None]):
        rows: list[list[Any]] = [["up", values[0]], ["down", values[1]]]
        section = make.section("s", "S", columns, rows, chart=Chart("bars", "culprit", "difference"))
        made = spec(section, ZONE)
        assert made is not None
        low, high = made["layer"][0]["encoding"]["x"]["scale"]["domain"]
        assert low <= min(0, *(value or 0 for value in values))
        assert high >= max(0, *(value or 0 for value in values))
        assert low < high
        assert [row["x2"] for row in made["layer"][0]["data"]["values"]] == [value or 0 for value in values]
        assert drawing.picture(section, ZONE) is not None


def test_days_of_the_week_have_their_names() -> None:
    columns = tuple(Column(name, name.title(), "count", "") for name in ("weekday", "hour", "events"))
    rows: list[list[Any]] = [[day, hour, day * hour] for day in range(1, 8) for hour in range(24)]
    section = make.section("s", "S", columns, rows, chart=Chart("heatmap", "hour", "weekday", "events"))
    made = spec(section, ZONE)
    assert made is not None
    assert made["encoding"]["y"]["sort"] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert made["encoding"]["x"]["sort"] == [str(hour) for hour in range(24)]


@pytest.mark.parametrize(("first", "hours"), [("2026-10-25", 25), ("2026-03-29", 23)])
def test_a_day_with_a_clock_change_is_as_long_as_it_is(first: str, hours: int) -> None:
    summer, winter = "T22:00:00Z", "T23:00:00Z"
    starts = {
        "2026-10-25": [f"2026-10-24{summer}", f"2026-10-25{winter}", f"2026-10-26{winter}"],
        "2026-03-29": [f"2026-03-28{winter}", f"2026-03-29{summer}", f"2026-03-30{summer}"],
    }[first]
    spans = buckets(starts, "instant")
    assert spans[starts[0]].end - spans[starts[0]].start == hours * 3600
    names = [word.split()[0] for word in ticks(list(spans.values()), "instant", ZONE).values()]
    assert names == ["Sun", "Mon", "Tue"]


def test_hours_of_a_week_are_named_by_local_midnights() -> None:
    spans = buckets([row[0] for row in make.by_hour().table.rows], "instant")
    words = ticks(list(spans.values()), "instant", ZONE)
    assert list(words.values()) == ["Mon 2", "Tue 3", "Wed 4", "Thu 5", "Fri 6", "Sat 7", "Sun 8", "Mon 9"]
    assert all((at + 3600) % 86400 == 0 for at in words)


def test_a_sparkline_is_small_and_never_fails() -> None:
    for values in ([], [0], [5], [None, 3], [0, 0], list(range(1000)), [1e12, 1]):
        drawn = sparkline(values, "1 2")
        assert len(drawn) < 3072
        assert "nan" not in drawn
        assert not drawn or xml(drawn).attrib["aria-label"] == "1 2"
