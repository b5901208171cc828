"""How `errhouse inspect` prints a request: for a person, or one line of JSON."""

import sys

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingest.inspector import Looked
from models.logs import escaped

MOST_LINES = 60  # of a body; the page shows more


def told_as_json(one: Looked) -> None:
    """Print one line."""
    sys.stdout.write(msgspec.json.encode(one).decode() + "\n")
    sys.stdout.flush()


def show(one: Looked) -> None:
    """Print it, as text that cannot speak to the terminal."""
    console = Console(markup=False, highlight=False, soft_wrap=False)
    style = "bold green" if one.status < 300 else "bold red"
    head = Text.assemble(
        (str(one.status), style), f" {_text(one.method)} {_text(one.path)}  ", (_text(one.form), "bold")
    )
    console.rule(head, align="left", characters="─")
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    facts = [
        ("at", one.at), ("sender", one.sender), ("signature", one.signature), ("DSN key", one.dsn),
        ("bytes", f"{one.bytes:,}, decoded {one.body_bytes:,}"), ("encoding", one.encoding), ("answer", one.answer),
        *((f"query {name}", value) for name, value in one.query.items()),
        *((name, value) for name, value in one.headers),
    ]  # fmt: skip
    for name, value in facts:
        if value:
            table.add_row(Text(_text(name)), Text(_text(value)))
    console.print(table)
    lines = one.body.split("\n")
    for line in lines[:MOST_LINES]:
        console.print(Text(_text(line), style="dim"))
    if len(lines) > MOST_LINES:
        console.print(Text(f"… {len(lines) - MOST_LINES} more lines", style="dim"))
    for said in one.would:
        console.print(Text.assemble(("errhouse would ", "bold"), _text(said)))
    for event in one.events:
        for name, value in event.items():
            console.print(Text.assemble((f"  {name:<16}", "dim"), _text(value)))
    for said in one.cures:
        console.print(Text.assemble(("do: ", "bold red"), _text(said)))


def _text(value: str) -> str:
    return escaped(value.replace("\t", "    "))
