"""What every kind of chart is made of: rows, inks, axes and marks of a Vega-Lite specification (pure)."""

from collections.abc import Iterable
from typing import Any, NamedTuple
from unicodedata import east_asian_width

from reports.buckets import Bucket, ticks
from reports.palette import ACCENT, LEVELS, OTHER, SERIES, TEXT
from reports.report import Chart, Column
from reports.wording import shortened, told, worded

LABEL_WIDTH = 46  # of narrow characters; the renderer's own limit costs it a third of its time
LEGEND_CHARACTERS = 70  # in a line
NO_NAME = "(none)"
PALE = 0.4

Spec = dict[str, Any]
Row = dict[str, Any]


class Drawn(NamedTuple):
    """What of a table is drawn: its chart, columns and rows by name, and the colour of each series."""

    chart: Chart
    columns: dict[str, Column]
    rows: list[Row]
    inks: dict[str, str]
    zone: str

    @property
    def is_over_time(self) -> bool:
        """Tell whether `x` is days or instants."""
        return self.columns[self.chart.x].kind in {"instant", "day"}

    def words(self, row: Row, column: str) -> str:
        """Give a value as it stands on an axis."""
        return label(worded(row[column], self.columns[column], self.zone))

    def series(self, row: Row) -> str:
        """Give the name of the series that a row belongs to: its own, or that of all for which no colour is left."""
        name = series_name(row, self.chart)
        return name if name in self.inks else next(reversed(self.inks))

    def look(self, row: Row) -> Spec:
        """Give what a row's part of the picture looks like."""
        return {"series": self.series(row), "opacity": PALE if self.chart.partial and row[self.chart.partial] else 1}

    def is_marked(self, row: Row) -> bool:
        """Tell whether a row is to be pointed out."""
        return bool(self.chart.mark and row[self.chart.mark])

    def in_order(self) -> list[Row]:
        """Give rows as they are stacked: by `x` (in time, or as they come), then as the inks are."""
        places = {name: place for place, name in enumerate(self.inks)}
        first: dict[Any, Any] = {}
        for place, row in enumerate(self.rows):
            first.setdefault(row[self.chart.x], row[self.chart.x] if self.is_over_time else place)
        return sorted(self.rows, key=lambda row: (first[row[self.chart.x]], places[self.series(row)]))


def drawn(chart: Chart, columns: dict[str, Column], rows: list[Row], zone: str) -> Drawn:
    """Choose colours: levels have theirs; of others the largest have one each, and what is left shares one."""
    if chart.series is None or chart.kind in {"pareto", "heatmap"}:
        return Drawn(chart, columns, rows, {"": ACCENT.light}, zone)
    sums: dict[str, float] = {}
    for row in rows:
        name = series_name(row, chart)
        sums[name] = sums.get(name, 0.0) + float(row[chart.y] or 0)
    if set(sums) <= set(LEVELS):
        return Drawn(chart, columns, rows, {name: LEVELS[name].light for name in LEVELS if name in sums}, zone)
    order = sorted(sums, key=lambda name: (-sums[name], name))
    most = len(order) if len(order) <= len(SERIES) else len(SERIES) - 1
    inks = {name: ink.light for name, ink in zip(order[:most], SERIES, strict=False)}
    if rest := len(order) - most:
        inks[f"{rest} others"] = OTHER.light
    return Drawn(chart, columns, rows, inks, zone)


def series_name(row: Row, chart: Chart) -> str:
    """Give a row's series in words; "" when the chart has none."""
    if chart.series is None:
        return ""
    value = row[chart.series]
    return NO_NAME if value is None else label(told(value, "text"))


def label(words: str) -> str:
    """Give words as short as a chart has room for; wide characters take the room of two."""
    wide = sum(east_asian_width(each) in {"W", "F"} for each in words[:LABEL_WIDTH])
    return shortened(words, LABEL_WIDTH - wide // 2) or NO_NAME


def colour(inks: dict[str, str], symbol: str = "square") -> Spec:
    """Give the colours of series, with a legend above when there is one to tell."""
    if list(inks) == [""]:
        return {"value": inks[""]}
    columns = 6 if sum(map(len, inks)) <= LEGEND_CHARACTERS else 3
    legend: Spec = {"title": None, "orient": "top", "symbolType": symbol, "columns": columns, "labelLimit": 200}
    if symbol == "stroke":
        legend["symbolStrokeWidth"] = 3
    scale = {"domain": list(inks), "range": list(inks.values())}
    return {"field": "series", "type": "nominal", "scale": scale, "legend": legend}


def opacity() -> Spec:
    """Draw each part as pale as its data say."""
    return {"field": "opacity", "type": "quantitative", "scale": None, "legend": None}


def marks(points: Iterable[Spec]) -> list[Spec]:
    """Give the layer that points at what is marked; none when nothing is."""
    values = [{"x": point["x"], "y": point["y"]} for point in points]
    if not values:
        return []
    mark = {"type": "point", "shape": "triangle-down", "filled": True, "size": 52, "yOffset": -8, "color": TEXT.light}
    places = {axis: {"field": axis, "type": "quantitative"} for axis in ("x", "y")}
    return [{"data": {"values": values}, "mark": {**mark, "opacity": 1}, "encoding": places}]


def time_axis(spans: dict[str, Bucket], column: Column, zone: str) -> Spec:
    """Give an axis of seconds on which the words are ours: the renderer knows no time zone."""
    first, last = min(span.start for span in spans.values()), max(span.end for span in spans.values())
    words = ticks(list(spans.values()), column.kind, zone)
    label = "".join(f"datum.value === {at} ? '{word}' : " for at, word in words.items()) + "''"
    axis = {"values": list(words), "labelExpr": label, "grid": False, "title": None, "labelFlush": False}
    scale = {"domain": [first, last], "nice": False, "zero": False}
    return {"field": "x", "type": "quantitative", "scale": scale, "axis": axis}


def value_axis(column: Column, most: float) -> Spec:
    """Give the axis that counts, from none up."""
    form = ".0%" if column.kind in {"share", "change"} else "~s" if most >= 10_000 else ",~f"
    axis: Spec = {"title": None, "tickCount": 4, "format": form}
    if column.kind == "count":
        axis["tickMinStep"] = 1
    scale = {"domainMin": 0, "domainMax": most * 1.08 or 1, "nice": False}
    return {"field": "y", "type": "quantitative", "axis": axis, "scale": scale}
