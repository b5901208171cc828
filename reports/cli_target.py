"""`errhouse target …`: where messages go, and whether they arrive there."""

import sys
from datetime import timedelta
from getpass import getpass
from typing import Annotated, Any
from uuid import uuid4

import typer
from sqlalchemy import Connection

from models.cli import JsonFlag, opened, shown, told
from models.clock import now
from models.sealed import add_key, keep_newest, seal
from models.target import MOST_PER_MINUTE
from reports.automation.scripts import pinned
from reports.channels import CHANNELS, channel_of, check, check_options
from reports.delivery import outbox, target_shown, targets_kept
from reports.delivery.doors import doors
from reports.delivery.masking import masked_error, masked_sent
from reports.delivery.message import AboutReport, Artifact, Message
from reports.delivery.targets import Target
from reports.delivery.targets_file import check_name
from reports.delivery.targets_kept import Kept, Targets, is_reference
from reports.errors import BadTarget, DeliveryError

ADD_EPILOG = "Options of channels: " + " ".join(
    f"{each.NAME}: " + ", ".join(f"{option.name}{'*' if option.is_required else ''}" for option in each.OPTIONS) + "."
    for each in CHANNELS
)

target_commands = typer.Typer(help="Where messages go: chats, mail, trackers, scripts, folders.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="Name of the target.")]


@target_commands.command("add", epilog=ADD_EPILOG)
def add(
    name: NameArgument,
    channel: Annotated[str, typer.Option(help=f"One of {', '.join(each.NAME for each in CHANNELS)}.")],
    url: Annotated[str | None, typer.Option(help="Address; `-` asks for it, env:NAME and file:/path are read.")] = None,
    more: Annotated[list[str] | None, typer.Option("--set", help="Another option, as key=value; again.")] = None,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Let the address be one that is not of the Internet.")
    ] = False,
    most_per_minute: Annotated[int, typer.Option(min=1, help="Messages it is sent in a minute.")] = MOST_PER_MINUTE,
    replace: Annotated[bool, typer.Option("--replace", help="Put it in place of one of the same name.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Add a target. Secrets are sealed and not shown again; `errhouse target test` tries it out."""
    check_name(name)
    options = _options(channel, url, more or [])
    with opened() as (engine, settings, _):
        targets = Targets(settings)
        if channel == "script":
            options = pinned(settings, options)
        made = Target(name, channel_of(channel).NAME, options, allow_private, most_per_minute)
        unread = _checked(targets, made)
        with engine.begin() as connection:
            targets.keep(connection, made, now(), is_replaced=replace)
            row = _described(connection, targets, name)
    if as_json:
        told(row)
        return
    typer.echo(f"{name} is added; `errhouse target test {name}` sends it a message.")
    if unread:
        typer.echo(f"It could not be checked here: {unread}")


@target_commands.command("list")
def show(as_json: JsonFlag = False) -> None:
    """List targets, and how they fare; of secrets no more than the end and a fingerprint."""
    with opened() as (engine, settings, _), engine.connect() as connection:
        targets = Targets(settings)
        states = target_shown.states(connection)
        found = [
            target_shown.described(targets, each, states.pop(each.name, None)) for each in targets.listed(connection)
        ]
        folders = [row for row in states.values() if row["target"].startswith("file:")]
        folder = {"is_of_file": False, "allow_private": False, "most_per_minute": MOST_PER_MINUTE}
        for row in folders:
            kept = Kept(row["target"], "file", {"url": row["target"].partition(":")[2]}, None, False, MOST_PER_MINUTE)
            found.append({**target_shown.described(targets, kept, row), **folder})
    if as_json:
        told(found)
    elif found:
        columns = ("name", "channel", "options", "state", "last sent", "waiting")
        shown("Targets", columns, [_line(row) for row in found])
    else:
        typer.echo("There is no target yet; `errhouse target add` adds one.")


@target_commands.command("test")
def try_out(name: NameArgument, as_json: JsonFlag = False) -> None:
    """Send a test message now, past the outbox, and tell what was answered; exit code 1 when it did not arrive."""
    with opened() as (engine, settings, _):
        with engine.connect() as connection:
            target = Targets(settings).find(connection, name)
        try:
            sent = check(target).send(target, test_message(target), doors(engine, settings))
        except DeliveryError as error:
            wrong = masked_error(error, target)
            row: dict[str, Any] = {
                "arrived": False, "error": str(wrong), "status": wrong.status, "detail": wrong.detail
            }  # fmt: skip
        else:
            sent = masked_sent(sent, target)
            row = {"arrived": True, "error": None, "status": sent.status, "detail": sent.detail}
            with engine.begin() as connection:
                outbox.well_again(connection, name, now())
    if as_json:
        told({"name": name, **row})
    else:
        answer = " ".join(str(each) for each in (row["status"], row["detail"]) if each)
        said = "It arrived." if row["arrived"] else f"It did not arrive: {row['error']}"
        typer.echo(f"{said}{f' Answer: {answer}' if answer else ''}")
    if not row["arrived"]:
        raise typer.Exit(1)


@target_commands.command("resend")
def resend(
    name: NameArgument,
    hours: Annotated[int, typer.Option(min=1, help="Messages whose reason was found so many hours ago at most.")] = 72,
    as_json: JsonFlag = False,
) -> None:
    """Send what was given up for a target after all, once the target is mended; scripts that ran do not run again."""
    with opened() as (engine, settings, _), engine.begin() as connection:
        Targets(settings).find(connection, name)
        moment = now()
        count = outbox.resend(connection, name, moment, moment - timedelta(hours=hours))
    if as_json:
        told({"name": name, "resent": count})
    elif count:
        typer.echo(f"{count} given up for {name} are sent by the scheduler now; the console tells how it goes.")
    else:
        typer.echo(f"Nothing of the last {hours} hours was given up for {name}.")


@target_commands.command("remove")
def remove(name: NameArgument, as_json: JsonFlag = False) -> None:
    """Remove a target; what waits for it is given up. Refused while a rule or a schedule needs it."""
    with opened() as (engine, *_), engine.begin() as connection:
        targets_kept.remove(connection, name, now())
    if as_json:
        told({"name": name, "is": "removed"})
    else:
        typer.echo(f"{name} is removed.")


@target_commands.command("rekey")
def rekey(
    forget: Annotated[
        bool, typer.Option("--forget", help="Take the older keys out of the file, once all is done.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Seal all secrets with a new key; one that broke off is ended first. Services read the key file as they go."""
    with opened() as (engine, settings, _):
        targets = Targets(settings)
        path = targets.key_file
        with engine.connect() as connection:
            sealed = [each for each in targets.stored(connection) if each.sealed is not None]
        with_key = seal(path, may_make=True)
        if all(with_key.is_newest(bytes(each.sealed or b"")) for each in sealed) and not forget:
            with_key = add_key(path)
        count = 0
        for each in sealed:
            with engine.begin() as connection:
                count += targets.reseal(connection, each.name, with_key, now())
        if forget:
            with engine.connect() as connection:
                still = [each.name for each in targets.stored(connection) if each.sealed is not None
                    and not with_key.is_newest(bytes(each.sealed))]  # fmt: skip
            if still:
                raise BadTarget(f"{', '.join(still)} changed meanwhile; run the same command again.")
            keep_newest(path)
    if as_json:
        told({"resealed": count, "key_file": str(path), "forgot": forget})
    else:
        typer.echo(f"Secrets of {count} targets are sealed with the newest key of {path}.")
        if not forget:
            typer.echo(
                "Once every machine of the service has this file, `errhouse target rekey --forget` ends the old."
            )


def test_message(target: Target) -> Message:
    """Give a message that says it is none; folders take files of reports only, so they get one."""
    moment = now()
    text = "This is a test message of errhouse: messages for this target arrive."
    message = Message(f"test:{uuid4()}", "test", "Test message of errhouse", text, "info", made_at=moment)
    if target.channel != "file":
        return message
    about = AboutReport("test", "test", f"{moment:%Y-%m-%d}")
    file = Artifact("text", "txt", "text/plain", f"{text}\n".encode())
    return Message(message.key, "test", message.title, text, report=about, artifacts=(file,), made_at=moment)


def _checked(targets: Targets, made: Target) -> str | None:
    """Refuse what can be no target; give why its values could not be looked at here."""
    check_options(made)
    try:
        opened = targets.opened(
            Kept(made.name, made.channel, made.options, None, made.allow_private, made.most_per_minute)
        )
    except BadTarget as error:
        if not any(is_reference(value) for value in made.options.values()):
            raise
        return str(error)
    check(opened)
    return None


def _options(channel: str, url: str | None, pairs: list[str]) -> dict[str, str]:
    found = {} if url is None else {"url": _asked("url", url)}
    for pair in pairs:
        key, mark, value = pair.partition("=")
        if not mark or not key or key in found:
            raise BadTarget(f"--set {key!r} cannot be used; write key=value, each key once.")
        found[key] = _asked(key, value)
    if channel == "file" and "url" in found:
        found["url"] = found["url"].removeprefix("file:")
    return found


def _asked(key: str, value: str) -> str:
    """Read a value that is `-` from standard input, without echo where that is a terminal."""
    if value != "-":
        return value
    read = getpass(f"{key}: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not read.strip():
        raise BadTarget(f"Nothing was given for {key}; pipe it in, or type it when asked.")
    return read.strip()


def _described(connection: Connection, targets: Targets, name: str) -> dict[str, Any]:
    kept = targets.kept(connection, name)
    if kept is None:
        raise BadTarget(f"There is no target {name}.")
    return target_shown.described(targets, kept, target_shown.states(connection).get(name))


def _line(row: dict[str, Any]) -> tuple[Any, ...]:
    options = ", ".join(f"{name}={value}" for name, value in row["options"].items())
    return (
        row["name"],
        row["channel"],
        options,
        target_shown.state_line(row),
        row["sent_at"],
        row["waiting_count"] or "",
    )
