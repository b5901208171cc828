"""A report as nothing but tables, for files that programs and spreadsheets read (pure)."""

import re
import zipfile
from collections.abc import Iterable
from io import BytesIO
from typing import Any, NamedTuple

from reports.report import Column, Figure, Report, Span, Table

EARLIEST = (1980, 1, 1, 0, 0, 0)  # of all times that a zip can tell; none of ours would be the same twice
NAME_CHARACTERS = 60

_FIGURE = (
    Column("name", "Name", "text", "The figure's name in files."),
    Column("title", "Figure", "text", "What is told."),
    Column("value", "Value", "number", "Its value; shares are parts of 1."),
    Column("unit", "Unit", "text", "Of what, where that is not plain."),
    Column("previous", "Period before", "number", "Its value in the period before."),
    Column("change", "Change", "change", "Against the period before."),
    Column("is_significant", "More than chance", "flag", "Whether the change is more than chance gives."),
)
_PAIR = (Column("word", "Word", "text", "What is told."), Column("sentence", "Meaning", "text", "What it is."))


class Named(NamedTuple):
    """A table with a name that can be that of a file, and a title for people."""

    name: str
    title: str
    table: Table


def tables(report: Report) -> list[Named]:
    """Give everything a report tells: what it is of, its headline, each section, its quality, its words."""
    made = [
        Named("about", "About", Table(_PAIR, _about(report))),
        Named("headline", "Headline", _figures(report.headline)),
        *(Named(section.name, section.title, section.table) for section in report.sections),
        Named("data_quality", "Data quality", _figures(report.quality)),
        Named("definitions", "Definitions", Table(_PAIR, [[each.word, each.sentence] for each in report.definitions])),
    ]
    names = unique((file_name(each.name) for each in made), NAME_CHARACTERS)
    return [each._replace(name=name) for each, name in zip(made, names, strict=True)]


def file_name(text: str) -> str:
    """Give a word as a part of a file's name: letters, digits and underscores."""
    return re.sub(r"[^A-Za-z0-9_]+", "_", text)[:NAME_CHARACTERS].strip("_") or "section"


def unique(names: Iterable[str], most: int) -> list[str]:
    """Give names with a number where they differ in nothing but case, within a length."""
    seen: set[str] = set()
    made = []
    for name in names:
        chosen, count = name[:most], 1
        while chosen.lower() in seen:
            count += 1
            tail = f"_{count}"
            chosen = name[: most - len(tail)] + tail
        seen.add(chosen.lower())
        made.append(chosen)
    return made


def zipped(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Put files into a zip that is the same to the byte for the same files."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, body in files:
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, body)
    return buffer.getvalue()


def is_whole(table: Table, place: int) -> bool:
    """Tell whether all numbers of a column are whole ones."""
    return all(row[place] is None or (isinstance(row[place], int)) for row in table.rows)


def _figures(figures: list[Figure]) -> Table:
    rows: list[list[Any]] = [
        [each.name, each.title, each.value, each.unit or each.kind, each.previous, each.change, each.is_significant]
        for each in figures
    ]
    return Table(_FIGURE, rows)


def _about(report: Report) -> list[list[Any]]:
    told = [
        ["report", report.title],
        ["name", report.name],
        *_span("period", report.period),
        *(_span("period before", report.previous) if report.previous else []),
        *([name, _words(value)] for name, value in sorted(report.parameters.items()) if _words(value)),
        *(["note", note] for note in report.notes),
    ]
    for section in report.sections:
        told.append([section.title, section.sentence])
        if section.table.left_out_count:
            told.append([section.title, f"{section.table.left_out_count:,} more rows were left out."])
    return told


def _span(what: str, span: Span) -> list[list[Any]]:
    told = f"{span.start} to {span.end}, {span.hours:g} hours"
    return [[what, span.label], [f"{what}, UTC", told], [f"{what}, time zone", span.zone]]


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value)
    return "" if value is None else str(value)
