"""
Write the pages of docs/ that the code itself knows: settings, commands, forms, schema, metrics, reports, dbt sources.

`python docs/generate.py` writes them, `--check` only tells whether they are stale and exits 1 if so; `PAGE…` are some.
"""  # noqa: INP001 - a script beside what it writes

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer
from prometheus_client.metrics import MetricWrapperBase
from pydantic_core import PydanticUndefined
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import Table

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from ingest import metrics  # noqa: E402 - found by the line above
from ingest.cli import app  # noqa: E402
from ingest.forms import FORMS  # noqa: E402
from ingest.samples import SAMPLES  # noqa: E402
from models import Base  # noqa: E402
from models.settings import MIB, PREFIX, Settings  # noqa: E402
from models.views import USERS_SAID, VIEWS, Column, View  # noqa: E402
from reports.aggregation import DTYPES, Aggregation  # noqa: E402
from reports.aggregations import AGGREGATIONS  # noqa: E402
from reports.built_in import REPORTS  # noqa: E402
from reports.built_in.asked import KNOWN, PARAMETERS  # noqa: E402
from reports.built_in.headline import DEFINITIONS  # noqa: E402
from reports.built_in.health import DEFINITIONS as OF_HEALTH  # noqa: E402
from reports.built_in.release import MORE as OF_RELEASE  # noqa: E402
from reports.render import FORMATS  # noqa: E402

MADE = "Made by docs/generate.py from the code: change it there, then run `make docs`."
LABEL = re.compile(r"^(Sent by|Recognised by|Documented at): +", re.MULTILINE)
_KINDS = {int: "INTEGER", float: "NUMBER", Path: "PATH"}
SHOWN_DEFAULTS = {"DATA_DIR": "`~/.local/share/errhouse`, or `$XDG_DATA_HOME/errhouse`"}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Give the lines of a Markdown table."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(_cell(cell) for cell in row) + " |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def settings() -> Iterator[str]:
    """Give every setting: its variable, what it means, its default."""
    yield from (
        "# Settings",
        "",
        f"Each is an environment variable that begins with `{PREFIX}`. A value that cannot be used stops the program",
        "at its start with one sentence that names the variable.",
        "",
    )
    fields = Settings.model_fields
    rows = [(f"`{PREFIX}{name}`", field.description or "", _default(name, field)) for name, field in fields.items()]
    yield from table(("variable", "meaning", "default"), rows)


def _default(name: str, field: Any) -> str:
    if name in SHOWN_DEFAULTS:
        return SHOWN_DEFAULTS[name]
    value = field.default
    if value is PydanticUndefined or value is None or value == ():
        return "unset"
    if isinstance(value, int) and value >= MIB and value % MIB == 0:
        return f"`{value}` ({value // MIB} MiB)"
    return f"`{value}`"


def commands() -> Iterator[str]:
    """Give every command as its `--help` tells it."""
    yield from (
        "# Commands",
        "",
        "Exit codes: 0 done; 1 done, with findings; 2 cannot be done, and one sentence on standard error says why.",
        "Every command has `--help`.",
    )
    yield from _command(typer.main.get_command(app), "errhouse")


def _command(command: Any, path: str) -> Iterator[str]:
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            if not child.hidden:
                yield from _command(child, f"{path} {name}")
        return
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and each.name != "help"]
    words = [path, *(["[OPTIONS]"] if options else []), *(_word(each) for each in arguments)]
    if command.context_settings.get("allow_extra_args"):
        words.append("[ARGS]...")
    yield from ("", f"## `{path}`", "", command.help or "", "", f"    {' '.join(words)}")
    rows = [(f"`{_word(each)}`", each.help or "", _shown(each)) for each in arguments]
    rows += [(_flags(each), each.help or "", _shown(each)) for each in options]
    if rows:
        yield ""
        yield from table(("argument or option", "meaning", "default"), rows)


def _word(argument: Any) -> str:
    name = argument.name.upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _flags(option: Any) -> str:
    flags = " / ".join(f"`{flag}`" for flag in [*option.opts, *option.secondary_opts])
    return flags if option.is_flag else f"{flags} {_KINDS.get(option.type_descriptor.annotation, 'TEXT')}"


def _shown(parameter: Any) -> str:
    if parameter.required:
        return "needed"
    value = parameter.default
    if value is None or value == () or callable(value):
        return ""
    if value is True and parameter.secondary_opts:
        return f"`{parameter.opts[0]}`"
    return "" if value is False else f"`{value}`"


def forms() -> Iterator[str]:
    """Give every form a payload can have: who sends it, how it is told, where it is documented."""
    yield from (
        "# Forms",
        "",
        "A form is one shape of payload. It is found by the door a payload came in by, then by its headers, then by",
        "what its body holds; forms are asked in this order. `errhouse load --form NAME` names it for a file.",
    )
    for form in FORMS:
        told = inspect.getdoc(form) or ""
        summary, *parts = LABEL.split(told)
        yield from ("", f"## {form.NAME}", "", " ".join(summary.split()), "")
        for label, text in zip(parts[::2], parts[1::2], strict=True):
            yield f"- {label}: {' '.join(text.split()).rstrip('.')}."
        is_sent = form.NAME in SAMPLES
        yield f"- Sample: {f'`errhouse send-test --form {form.NAME}`' if is_sent else 'none, it comes in files only'}."


def schema() -> Iterator[str]:
    """Give what analysts are promised, and the tables behind it."""
    yield from (
        "# Schema",
        "",
        "Schema `analytics` holds views and is a promise: columns are only appended. Schema `warehouse` holds the",
        "tables behind them and may change with any version. All of this stands in the database too, as comments.",
    )
    for view in VIEWS:
        yield from ("", f"## analytics.{view.name}", "", view.comment, "")
        yield from table(("column", "type", "meaning"), [(f"`{c.name}`", c.type, c.comment) for c in view.columns])
    for each in sorted(Base.metadata.tables.values(), key=lambda found: found.name):
        yield from ("", f"## {each.schema}.{each.name}", "", each.comment or "", "")
        yield f"Key: {', '.join(f'`{column.name}`' for column in each.primary_key)}."
        yield ""
        yield from table(("column", "type", "meaning"), _columns(each))


def _columns(each: Table) -> Iterator[tuple[str, str, str]]:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for column in each.columns:
        kind = column.type.compile(dialect).lower()
        yield f"`{column.name}`", kind if column.nullable else f"{kind} not null", column.comment or ""


def data_dictionary() -> Iterator[str]:
    """Give what analysts are promised, without the tables behind it: `analytics.data_dictionary` as a page."""
    yield from (
        "# Data dictionary",
        "",
        "Every view of schema `analytics`, as `analytics.data_dictionary` tells it. Instants are UTC. Views are live:",
        "an event counts in all of them as soon as it is loaded. [How to query them](how-to/query.md).",
    )
    for view in VIEWS:
        yield from ("", f"## {view.name}", "", view.comment)
        if view.key:
            yield from ("", f"One row for each {', '.join(f'`{name}`' for name in view.key)}.")
        yield ""
        rows = [(f"`{c.name}`", c.type, "" if c.is_told else "yes", c.comment) for c in view.columns]
        yield from table(("column", "type", "may be null", "meaning"), rows)
    yield from ("", "## users(user_sketch)", "", USERS_SAID, "")
    yield from ("```sql", "select culprit, analytics.users(user_sketch) as users", "from analytics.culprits_daily")
    yield from ("where day >= current_date - 30 group by culprit order by users desc limit 20;", "```")


def dbt_sources() -> Iterator[str]:
    """Give the views as dbt sources: descriptions, freshness, and tests of what is declared."""
    yield from ("version: 2", "sources:", "  - name: errhouse", "    schema: analytics")
    yield from (
        "    description: Sentry's error events in PostgreSQL; views that are only ever appended to.",
        "    tables:",
    )
    for view in VIEWS:
        yield from (f"      - name: {view.name}", f"        description: {_yaml(view.comment)}")
        yield from _dbt_table(view)
        yield "        columns:"
        for column in view.columns:
            yield from _dbt_column(column)


def _yaml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # JSON is YAML


def _dbt_table(view: View) -> Iterator[str]:
    if view.loaded_at:
        yield from ("        config:", f"          loaded_at_field: {view.loaded_at}", "          freshness:")
        yield from (
            "            warn_after: {count: 1, period: hour}",
            "            error_after: {count: 1, period: day}",
        )
    if view.key:
        yield from ("        data_tests:", "          - unique_together:", "              arguments:")
        yield f"                columns: [{', '.join(view.key)}]"


def _dbt_column(column: Column) -> Iterator[str]:
    yield from (f"          - name: {column.name}", f"            description: {_yaml(column.comment)}")
    yield f"            data_type: {_yaml(column.type)}"
    if column.is_told or column.words:
        yield "            data_tests:"
    if column.is_told:
        yield "              - not_null"
    if column.words:
        yield from ("              - accepted_values:", "                  arguments:")
        yield f"                    values: [{', '.join(column.words)}]"


def all_metrics() -> Iterator[str]:
    """Give every metric by the name Prometheus sees."""
    yield from (
        "# Metrics",
        "",
        "`GET /metrics` gives them in Prometheus' text format, for all processes of one service.",
        "",
    )
    found = [each for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)]
    yield from table(("metric", "type", "labels", "meaning"), [_metric(each) for each in found])


def _metric(each: MetricWrapperBase) -> tuple[str, str, str, str]:
    told = next(iter(each.describe()))
    name = f"{told.name}_total" if told.type == "counter" else told.name
    labels = ", ".join(f"`{label}`" for label in each._labelnames)  # noqa: SLF001 - it has no public name
    return f"`{name}`", told.type, labels, told.documentation


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


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "settings.md": settings,
    "commands.md": commands,
    "forms.md": forms,
    "schema.md": schema,
    "metrics.md": all_metrics,
    "data-dictionary.md": data_dictionary,
    "reports.md": reports,
    "dbt/models/sources.yml": dbt_sources,
}


def text(page: str) -> str:
    """Give a page as it should be."""
    made = [f"# {MADE}"] if page.endswith(".yml") else [f"<!-- {MADE} -->", ""]
    return "\n".join([*made, *PAGES[page]()]) + "\n"


def stale(wanted: Iterable[str] = PAGES) -> list[str]:
    """Name the pages, of those wanted, that are not as they should be."""
    return [page for page in wanted if not (HERE / page).is_file() or (HERE / page).read_text() != text(page)]


def main(arguments: Sequence[str]) -> int:
    """Write what is stale, of all pages or of those that are named; with `--check`, only name it."""
    is_check = "--check" in arguments
    wanted = [each for each in arguments if each != "--check"]
    if strange := [each for each in wanted if each not in PAGES]:
        pages = ", ".join(PAGES)
        sys.stderr.write(
            f"usage: python docs/generate.py [--check] [PAGE...]\nno page {strange[0]}; there are {pages}\n"
        )
        return 2
    found = stale(wanted or PAGES)
    for page in found:
        if is_check:
            sys.stderr.write(f"docs/{page} is stale: run `make docs`.\n")
        else:
            (HERE / page).parent.mkdir(parents=True, exist_ok=True)
            (HERE / page).write_text(text(page))
    return 1 if found and is_check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
