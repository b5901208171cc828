"""
Markdown with tables, for chats, pull requests and notes.

Words of senders stand as code wherever they are more than letters, digits and spaces: there nothing is a link, a
mention or a tag. Sentences of ours that quote them have every sign escaped that means something.
"""

import re
from typing import Any

from reports import wording
from reports.crossed import crossed
from reports.report import Column, Figure, Report, Section, Table

NAME: str = "markdown"
EXTENSION: str = "md"
MEDIA_TYPE: str = "text/markdown; charset=utf-8"
CELL_CHARACTERS = 120

_PLAIN = re.compile(r"[^\W_]+(?:[ -][^\W_]+)*")
_SIGNS = re.compile(r"[\\`*_{}\[\]<>()#+!|~&:]")


def render(report: Report) -> bytes:
    """Give the report as GitHub-flavoured Markdown."""
    period = report.period
    told = f"{wording.span(period)}, {period.zone}, {wording.hours(period)}"
    before = f", against {escaped(report.previous.label)}" if report.previous else ""
    parts = [f"# {escaped(report.title)} {escaped(period.label)}", escaped(told) + before]
    if chosen := [f"{escaped(name)}: {code(value)}" for name, value in wording.parameters(report)]:
        parts.append("; ".join(chosen))
    parts.append("\n".join(_figure(each, period.zone) for each in report.headline))
    parts += [f"> {escaped(note)}" for note in report.notes if note]
    parts += [_section(each, report) for each in report.sections]
    if report.quality:
        parts.append("## Data quality\n\n" + "\n".join(_figure(each, period.zone) for each in report.quality))
    if report.definitions:
        lines = [f"- **{escaped(each.word)}**: {escaped(each.sentence)}" for each in report.definitions]
        parts.append("## Definitions\n\n" + "\n".join(lines))
    return ("\n\n".join(part for part in parts if part) + "\n").encode()


def escaped(text: str) -> str:
    """Give text in which no sign means anything."""
    quiet = _SIGNS.sub(lambda sign: f"\\{sign[0]}", wording.visible(text))
    # what a mention or a link without signs begins with gets a character without width
    return re.sub(r"(@|\bwww)(?=[\w.])", "\\1\u200b", quiet)


def code(text: str) -> str:
    """Give words as they are: plain where they are harmless, else as code, in a fence longer than any in them."""
    seen = wording.shortened(wording.visible(text), CELL_CHARACTERS)
    if not seen or _PLAIN.fullmatch(seen):
        return seen
    fence = "`" * (max(map(len, re.findall("`+", seen)), default=0) + 1)
    space = " " if seen.startswith(("`", " ")) or seen.endswith(("`", " ")) else ""
    return f"{fence}{space}{seen}{space}{fence}"


def _section(section: Section, report: Report) -> str:
    table = crossed(section, report.period.zone)
    parts = [f"## {escaped(section.title)}", escaped(section.sentence)]
    if table.rows:
        parts.append(_table(table, report))
    if table.left_out_count:
        parts.append(f"{table.left_out_count:,} more rows are not shown.")
    return "\n\n".join(parts)


def _table(table: Table, report: Report) -> str:
    head = [_head(column, report.period.zone) for column in table.columns]
    rule = ["--:" if wording.is_number(column.kind) else ":--" for column in table.columns]
    words = wording.cells(table, report.period.zone, wording.year(report.period))
    rows = [
        [_cell(*each) for each in zip(values, told, table.columns, strict=True)]
        for values, told in zip(table.rows, words, strict=True)
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def _head(column: Column, zone: str) -> str:
    below = wording.heading(column, zone)
    return escaped(f"{column.title} ({below})" if below else column.title)


def _cell(value: Any, words: str, column: Column) -> str:
    if column.kind == "sparkline" and value:
        return wording.blocks(value)
    return code(words).replace("|", "\\|") if column.kind == "text" and value is not None else words


def _figure(figure: Figure, zone: str) -> str:
    value = wording.figure(figure, zone)
    line = f"- **{escaped(figure.title)}**: {code(value) if figure.kind == 'text' else escaped(value)}"
    change = wording.change(figure)
    if change is None:
        return line
    return f"{line} ({wording.compared(change, is_significant=figure.is_significant)})"
