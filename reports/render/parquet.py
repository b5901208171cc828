"""
Parquet, one file per section in a zip, since each section has columns of its own.

Values are the report's own, to the byte: nothing is shortened or made visible. Shares and changes are parts of 1,
instants are UTC. What a column means stands in its field's metadata.
"""

from datetime import date, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

from reports.report import Report, Table
from reports.tabular import is_whole, tables, zipped

if TYPE_CHECKING:
    import pyarrow as pa

NAME: str = "parquet"
EXTENSION: str = "parquet.zip"
MEDIA_TYPE: str = "application/zip"


def render(report: Report) -> bytes:
    """Give a zip of a file for each section, and of the headline, the quality and what the report is of."""
    about = {"report": report.name, "period": report.period.label, "time zone": report.period.zone}
    return zipped(
        (f"{each.name}.parquet", written(each.table, {**about, "title": each.title})) for each in tables(report)
    )


def written(table: Table, about: dict[str, str]) -> bytes:
    """Give a table as a Parquet file, compressed by zstd."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - only who writes Parquet loads it

    buffer = BytesIO()
    pq.write_table(arrow(table, about), buffer, compression="zstd")
    return buffer.getvalue()


def arrow(table: Table, about: dict[str, str]) -> "pa.Table":
    """Give a table as Arrow, each column of the type that its kind has."""
    import pyarrow as pa  # noqa: PLC0415 - only who writes Parquet loads it

    fields, arrays = [], []
    for place, column in enumerate(table.columns):
        kind = _type(table, place)
        values = [_value(row[place], column.kind) for row in table.rows]
        meaning = {"title": column.title, "description": column.description, "unit": column.unit or ""}
        fields.append(pa.field(column.name, kind, metadata=meaning))
        arrays.append(pa.array(values, kind))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=about))


def _type(table: Table, place: int) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - only who writes Parquet loads it

    whole = pa.int64() if is_whole(table, place) else pa.float64()
    return {
        "count": whole,
        "id": pa.int64() if is_whole(table, place) else pa.string(),
        "number": pa.float64(),
        "share": pa.float64(),
        "change": pa.float64(),
        "instant": pa.timestamp("us", "UTC"),
        "day": pa.date32(),
        "sparkline": pa.list_(pa.float64()),
        "flag": pa.bool_(),
    }.get(table.columns[place].kind, pa.string())


def _value(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "instant":
        return datetime.fromisoformat(value)
    if kind == "day":
        return date.fromisoformat(value)
    if kind == "id" and not isinstance(value, int):
        return str(value)
    return str(value) if kind == "text" else value
