"""A report for a terminal or a plain message: tables of characters, and nothing that a terminal obeys."""

from io import StringIO
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from reports import wording
from reports.report import Column, Figure, Report, Section, Table

NAME: str = "text"
EXTENSION: str = "txt"
MEDIA_TYPE: str = "text/plain; charset=utf-8"
WIDTH = 140
STYLES = {"fatal": "bold magenta", "error": "red", "warning": "yellow", "info": "blue", "debug": "dim"}


def render(report: Report) -> bytes:
    """Give the report without colours, in lines of WIDTH characters."""
    buffer = StringIO()
    console = Console(file=buffer, width=WIDTH, no_color=True, force_terminal=False, legacy_windows=False)
    printed(report, console)
    lines = [line.rstrip() for line in buffer.getvalue().splitlines()]
    return ("\n".join(lines).strip("\n") + "\n").encode()


def printed(report: Report, console: Console) -> None:
    """Print the report as wide and as colourful as a console is."""
    period = report.period
    console.print(_plain(f"{report.title} {period.label}", "bold"))
    console.print(_plain(f"{wording.span(period)}, {period.zone}, {wording.hours(period)}", "dim"))
    for name, value in wording.parameters(report):
        console.print(_plain(f"{name}: {wording.shortened(value)}", "dim"))
    if report.headline:
        console.print(_figures(report.headline, report))
    for note in filter(None, report.notes):
        console.print(_plain(f"! {note}", "yellow"))
    for section in report.sections:
        console.print()
        _section(section, report, console)
    if report.quality:
        console.print(_plain("\nData quality", "bold"))
        console.print(_figures(report.quality, report))
    for definition in report.definitions:
        console.print(_plain(f"{definition.word}: {definition.sentence}", "dim"))


def _section(section: Section, report: Report, console: Console) -> None:
    console.print(_plain(section.title, "bold"))
    console.print(_plain(section.sentence))
    if section.table.rows:
        console.print(_grid(section.table, report))
    if section.table.left_out_count:
        console.print(_plain(f"{section.table.left_out_count:,} more rows are not shown.", "dim"))


def _grid(table: Table, report: Report) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in table.columns:
        below = wording.heading(column, report.period.zone)
        is_right = wording.is_number(column.kind)
        grid.add_column(
            _plain(f"{column.title}\n{below}" if below else column.title),
            justify="right" if is_right else "left",
            no_wrap=column.kind not in {"text", "sparkline"},
            overflow="fold",
        )
    words = wording.cells(table, report.period.zone, wording.year(report.period))
    for values, told in zip(table.rows, words, strict=True):
        grid.add_row(*(_cell(*each) for each in zip(values, told, table.columns, strict=True)))
    return grid


def _cell(value: Any, words: str, column: Column) -> Text:
    if column.kind == "sparkline" and value:
        return Text(wording.blocks(value))
    style = STYLES.get(words, "") if column.name == "level" else ""
    return Text(wording.shortened(words), style=style)


def _figures(figures: list[Figure], report: Report) -> Grid:
    grid = Grid.grid(padding=(0, 2))
    for justify in ("left", "right", "left"):
        grid.add_column(justify=justify)
    for each in figures:
        change = wording.change(each)
        compared = "" if change is None else wording.compared(change, is_significant=each.is_significant)
        value = wording.shortened(wording.figure(each, report.period.zone), 60)
        grid.add_row(_plain(each.title), Text(value, style="bold"), Text(compared))
    return grid


def _plain(text: str, style: str = "") -> Text:
    return Text("\n".join(wording.visible(line) for line in text.split("\n")), style=style)
