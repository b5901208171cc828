"""
What a report is: one versioned object, of which every page, file and message is a rendering.

The object holds finished numbers and words, nothing that depends on when or how often it is made: for the same period,
parameters and events it is the same to the byte.
"""

from datetime import UTC, date, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from reports.errors import MissingColumn
from reports.period import Period

if TYPE_CHECKING:
    import pandas as pd  # who only draws a report does not load it

SCHEMA = "report/1"

Kind = Literal["text", "count", "number", "share", "change", "instant", "day", "sparkline", "flag", "id"]
"""How a value is written: `share` and `change` are parts of 1, `sparkline` is a list of counts, an `id` has no sum."""


class Column(msgspec.Struct, frozen=True):
    """One column of a table: its name in files, its title for people, and what it means."""

    name: str
    title: str
    kind: Kind
    description: str
    unit: str | None = None


class Table(msgspec.Struct, frozen=True):
    """Rows of values in the order of the columns; `left_out_count` says how many more there were."""

    columns: tuple[Column, ...]
    rows: list[list[Any]]
    left_out_count: int = 0


class Chart(msgspec.Struct, frozen=True):
    """
    How a section's table is drawn: which columns lie on which axis, and in which colour. Every word names a column.

    bars:    `y` for each `x`: lying, in the order of rows, when `x` is words; upright when it is days or instants.
    lines:   `y` over days or instants, a line for each `series`.
    stacked: as bars, with one part of each bar for each `series`.
    heatmap: a cell for each `x` (across) and `y` (down), shaded by the number in `series`.
    pareto:  as bars, with the cumulative share in `series` as a line.
    """

    kind: Literal["bars", "lines", "stacked", "heatmap", "pareto"]
    x: str
    y: str
    series: str | None = None
    mark: str | None = None
    """A flag column: rows to point out, such as spikes."""
    partial: str | None = None
    """A flag column: buckets that are not over, which are drawn pale."""


class Section(msgspec.Struct, frozen=True):
    """One answer: a sentence that says the result, a table, and a chart where it helps."""

    name: str
    title: str
    sentence: str
    table: Table
    chart: Chart | None = None


class Figure(msgspec.Struct, frozen=True):
    """One headline number, with the one of the period before; `is_significant` as reports.statistics tells it."""

    name: str
    title: str
    value: float | int | None
    kind: Kind = "count"
    unit: str | None = None
    previous: float | int | None = None
    change: float | None = None
    is_significant: bool = False


class Span(msgspec.Struct, frozen=True):
    """A period as told: ISO 8601 in UTC, the zone its days are of, its label and its real hours."""

    start: str
    end: str
    zone: str
    label: str
    hours: float


class Definition(msgspec.Struct, frozen=True):
    """What a word of the report means."""

    word: str
    sentence: str


class Report(msgspec.Struct, frozen=True):
    """A finished report."""

    name: str
    title: str
    period: Span
    previous: Span | None
    parameters: dict[str, Any]
    headline: list[Figure]
    sections: list[Section]
    quality: list[Figure]
    notes: list[str]
    definitions: list[Definition]
    is_partial: bool = False
    """Whether events of the period were accepted and not loaded when it was made; a note says since when."""
    schema: str = SCHEMA

    def section(self, name: str) -> Section:
        """Return a section by its name."""
        return next(section for section in self.sections if section.name == name)


def span(period: Period) -> Span:
    """Tell a period."""
    return Span(_instant(period.start), _instant(period.end), period.zone, period.label, period.hours)


def table(frame: "pd.DataFrame", columns: tuple[Column, ...], *, top: int | None = None) -> Table:
    """
    Make a table of a frame: its declared columns, in their order, at most `top` rows.

    Raises: MissingColumn.
    """
    if missing := [column.name for column in columns if column.name not in frame.columns]:
        raise MissingColumn(f"A frame lacks the columns {', '.join(missing)} that its report declares.")
    shown = frame if top is None else frame.head(top)
    values = [_plain_column(shown[column.name]) for column in columns]
    rows = [list(row) for row in zip(*values, strict=True)]
    return Table(columns, rows, len(frame) - len(shown))


def _plain_column(column: "pd.Series") -> list[Any]:
    """Give what `plain` gives of each value; whole columns of the usual types need not be looked at one by one."""
    word = str(column.dtype)
    if word == "datetime64[us, UTC]":
        moments = column.to_numpy("datetime64[us]").tolist()
        return [None if moment is None else f"{moment.isoformat()}Z" for moment in moments]
    values: list[Any] = column.tolist()
    if word in {"int64", "bool"}:
        return values
    if word == "float64":
        return [value if isfinite(value) else None for value in values]
    return [plain(value) for value in values]


def plain(value: Any) -> Any:
    """Give a value as JSON knows it: no numpy, no NaN, instants in ISO 8601 and UTC."""
    if hasattr(value, "tolist"):  # of numpy
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if value is None or type(value).__name__ in {"NaTType", "NAType"}:
        return None
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def encoded(report: Report) -> bytes:
    """Give the report as JSON, the same to the byte for the same report."""
    return msgspec.json.encode(report, order="deterministic")


def decoded(data: bytes) -> Report:
    """Read a report again. Raises msgspec.MsgspecError."""
    return msgspec.json.decode(data, type=Report)


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
