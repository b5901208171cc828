"""
A page for people: one file that asks for nothing, works without scripts, in light and dark, on paper and on a phone.

Everything that is told passes the template's escaping; only pictures drawn here are markup.
"""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import charts, drawing, wording
from reports.palette import LEVELS, turned, variables
from reports.report import Column, Figure, Report, Section, Table
from reports.sparkline import sparkline
from reports.tabular import file_name, unique

NAME: str = "html"
EXTENSION: str = "html"
MEDIA_TYPE: str = "text/html; charset=utf-8"
TEMPLATES = Path(__file__).parent / "templates"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
LONG_CHARACTERS = 20
CELL_CHARACTERS = 140
PARAMETER_CHARACTERS = 400
OPEN_ROWS = 30  # tables behind a chart are shown up to this; longer ones are a click away


class Shown(NamedTuple):
    """A section as the template takes it."""

    anchor: str
    title: str
    sentence: str
    picture: Markup | None
    caption: str
    heads: list[tuple[str, str, str, bool]]
    rows: list[list[tuple[str, str | Markup]]]
    left_out: str
    is_open: bool


class ShownFigure(NamedTuple):
    """A figure as the template takes it."""

    title: str
    value: str
    unit: str
    change: wording.Change | None
    arrow: str
    is_significant: bool


def render(report: Report) -> bytes:
    """Give the page."""
    anchors = unique((file_name(section.name) for section in report.sections), 80)
    page = (
        _environment()
        .get_template("report.html")
        .render(
            policy=POLICY,
            style=Markup(_style()),  # noqa: S704 - our own file and colours
            report=report,
            span=wording.span(report.period),
            hours=wording.hours(report.period),
            parameters=[(n, wording.shortened(v, PARAMETER_CHARACTERS)) for n, v in wording.parameters(report)],
            headline=[_figure(each, report) for each in report.headline],
            quality=[_figure(each, report) for each in report.quality],
            sections=[_section(each, anchor, report) for each, anchor in zip(report.sections, anchors, strict=True)],
        )
    )
    return page.encode()


def _section(section: Section, anchor: str, report: Report) -> Shown:
    zone = report.period.zone
    drawn = drawing.picture(section, zone)
    caption = wording.visible(charts.caption(section, zone))
    table = section.table
    markup = None
    if drawn is not None:
        look = f'class="chart" role="img" aria-labelledby="{anchor}-caption"'
        markup = Markup(drawn.element(look))  # noqa: S704 - the renderer escapes text
    heads = [
        (each.title, wording.heading(each, zone), each.description, wording.is_number(each.kind))
        for each in table.columns
    ]
    return Shown(
        anchor,
        section.title,
        section.sentence,
        markup,
        caption,
        heads,
        _rows(table, report),
        f"{table.left_out_count:,} more rows are not shown." if table.left_out_count else "",
        drawn is None or len(table.rows) <= OPEN_ROWS,
    )


def _rows(table: Table, report: Report) -> list[list[tuple[str, str | Markup]]]:
    words = wording.cells(table, report.period.zone, wording.year(report.period))
    return [
        [_cell(*each) for each in zip(values, told, table.columns, strict=True)]
        for values, told in zip(table.rows, words, strict=True)
    ]


def _cell(value: Any, words: str, column: Column) -> tuple[str, str | Markup]:
    """Give a cell's class and what is in it."""
    if column.kind == "sparkline" and value:
        return "spark", Markup(sparkline(value, words))  # noqa: S704 - numbers of ours
    if column.kind == "text" and column.name == "level" and value in LEVELS:
        return f"level {value}", words
    if column.kind == "text":
        return "text long" if len(words) > LONG_CHARACTERS else "text", wording.shortened(words, CELL_CHARACTERS)
    if value is None or (column.kind == "flag" and not value):
        return "number none" if wording.is_number(column.kind) else "none", words
    return "number" if wording.is_number(column.kind) else column.kind, words


def _figure(figure: Figure, report: Report) -> ShownFigure:
    value = wording.shortened(wording.told(figure.value, figure.kind, report.period.zone), 60)
    change = wording.change(figure)
    arrow = "" if change is None else wording.arrow(change, is_significant=figure.is_significant)
    unit = figure.unit or "" if figure.value is not None else ""
    return ShownFigure(figure.title, value, unit, change, arrow, figure.is_significant)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_seen,
    )


def _seen(value: Any) -> Any:
    return wording.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _style() -> str:
    levels = "".join(f".level.{name}::before{{background:var(--{name})}}" for name in LEVELS)
    dark = f"@media screen and (prefers-color-scheme:dark){{:root{{{variables(is_dark=True)}}}{turned('.chart ')}}}"
    return f":root{{{variables(is_dark=False)}}}{(TEMPLATES / 'report.css').read_text()}{levels}{dark}"
