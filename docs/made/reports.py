"""The page of reports."""

import inspect
from collections.abc import Iterator
from typing import Any

from docs.made.tables import table
from reports.aggregation import DTYPES, Aggregation
from reports.aggregations import AGGREGATIONS
from reports.built_in import REPORTS
from reports.built_in.asked import KNOWN, PARAMETERS
from reports.built_in.headline import DEFINITIONS
from reports.built_in.health import DEFINITIONS as OF_HEALTH
from reports.built_in.release import MORE as OF_RELEASE
from reports.render import FORMATS


def reports() -> Iterator[str]:
    """Give every report, what it can be asked, every format, and every aggregation that reports are made of."""
    yield from (
        "# Reports",
        "",
        "A report is one object for a period, made of the events and of nothing else: the same period, parameters and",
        "events give the same report, to the byte, whenever it is made. `errhouse report run NAME` makes one, the",
        "console shows it, [a schedule](how-to/schedule-a-report.md) has it made.",
        "[How to add one](how-to/add-a-report.md).",
        "",
        "## The reports",
        "",
    )
    yield from table(
        ("report", "what it tells", "period when none is told"),
        [(f"`{each.name}`", each.sentence, _span(each.span)) for each in REPORTS],
    )
    yield from ("", "## What a report can be asked", "")
    yield from ("In a terminal each is an option, in a schedule `--param NAME=VALUE`; lists have commas between.", "")
    yield from table(("parameter", "meaning"), [(f"`{name}`", PARAMETERS[name]) for name in KNOWN])
    yield from ("", "## Formats", "")
    rows = [(f"`{each.NAME}`", f"`.{each.EXTENSION}`", each.MEDIA_TYPE, _first_line(each)) for each in FORMATS]
    yield from table(("format", "file", "media type", "what it is"), rows)
    yield from ("", "## What the words mean", "")
    words = {each.word: each.sentence for each in (*DEFINITIONS, *OF_RELEASE, *OF_HEALTH)}
    yield from table(("word", "meaning"), words.items())
    yield from ("", "## Aggregations", "")
    yield from (
        "What reports are made of, and what a [notebook](how-to/notebook.md) takes: each is a pure function of frames,",
        "which `reports.frames` asks the warehouse for; `reports.aggregations.aggregation(NAME).run(...)` calls it.",
        "A column of counts that may be missing is `Int64`.",
    )
    for each in AGGREGATIONS:
        yield from _aggregation(each)


def _span(span: str) -> str:
    return f"the last whole {span}" if span in {"day", "week"} else f"the last {span.removesuffix('d')} days"


def _first_line(module: Any) -> str:
    return " ".join((inspect.getdoc(module) or "").split("\n\n")[0].split())


def _aggregation(each: Aggregation) -> Iterator[str]:
    yield from ("", f"### {each.name}", "", each.sentence, "")
    if told := inspect.getdoc(each.aggregate):
        yield from (" ".join(told.replace("`", "").split()), "")
    taken = ", ".join(f"`{name}` ({', '.join(columns)})" for name, columns in each.takes.items())
    others = [name for name in inspect.signature(each.aggregate).parameters if name not in each.takes]
    yield from (f"Takes: {taken}" + "".join(f", `{name}`" for name in others) + ".", "")
    rows = [
        (f"`{c.name}`", DTYPES[c.kind][0], c.kind, c.unit or "", c.description + _some(c.name, each))
        for c in each.gives
    ]
    yield from table(("column", "dtype", "kind", "unit", "meaning"), rows)


def _some(name: str, each: Aggregation) -> str:
    return " Only where it was grouped by." if name in each.some_of else ""
