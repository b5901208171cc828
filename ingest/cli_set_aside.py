"""`errhouse set-aside`: what could not become a row, shown and loaded again."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingest.errors import IngestError
from models.cli import JsonFlag, opened, shown, told
from models.settings import load_settings

if TYPE_CHECKING:
    from ingest.progress import Tally

set_aside_commands = typer.Typer(help="What could not become a row: why, and again.", no_args_is_help=True)


@set_aside_commands.command("list")
def list_set_aside(
    reason: Annotated[str | None, typer.Option(help="Only this reason code.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many, latest first.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """List what is set aside, latest first."""
    from ingest import set_aside  # noqa: PLC0415 - a command loads what it needs

    with opened() as (engine, *_), engine.connect() as connection:
        found = set_aside.listed(connection, reason, top)
    if as_json:
        told(found)
    elif found:
        names = ("set_aside_key", "reason", "seen_count", "last_received_at", "detail")
        shown(
            "Set aside", ("key", "reason", "seen", "last", "detail"), [tuple(e[name] for name in names) for e in found]
        )
    else:
        typer.echo("Nothing is set aside.")


@set_aside_commands.command("show")
def show_set_aside(
    key: Annotated[int, typer.Argument(help="The set_aside_key from `errhouse set-aside list`.")],
    as_json: JsonFlag = False,
) -> None:
    """Show one record: why, and its bytes as they came."""
    from ingest import set_aside  # noqa: PLC0415 - a command loads what it needs

    with opened() as (engine, *_), engine.connect() as connection:
        found = set_aside.payload_of(connection, key)
    if found is None:
        raise IngestError(f"There is no set-aside record {key}; `errhouse set-aside list` shows them.")
    reason, detail, payload = found
    body = payload.body.decode("utf-8", "backslashreplace")
    data: dict[str, Any] = {
        "reason": reason,
        "detail": detail,
        "door": payload.door.value,
        "project_id": payload.project_id,
        "headers": payload.headers,
        "body": body,
    }
    if as_json:
        told(data)
    else:
        for name, value in data.items():
            typer.echo(f"{name}: {_printable(str(value))}")


@set_aside_commands.command("replay")
def replay_set_aside(
    key: Annotated[int | None, typer.Argument(help="One record; without it, all, or all of a reason.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only this reason code.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Load again what was set aside; what still cannot be read stays."""
    settings = load_settings()
    from ingest import replay  # noqa: PLC0415 - a command loads what it needs

    with opened() as (engine, *_):
        tally = replay.replay(engine, settings, key, reason)
    if as_json:
        told(tally._asdict())
    else:
        typer.echo(f"{loaded(tally)}{tally.set_aside} still set aside.")


def loaded(tally: "Tally") -> str:
    """Say how many events were loaded, in a sentence to go on with."""
    count = tally.issue_changes
    changes = f"{count} {'change' if count == 1 else 'changes'} of issues, " if count else ""
    return f"{tally.loaded} loaded, {tally.duplicates} known already, {changes}"


def _printable(text: str) -> str:
    """Keep a payload from speaking to the terminal."""
    return "".join(char if char.isprintable() or char in "\n\t" else f"\\u{ord(char):04x}" for char in text)
