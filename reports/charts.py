"""
A section's chart and table as a Vega-Lite specification (pure); `reports.drawing` makes pictures of it.

The specification is a plain dict: loading Altair costs a report more than drawing it. In a notebook `as_altair` gives
the same chart to go on with. Stacks, buckets and the words of axes are worked out here, so that a picture depends on
no clock, zone or locale of the machine; colours are the light ones of `reports.palette`.
"""

from typing import TYPE_CHECKING

from reports import chart_kinds
from reports.chart_kinds import MOST_BARS
from reports.chart_parts import Drawn, Spec, drawn
from reports.palette import MUTED, RULE, TEXT
from reports.report import Section, Table

if TYPE_CHECKING:
    import altair as alt

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
WIDTH = 720
FONT = "Arial, Liberation Sans, Helvetica, sans-serif"


def spec(section: Section, zone: str) -> Spec | None:
    """Give the specification of a section's chart; None when there is nothing to draw."""
    chart = section.chart
    if chart is None:
        return None
    columns = {column.name: column for column in section.table.columns}
    rows = [dict(zip(columns, row, strict=True)) for row in section.table.rows]
    rows = [row for row in rows if row[chart.x] is not None]
    return _finished(_made(drawn(chart, columns, rows, zone))) if rows else None


def caption(section: Section, zone: str) -> str:
    """Say what is drawn, and what its signs mean."""
    chart = section.chart
    if chart is None:
        return ""
    columns = {column.name: column for column in section.table.columns}
    value = columns[chart.series if chart.kind == "heatmap" and chart.series else chart.y]
    unit = f" ({value.unit})" if value.unit else ""
    by = f" and {columns[chart.y].title.lower()}" if chart.kind == "heatmap" else ""
    said = [f"{value.title}{unit} by {columns[chart.x].title.lower()}{by}"]
    if chart.kind == "pareto" and chart.series:
        said.append("each bar begins where the one above ends; dashed: 80 %")
    if columns[chart.x].kind == "instant":
        said.append(zone)
    if chart.mark and _is_any(section.table, chart.mark):
        said.append(f"{'outlined' if chart.kind == 'heatmap' else '▼'}: {columns[chart.mark].title.lower()}")
    if chart.partial and _is_any(section.table, chart.partial):
        said.append(f"{'dashed' if chart.kind == 'lines' else 'pale'}: not over yet")
    is_lying = chart.kind != "heatmap" and columns[chart.x].kind not in {"instant", "day"}
    if is_lying and len(section.table.rows) > MOST_BARS:
        said.append(f"at most {MOST_BARS} bars are drawn")
    return "; ".join(said) + "."


def as_altair(section: Section, zone: str = "UTC") -> "alt.Chart":
    """Give a section's chart to a notebook. Raises ValueError when there is nothing to draw."""
    import altair as alt  # noqa: PLC0415 - a third of a second that only a notebook pays

    made = spec(section, zone)
    if made is None:
        raise ValueError(f"The section {section.name} has nothing to draw.")
    return alt.Chart.from_dict(made)


def _made(what: Drawn) -> Spec:
    if what.chart.kind == "heatmap":
        return chart_kinds.heatmap(what)
    if what.chart.kind == "pareto":
        return chart_kinds.pareto(what)
    if not what.is_over_time:
        return chart_kinds.lying(what)
    return chart_kinds.lines(what) if what.chart.kind == "lines" else chart_kinds.upright(what)


def _is_any(table: Table, name: str) -> bool:
    place = next(place for place, column in enumerate(table.columns) if column.name == name)
    return any(row[place] for row in table.rows)


def _finished(made: Spec) -> Spec:
    labels = {"labelColor": MUTED.light, "labelFontSize": 11, "labelPadding": 6}
    return {
        "$schema": SCHEMA,
        "width": WIDTH,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "padding": {"left": 2, "right": 8, "top": 4, "bottom": 2},
        "background": "transparent",
        **made,
        "config": {
            "aria": False,
            "font": FONT,
            "view": {"stroke": None},
            "axis": {**labels, "gridColor": RULE.light, "domain": False, "ticks": False},
            "legend": {"labelColor": TEXT.light, "labelFontSize": 11, "symbolSize": 90, "symbolStrokeWidth": 0},
            "scale": {"bandPaddingInner": 0.06},
        },
    }
