"""A report for a terminal or a plain message: tables of characters, and nothing that a terminal obeys."""

from io import StringIO
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from reports import wording
from reports.crossed import crossed
from reports.report import Column, Figure, Report, Section, Table

NAME: str = "text"
EXTENSION: str = "txt"
MEDIA_TYPE: str = "text/plain; charset=utf-8"
WIDTH = 140
GAP = 3  # between columns
KEPT = 3  # first columns, which are never left out
TEXT_CHARACTERS = 22  # that a text has at least, if it has as many
SPARK_CHARACTERS = 14
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
        table = _narrowed(crossed(section, report.period.zone), report, console.width)
        console.print(_grid(table, report))
        if gone := [each.title for each in section.table.columns if each not in table.columns]:
            is_whole = len(table.rows) == len(section.table.rows)
            console.print(_plain(f"Too wide to show here: {', '.join(gone)}." if is_whole else "", "dim"))
    if section.table.left_out_count:
        console.print(_plain(f"{section.table.left_out_count:,} more rows are not shown.", "dim"))


def _narrowed(table: Table, report: Report, width: int) -> Table:
    """Leave out columns until words have room: flags first, then the earlier of instants, then from the right."""
    words = wording.cells(table, report.period.zone, wording.year(report.period))
    needed = [
        _needed(column, [row[place] for row in words], [row[place] for row in table.rows], report.period.zone)
        for place, column in enumerate(table.columns)
    ]
    kept = list(range(len(table.columns)))
    while len(kept) > KEPT and sum(needed[place] + GAP for place in kept) > width + GAP:
        spare = kept[KEPT:]
        flags = [place for place in spare if table.columns[place].kind == "flag"]
        instants = [place for place in spare if table.columns[place].kind == "instant"]
        kept.remove(flags[-1] if flags else instants[0] if len(instants) > 1 else spare[-1])
    columns = tuple(table.columns[place] for place in kept)
    return Table(columns, [[row[place] for place in kept] for row in table.rows], table.left_out_count)


def _needed(column: Column, words: list[str], values: list[Any], zone: str) -> int:
    head = max(len(column.title), len(wording.heading(column, zone)))
    if column.kind == "sparkline":
        return max([head, *(min(len(value), SPARK_CHARACTERS) for value in values if value)])
    longest = max([head, *(len(each) for each in words)])
    return min(longest, TEXT_CHARACTERS) if column.kind == "text" else longest


def _grid(table: Table, report: Report) -> Grid:
    words = wording.cells(table, report.period.zone, wording.year(report.period))
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for place, column in enumerate(table.columns):
        below = wording.heading(column, report.period.zone)
        is_right = wording.is_number(column.kind)
        grid.add_column(
            _plain(f"{column.title}\n{below}" if below else column.title),
            justify="right" if is_right else "left",
            no_wrap=column.kind not in {"text", "sparkline"},
            min_width=min(max(len(told[place]) for told in words), TEXT_CHARACTERS) if column.kind == "text" else None,
            overflow="fold",
        )
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
