"""Long tables of hours or of series laid crosswise, for texts in which a hundred lines tell nobody anything (pure)."""

from datetime import datetime
from typing import Any, NamedTuple

from reports.report import Column, Section, Table
from reports.wording import local

LONG = 30
WIDEST = 9  # columns beside the first: eight days touch a week that is no calendar's


class Cell(NamedTuple):
    """A number, and the row and the column it goes to, each by its title."""

    down: Any
    across: str
    value: Any


def crossed(section: Section, zone: str) -> Table:
    """
    Give the table of a section as a text shows it; one that is short, or has no two axes, as it is.

    Weekdays stand beside each other above the hours, days above their hours, series above their time.
    """
    chart, table = section.chart, section.table
    if chart is None or len(table.rows) <= LONG:
        return table
    columns = {column.name: column for column in table.columns}
    places = {column.name: place for place, column in enumerate(table.columns)}
    if chart.kind == "heatmap" and chart.series:
        down, across, value = chart.x, chart.y, chart.series
    elif chart.kind in {"lines", "stacked"} and chart.series:
        down, across, value = chart.x, chart.series, chart.y
    elif chart.kind == "lines" and columns[chart.x].kind == "instant":
        cells = [_of_hour(row[places[chart.x]], row[places[chart.y]], zone) for row in table.rows]
        hour = Column("hour", "Hour", "text", f"Hour of the day in {zone}.")
        return _laid(table, cells, hour, columns[chart.y])
    else:
        return table
    cells = [Cell(row[places[down]], str(row[places[across]]), row[places[value]]) for row in table.rows]
    return _laid(table, cells, columns[down], columns[value])


def _of_hour(instant: str, value: Any, zone: str) -> Cell:
    moment: datetime = local(instant, zone)
    return Cell(f"{moment:%H:%M}", f"{moment:%a} {moment.day}", value)


def _laid(table: Table, cells: list[Cell], first: Column, value: Column) -> Table:
    across = list(dict.fromkeys(cell.across for cell in cells))
    down = list(dict.fromkeys(cell.down for cell in cells))
    if len(across) > WIDEST or len(down) >= len(table.rows):
        return table
    if first.kind == "text":
        down.sort()
    sums: dict[tuple[Any, str], Any] = {}
    for cell in cells:
        if cell.value is not None:
            # where clocks go back an hour of the day comes twice
            sums[cell.down, cell.across] = sums.get((cell.down, cell.across), 0) + cell.value
    columns = [Column(f"at_{place}", title, value.kind, value.description) for place, title in enumerate(across)]
    rows = [[key, *(sums.get((key, title)) for title in across)] for key in down]
    return Table((first, *columns), rows, table.left_out_count)
