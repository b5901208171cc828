"""The kinds of charts: how rows become bars, lines and cells of a Vega-Lite specification (pure)."""

from typing import Any

from reports.buckets import buckets
from reports.chart_parts import Drawn, Row, Spec, colour, marks, opacity, time_axis, value_axis
from reports.palette import MUTED, PAPER, SHADES, TEXT
from reports.wording import number

HEIGHT = 190
ROW_HEIGHT = 22
MOST_BARS = 20
MOST_GAPS = 90  # buckets between which there is room for a gap
MOST_DOTS = 60
NICE = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
VITAL = 0.8
ROOM = 0.15  # that a number needs beside its bar


def upright(drawn: Drawn) -> Spec:
    """Draw bars over time, stacked by series."""
    chart = drawn.chart
    spans = buckets([row[chart.x] for row in drawn.rows], drawn.columns[chart.x].kind)
    parts: list[Spec] = []
    tops: dict[str, float] = {}
    for row in drawn.in_order():
        span, base, size = spans[row[chart.x]], tops.get(row[chart.x], 0.0), _size(row, chart.y)
        gap = (span.end - span.start) * (0.09 if len(spans) <= MOST_GAPS else 0.0)
        tops[row[chart.x]] = base + size
        if size:
            place = {"x": span.start + gap, "x2": span.end - gap, "y": base, "y2": base + size}
            parts.append({**place, **drawn.look(row)})
    bars = {
        "data": {"values": parts},
        "mark": {"type": "rect"},
        "encoding": {
            "x": time_axis(spans, drawn.columns[chart.x], drawn.zone),
            "x2": {"field": "x2"},
            "y": value_axis(drawn.columns[chart.y], max(tops.values())),
            "y2": {"field": "y2"},
            "color": colour(drawn.inks),
            "opacity": opacity(),
        },
    }
    marked = sorted({row[chart.x] for row in drawn.rows if drawn.is_marked(row)})
    points = [{"x": (spans[at].start + spans[at].end) / 2, "y": tops[at]} for at in marked]
    return {"height": HEIGHT, "layer": [bars, *marks(points)]}


def lines(drawn: Drawn) -> Spec:
    """Draw a line for each series; to buckets that are not over it is dashed."""
    chart = drawn.chart
    spans = buckets([row[chart.x] for row in drawn.rows], drawn.columns[chart.x].kind)
    points = [
        {
            "x": (spans[row[chart.x]].start + spans[row[chart.x]].end) / 2,
            "y": float(row[chart.y]),
            "is_marked": drawn.is_marked(row),
            **drawn.look(row),
        }
        for row in drawn.in_order()
        if row[chart.y] is not None and _is_own(drawn, row)
    ]
    encoding = {
        "x": time_axis(spans, drawn.columns[chart.x], drawn.zone),
        "y": value_axis(drawn.columns[chart.y], max((point["y"] for point in points), default=0)),
        "color": colour(drawn.inks, "stroke"),
    }
    whole, pale = [[point for point in points if (point["opacity"] == 1) is is_over] for is_over in (True, False)]
    last = {point["series"]: point for point in whole}
    dashed = [last[name] for name in {point["series"]: 0 for point in pale} if name in last] + pale
    dots: Any = {"size": 16} if len(spans) <= MOST_DOTS else False
    layers: list[Spec] = [
        {"data": {"values": whole}, "mark": {"type": "line", "strokeWidth": 1.7, "point": dots}},
        {"data": {"values": dashed}, "mark": {"type": "line", "strokeWidth": 1.5, "strokeDash": [3, 3]}},
    ]
    shown = [{**layer, "encoding": encoding} for layer in layers[: 2 if pale else 1]]
    return {"height": HEIGHT, "layer": [*shown, *marks(point for point in points if point["is_marked"])]}


def lying(drawn: Drawn) -> Spec:
    """
    Draw bars that lie, each with its name and number: one for each row, or for each `x` when there are series.

    Without series a bar may be of less than none, as a difference is: it lies to the left then.
    """
    chart, ends, keys = drawn.chart, dict[str, float](), dict[Any, str]()
    parts: list[Spec] = []
    marked: set[str] = set()
    for place, row in enumerate(drawn.in_order() if chart.series else drawn.rows):
        key = _key(keys, row[chart.x] if chart.series else place, drawn.words(row, chart.x))
        if key is None:
            continue
        base = ends.get(key, 0.0)
        ends[key] = base + (_size(row, chart.y) if chart.series else float(row[chart.y] or 0))
        parts.append({"key": key, "x": base, "x2": ends[key], **drawn.look(row)})
        if drawn.is_marked(row):
            marked.add(key)
    kind = drawn.columns[chart.y].kind
    words = {key: number(end, kind) + " ▼" * (key in marked) for key, end in ends.items()}
    left, right = [
        [{"key": key, "x": end, "words": words[key]} for key, end in ends.items() if (end < 0) is is_less]
        for is_less in (True, False)
    ]
    least, most = min(0.0, *ends.values()), max(0.0, *ends.values())
    room = (most - least) * 0.14 or 1
    length = _length((least - room * (least < 0), most + room * (most > 0 or not least)), None)
    bars = _bars(parts, length, list(ends))
    bars["encoding"].update(color=colour(drawn.inks), opacity=opacity())
    layers = [_words(side, length, list(ends), side is left) for side in (left, right) if side]
    return {"height": {"step": ROW_HEIGHT}, "layer": [bars, *layers]}


def pareto(drawn: Drawn) -> Spec:
    """Draw each row's share where those above it end, so that the right ends are the cumulative share."""
    chart, keys, before = drawn.chart, dict[Any, str](), 0.0
    parts: list[Spec] = []
    labels: list[Spec] = []
    for place, row in enumerate(drawn.rows):
        key = _key(keys, place, drawn.words(row, chart.x))
        if key is None:
            continue
        end = max(_size(row, chart.series or chart.y), before)
        parts.append({"key": key, "x": before, "x2": end, **drawn.look(row)})
        words = f"{number(row[chart.y] or 0, drawn.columns[chart.y].kind)}{' ▼' * drawn.is_marked(row)}"
        is_late = end > VITAL and before > ROOM
        labels.append({"key": key, "x": before if is_late else end, "words": words, "is_late": is_late})
        before = end
    order = list(keys.values())
    axis = {"format": ".0%", "orient": "top", "title": None, "tickCount": 5, "grid": True}
    is_full = any(not label["is_late"] and label["x"] > VITAL for label in labels)
    length = _length((0.0, 1 + ROOM if is_full else 1.0), {**axis, "values": [0, 0.2, 0.4, 0.6, 0.8, 1]})
    bars = _bars(parts, length, order)
    bars["encoding"]["color"] = colour(drawn.inks)
    rule = {
        "data": {"values": [{"x": VITAL}]},
        "mark": {"type": "rule", "color": MUTED.light, "strokeDash": [4, 3]},
        "encoding": {"x": {"field": "x", "type": "quantitative"}},
    }
    sides = [
        _words([each for each in labels if each["is_late"] is side], length, order, side) for side in (False, True)
    ]
    return {"height": {"step": ROW_HEIGHT}, "layer": [rule, bars, *(side for side in sides if side["data"]["values"])]}


def heatmap(drawn: Drawn) -> Spec:
    """Draw a cell for each row, in a few shades of which the legend tells the bounds."""
    chart = drawn.chart
    value = chart.series or chart.y
    kind = drawn.columns[value].kind
    steps = _steps(max((_size(row, value) for row in drawn.rows), default=0.0), is_whole=kind == "count")
    names = ["none", *(f"≤ {number(step, 'count' if step == int(step) else kind)}" for step in steps)]
    cells = [
        {
            "x": drawn.words(row, chart.x),
            "y": drawn.words(row, chart.y),
            "shade": names[_shade(_size(row, value), steps)],
            "is_marked": drawn.is_marked(row),
        }
        for row in drawn.rows
    ]
    across, down = ([*dict.fromkeys(cell[axis] for cell in cells)] for axis in ("x", "y"))
    scale = {"domain": names, "range": [ink.light for ink in SHADES[: len(names)]]}
    legend = {"title": None, "orient": "bottom", "symbolType": "square", "columns": len(names)}
    return {
        "data": {"values": cells},
        "height": {"step": ROW_HEIGHT},
        "mark": {"type": "rect", "strokeWidth": 1.5},
        "encoding": {
            "x": {"field": "x", "type": "ordinal", "sort": across, "axis": {"title": None, "labelAngle": 0}},
            "y": {"field": "y", "type": "ordinal", "sort": down, "axis": {"title": None, "labelLimit": 0}},
            "color": {"field": "shade", "type": "ordinal", "scale": scale, "legend": legend},
            "stroke": {"condition": {"test": "datum.is_marked", "value": TEXT.light}, "value": PAPER.light},
        },
    }


def _bars(parts: list[Spec], length: Spec, order: list[str]) -> Spec:
    axis = {"title": None, "labelLimit": 0, "labelColor": TEXT.light, "labelPadding": 8, "grid": False}
    encoding = {"y": {**_band(order), "axis": axis}, "x": length, "x2": {"field": "x2"}}
    return {"data": {"values": parts}, "mark": {"type": "bar"}, "encoding": encoding}


def _words(labels: list[Spec], length: Spec, order: list[str], is_before: bool = False) -> Spec:
    side: Spec = {"align": "right", "dx": -5} if is_before else {"align": "left", "dx": 5}
    text = {"field": "words", "type": "nominal"}
    return {
        "data": {"values": labels},
        "mark": {"type": "text", "fontSize": 11, "color": TEXT.light, **side},
        "encoding": {"y": _band(order), "x": length, "text": text},
    }


def _band(order: list[str]) -> Spec:
    return {"field": "key", "type": "nominal", "sort": order, "scale": {"paddingInner": 0.28}}


def _length(ends: tuple[float, float], axis: Spec | None) -> Spec:
    return {"field": "x", "type": "quantitative", "axis": axis, "scale": {"domain": list(ends), "nice": False}}


def _key(keys: dict[Any, str], value: Any, words: str) -> str | None:
    """Give a bar's name; two that look alike differ by characters without width. None when there are bars enough."""
    if value not in keys:
        if len(keys) == MOST_BARS:
            return None
        taken = set(keys.values())
        while words in taken:
            words += "\u200b"
        keys[value] = words
    return keys[value]


def _size(row: Row, column: str) -> float:
    return max(float(row[column] or 0), 0.0)


def _is_own(drawn: Drawn, row: Row) -> bool:
    """Tell whether a row's series has a line of its own; the sum of others would be no line of the table."""
    return not drawn.series(row).endswith(" others") or len(drawn.inks) == 1


def _steps(most: float, *, is_whole: bool) -> list[float]:
    """Give the upper ends of the shades above none: multiples of a number that is easily read."""
    if most <= 0:
        return []
    count = len(SHADES) - 1
    size = 10.0 ** (len(f"{int(most / count)}") - 1) if most >= count else 10.0**-3
    while most / count > size * NICE[-1]:
        size *= 10
    step = next(size * nice for nice in NICE if most / count <= size * nice)
    step = float(-(-step // 1)) if is_whole else step
    return [step * (place + 1) for place in range(count) if step * place < most]


def _shade(value: float, steps: list[float]) -> int:
    return 0 if value <= 0 else 1 + next(place for place, step in enumerate(steps) if value <= step * (1 + 1e-9))
