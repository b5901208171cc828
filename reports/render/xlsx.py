"""
A workbook, one sheet per section, for spreadsheets: numbers are numbers, words are never formulas or links.

A spreadsheet knows no time zones: instants are the report's local time, and their column's title says whose.
"""

import re
from datetime import datetime, time
from io import BytesIO
from typing import TYPE_CHECKING, Any

from reports.render.csv import STARTS
from reports.report import Column, Report, Table
from reports.tabular import Named, tables, unique
from reports.wording import heading, local, shortened, told, visible

if TYPE_CHECKING:
    import xlsxwriter

NAME: str = "xlsx"
EXTENSION: str = "xlsx"
MEDIA_TYPE: str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SHEET_CHARACTERS = 31
CELL_CHARACTERS = 32_000  # a cell holds 32,767
EXACT = 2**53  # larger numbers are not exact in a spreadsheet
WIDEST = 60
FORMS = {
    "count": "#,##0",
    "number": "#,##0.00",
    "share": "0.0%",
    "change": "+0.0%;-0.0%;0.0%",
    "instant": "yyyy-mm-dd hh:mm:ss",
    "day": "yyyy-mm-dd",
    "id": "0",
}


def render(report: Report) -> bytes:
    """Give the workbook."""
    import xlsxwriter  # noqa: PLC0415 - only who writes workbooks loads it

    buffer = BytesIO()
    # constant memory: rows are written as they come, in their order
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(buffer, options)
    created = local(report.period.end, "UTC").replace(tzinfo=None)
    book.set_properties({"title": visible(report.title)[:200], "subject": report.period.label, "created": created})
    forms = _Forms(book)
    told_tables = tables(report)
    names = unique((sheet_name(each.title) for each in told_tables), SHEET_CHARACTERS)
    for each, name in zip(told_tables, names, strict=True):
        _sheet(book.add_worksheet(name), each, forms, report.period.zone)
    book.close()
    return buffer.getvalue()


def sheet_name(title: str) -> str:
    """Give a title as a sheet's name may be."""
    name = re.sub(r"[\[\]:*?/\\]", " ", visible(title))[:SHEET_CHARACTERS].strip(" '")
    return "Section" if not name or name.lower() == "history" else name


class _Forms:
    """The formats of one workbook."""

    def __init__(self, book: "xlsxwriter.Workbook") -> None:
        self.head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        self.kinds = {kind: book.add_format({"num_format": form}) for kind, form in FORMS.items()}
        self.text = book.add_format({"num_format": "@"})
        # the mark by which a spreadsheet keeps a cell text when somebody edits it
        self.quoted = book.add_format({"num_format": "@", "quote_prefix": True})


def _sheet(sheet: Any, named: Named, forms: _Forms, zone: str) -> None:
    table = named.table
    sheet.freeze_panes(1, 0)
    for place in range(len(table.columns)):
        sheet.set_column(place, place, _width(table, place, zone))
    for place, column in enumerate(table.columns):
        below = heading(column, zone)
        sheet.write_string(0, place, visible(column.title) + (f" ({visible(below)})" if below else ""), forms.head)
    for number, row in enumerate(table.rows, 1):
        for place, (value, column) in enumerate(zip(row, table.columns, strict=True)):
            _cell(sheet, number, place, value, column, forms, zone)


def _cell(sheet: Any, row: int, place: int, value: Any, column: Column, forms: _Forms, zone: str) -> None:
    form = forms.kinds.get(column.kind)
    if value is None:
        return
    if column.kind == "flag":
        sheet.write_boolean(row, place, bool(value))
    elif column.kind == "instant":
        sheet.write_datetime(row, place, local(str(value), zone).replace(tzinfo=None), form)
    elif column.kind == "day":
        sheet.write_datetime(row, place, datetime.combine(datetime.fromisoformat(value).date(), time()), form)
    elif isinstance(value, int | float) and abs(value) <= EXACT:
        sheet.write_number(row, place, value, form)
    else:
        text = " ".join(map(str, value)) if isinstance(value, list) else visible(str(value))
        is_doubtful = str(value).lstrip(" \u00a0").startswith(STARTS)
        sheet.write_string(row, place, shortened(text, CELL_CHARACTERS), forms.quoted if is_doubtful else forms.text)


def _width(table: Table, place: int, zone: str) -> int:
    column = table.columns[place]
    longest = max((len(told(row[place], column.kind, zone)) for row in table.rows[:200]), default=0)
    return max(8, min(max(longest, len(column.title) + 2, len(heading(column, zone)) + 2) + 2, WIDEST))
