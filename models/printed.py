"""How commands print what they found: a table for people, or JSON for programs."""

import json
import sys
from datetime import datetime
from typing import Annotated, Any

import typer

WIDE = 160  # columns where there is no terminal to ask

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def told(data: Any) -> None:
    """Print data for programs: one JSON value on standard output."""
    sys.stdout.write(json.dumps(data, default=str) + "\n")


def confirmed(name: str, what: str, *, as_json: bool) -> None:
    """Say what became of something, such as `weekly is paused.`"""
    if as_json:
        told({"name": name, "is": what})
    else:
        typer.echo(f"{name} is {what}.")


def shown(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Print a table for people; the first column, by which a row is named, is never cut."""
    from rich.console import Console  # noqa: PLC0415 - who prints JSON needs neither
    from rich.table import Table  # noqa: PLC0415 - the same

    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    width = None if sys.stdout.isatty() else WIDE
    Console(markup=False, highlight=False, width=width).print(table)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)
