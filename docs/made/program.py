"""The pages of what is run: settings, commands, forms, metrics."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from prometheus_client.metrics import MetricWrapperBase
from pydantic_core import PydanticUndefined

from docs.made.tables import table
from ingest import metrics
from ingest.cli import app
from ingest.forms import FORMS
from ingest.samples import SAMPLES
from models.settings import MIB, PREFIX, Settings

LABEL = re.compile(r"^(Sent by|Recognised by|Documented at): +", re.MULTILINE)
SHOWN_DEFAULTS = {"DATA_DIR": "`~/.local/share/errhouse`, or `$XDG_DATA_HOME/errhouse`"}
_KINDS = {int: "INTEGER", float: "NUMBER", Path: "PATH"}


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
