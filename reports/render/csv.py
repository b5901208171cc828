"""
CSV, one file per section in a zip: UTF-8, numbers as they are, instants in ISO 8601 with the report's own offset.

No word can be a formula: spreadsheets take a cell that begins with one of a few characters for one, and get an
apostrophe before it. Control characters stand as symbols, for a terminal may be what shows the file.
"""

import csv
from io import StringIO
from typing import Any

from reports.report import Column, Report, Table
from reports.tabular import tables, zipped
from reports.wording import is_number, local, visible

NAME: str = "csv"
EXTENSION: str = "csv.zip"
MEDIA_TYPE: str = "application/zip"
STARTS = tuple("=+-@\t\r\n") + tuple("\uff1d\uff0b\uff0d\uff20")  # the wide ones are taken for the narrow ones


def render(report: Report) -> bytes:
    """Give a zip of a file for each section, and of the headline, the quality and what the report is of."""
    zone = report.period.zone
    return zipped((f"{each.name}.csv", written(each.table, zone).encode()) for each in tables(report))


def written(table: Table, zone: str) -> str:
    """Give a table as CSV with a line of column names."""
    buffer = StringIO()
    writer = csv.writer(buffer)
    writer.writerow([harmless(column.name) for column in table.columns])
    for row in table.rows:
        writer.writerow([cell(value, column, zone) for value, column in zip(row, table.columns, strict=True)])
    return buffer.getvalue()


def cell(value: Any, column: Column, zone: str) -> str | int | float:
    """Give a value as it stands in a file; nothing for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float) and (is_number(column.kind) or column.kind == "id"):
        return value
    if column.kind == "instant":
        return local(str(value), zone).isoformat()
    if isinstance(value, list):
        return " ".join("" if each is None else str(each) for each in value)
    return harmless(str(value))


def harmless(text: str) -> str:
    """Give text that no spreadsheet calculates."""
    seen = visible(text)
    return f"'{seen}" if text.lstrip(" \u00a0").startswith(STARTS) else seen
