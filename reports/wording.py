"""
Values as people read them: one way for every page, message and terminal (pure).

Words that senders chose are made visible first: control characters stand as symbols, and nothing turns the direction
of the text around it.
"""

import re
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from reports.report import Column, Figure, Kind, Report, Span, Table

MINUS = "\u2212"
NOTHING = "\u2013"
ELLIPSIS = "…"
CELL_CHARACTERS = 240
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
BARS = "▁▂▃▄▅▆▇█"

# C0, DEL and C1; line and paragraph separators; what embeds, overrides or isolates direction; what XML does not know
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_NUMBERS = frozenset({"count", "number", "share", "change"})


class Change(NamedTuple):
    """A headline's difference to the period before, in words: `up`, `down` or `even`."""

    direction: str
    absolute: str
    percent: str
    previous: str


def visible(text: str) -> str:
    """Give text of one line in which everything can be seen and nothing acts."""
    return _UNSEEN.sub(_symbol, text)


def shortened(text: str, most: int = CELL_CHARACTERS) -> str:
    """Give the beginning and the end of a long text, which is where culprits differ."""
    if len(text) <= most:
        return text
    end = most // 3
    return f"{text[: most - end - 1]}{ELLIPSIS}{text[-end:]}"


def is_number(kind: Kind) -> bool:
    """Tell whether values of a kind are aligned to the right."""
    return kind in _NUMBERS


def told(value: Any, kind: Kind, zone: str = "UTC", year: int | None = None) -> str:
    """Give a value in words; an instant is told in a time zone, with its year unless it is the given one."""
    if value is None:
        return NOTHING
    if kind in _NUMBERS and isinstance(value, int | float):
        return number(value, kind)
    if kind == "instant":
        return _instant(str(value), zone, year)
    if kind == "day":
        return _day(str(value), year)
    if kind == "flag":
        return "yes" if value else "no"
    if kind == "sparkline":
        return " ".join(number(each, "number") for each in value if each is not None)
    return visible(str(value))


def worded(value: Any, column: Column, zone: str = "UTC", year_told: int | None = None) -> str:
    """Give a value of a column in words; a day of the week by its name."""
    if column.name == "weekday" and isinstance(value, int) and 1 <= value <= len(WEEKDAYS):
        return WEEKDAYS[value - 1]
    return told(value, column.kind, zone, year_told)


def cells(table: Table, zone: str, year_told: int | None) -> list[list[str]]:
    """Give the words of every cell, row by row; the numbers of a column have as many decimals as the largest needs."""
    columns = []
    for place, column in enumerate(table.columns):
        values = [row[place] for row in table.rows]
        places = _places(values) if column.kind == "number" else 0
        columns.append(
            [
                _digits(value, places)
                if column.kind == "number" and isinstance(value, int | float) and (round(value, places) or not value)
                else worded(value, column, zone, year_told)
                for value in values
            ]
        )
    return [list(row) for row in zip(*columns, strict=True)]


def number(value: float, kind: Kind) -> str:
    """Give a number with thousands separators; shares and changes in percent."""
    if kind in {"share", "change"} and 0 < abs(value) < 0.0005:
        return "< 0.1 %" if value > 0 else f"> {MINUS}0.1 %"
    if kind == "share":
        return f"{_digits(value * 100, 1)} %"
    if kind == "change":
        return f"{'+' if value > 0 else ''}{_digits(value * 100, 1 if abs(value) < 10 else 0)} %"
    if isinstance(value, int) or (kind == "count" and value == int(value)):
        return _digits(value, 0)
    return _digits(value, _places([value])) if not value or abs(value) >= 0.0005 else f"{value:.1e}".replace("-", MINUS)


def figure(told_figure: Figure, zone: str = "UTC") -> str:
    """Give a headline's value with its unit."""
    words = told(told_figure.value, told_figure.kind, zone)
    return f"{words} {told_figure.unit}" if told_figure.unit and told_figure.value is not None else words


def change(told_figure: Figure) -> Change | None:
    """Tell how a headline differs from the period before; None when there is nothing to compare."""
    now, before = told_figure.value, told_figure.previous
    if now is None or before is None or told_figure.kind not in _NUMBERS:
        return None
    difference = now - before
    if not difference:
        return Change("even", "unchanged", "", number(before, told_figure.kind))
    direction = "up" if difference > 0 else "down"
    absolute = number(difference, told_figure.kind)
    if difference > 0 and not absolute.startswith("+"):
        absolute = f"+{absolute}"
    if told_figure.kind in {"share", "change"}:
        absolute = absolute.replace(" %", " points")
    percent = "" if told_figure.change is None else number(told_figure.change, "change")
    return Change(direction, absolute, percent, number(before, told_figure.kind))


def compared(difference: Change, *, is_significant: bool) -> str:
    """Give a headline's difference in a line: a filled arrow for what is more than chance."""
    if difference.direction == "even":
        return difference.absolute
    percent = f", {difference.percent}" if difference.percent else ""
    sign = arrow(difference, is_significant=is_significant)
    return f"{sign} {difference.absolute}{percent}; {difference.previous} before"


def arrow(difference: Change, *, is_significant: bool) -> str:
    """Give the sign of a difference."""
    if difference.direction == "even":
        return "="
    return {("up", True): "▲", ("up", False): "△", ("down", True): "▼", ("down", False): "▽"}[
        difference.direction, is_significant
    ]


def parameters(report: Report) -> list[tuple[str, str]]:
    """Give what a report was asked for, without what was left open."""
    told_values = [
        (name, ", ".join(str(each) for each in value) if isinstance(value, list | tuple) else str(value))
        for name, value in sorted(report.parameters.items())
        if value is not None
    ]
    return [(visible(name).replace("_", " "), visible(value)) for name, value in told_values if value]


def year(period: Span) -> int:
    """Give the year that needs no telling: that of the period's last day."""
    return _parsed(period.end, period.zone, less=True).year


def blocks(values: list[Any]) -> str:
    """Give counts as a line of block characters."""
    numbers = [max(float(each or 0), 0.0) for each in values]
    most = max(numbers, default=0)
    return "".join(BARS[round(each / most * 7)] if most > 0 else BARS[0] for each in numbers)


def span(period: Span) -> str:
    """Give a period's first and last moment, as short as is clear."""
    start, end = _parsed(period.start, period.zone), _parsed(period.end, period.zone)
    last = _parsed(period.end, period.zone, less=True)
    if (start.hour, start.minute, end.hour, end.minute) == (0, 0, 0, 0):
        if start.date() == last.date():
            return f"{start:%A} {start.day} {start:%B %Y}"
        first = f"{start:%a} {start.day} {start:%b}" + ("" if start.year == last.year else f" {start:%Y}")
        return f"{first} {NOTHING} {last:%a} {last.day} {last:%b %Y}"
    return f"{start.day} {start:%b %Y %H:%M} {NOTHING} {end.day} {end:%b %Y %H:%M}"


def hours(period: Span) -> str:
    """Give a period's real length."""
    return f"{number(period.hours, 'count' if period.hours == int(period.hours) else 'number')} hours"


def heading(column: Column, zone: str) -> str:
    """Give what stands small below a column's title: its unit, or the zone of its instants."""
    return zone if column.kind == "instant" else column.unit or ""


def local(value: str, zone: str) -> datetime:
    """Read an instant of a report in a time zone."""
    return _parsed(value, zone)


def _places(values: list[Any]) -> int:
    numbers = [abs(value) for value in values if isinstance(value, int | float)]
    if all(value == int(value) for value in numbers):
        return 0
    most = max(numbers, default=0)
    return 1 if most >= 100 else 2 if most >= 1 else 3


def _digits(value: float, places: int) -> str:
    text = f"{value:,.{places}f}"
    if places and value == 0:
        text = "0"
    return text.replace("-", MINUS)


def _symbol(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else "\ufffd"


def _parsed(value: str, zone: str, *, less: bool = False) -> datetime:
    moment = datetime.fromisoformat(value).astimezone(UTC)
    if less:
        moment = datetime.fromtimestamp(moment.timestamp() - 1e-3, UTC)
    return moment.astimezone(ZoneInfo(zone))


def _instant(value: str, zone: str, year: int | None) -> str:
    moment = _parsed(value, zone)
    return f"{moment.day} {moment:%b}{'' if moment.year == year else f' {moment:%Y}'} {moment:%H:%M}"


def _day(value: str, year: int | None) -> str:
    day = date.fromisoformat(value)
    return f"{day:%a} {day.day} {day:%b}{'' if day.year == year else f' {day:%Y}'}"
