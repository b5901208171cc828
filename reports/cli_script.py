"""`errhouse script …`: which automation scripts there are, whether they may be run, and how one behaves."""

import json
import sys
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy import Connection, text

from models.cli import JsonFlag, opened, shown, told
from models.clock import now
from reports.automation import script_folder, script_runs
from reports.automation.script_options import CPU_SECONDS, LONGEST_SECONDS, SECONDS, Asked, arguments
from reports.automation.scripts import Runner
from reports.delivery.message import AboutEvent, AboutIssue, Fact, Message
from reports.delivery.targets_kept import Kept, Targets
from reports.errors import ReportsError

# One event as analysts see it, as JSON.
EVENT = text("select to_jsonb(e) from analytics.events e where event_id = :event_id limit 1")

script_commands = typer.Typer(help="Automation scripts that targets run for messages.", no_args_is_help=True)


@script_commands.command("list")
def show(as_json: JsonFlag = False) -> None:
    """List the files of the folder of scripts: whether each may be run, whose it is, and how its last run went."""
    with opened() as (engine, settings, _):
        found = script_folder.listed(settings.scripts_dir)
        with engine.connect() as connection:
            last = script_runs.last_runs(connection)
            targets = [each for each in Targets(settings).listed(connection) if each.channel == "script"]
    rows = [_described(each, targets, last.get(each.name)) for each in found]
    if as_json:
        told(rows)
    elif rows:
        columns = ("file", "sha256", "owner", "usable", "targets", "last run")
        shown(f"Scripts of {settings.scripts_dir}", columns, [_line(row) for row in rows])
    else:
        typer.echo(f"There is no script in {settings.scripts_dir} yet; put one there that you alone may write to.")


@script_commands.command("test")
def try_out(
    name: Annotated[str, typer.Argument(help="Name of the script, as `errhouse script list` shows it.")],
    event_id: Annotated[
        UUID | None, typer.Option(help="Event to run it for, of analytics.events; a made-up one if not given.")
    ] = None,
    args: Annotated[str, typer.Option(help="Fixed arguments, written as in a shell.")] = "",
    timeout: Annotated[int, typer.Option(min=1, max=LONGEST_SECONDS, help="Seconds it may take.")] = SECONDS,
    cpu: Annotated[int, typer.Option(min=1, max=LONGEST_SECONDS, help="Seconds of processor time.")] = CPU_SECONDS,
    no_network: Annotated[bool, typer.Option("--no-network", help="Let it reach no network.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be run, and do not run it.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Run a script now, as a target would, and print its exit code and output; exit code 1 when it failed."""
    options = Asked(
        name=name,
        sha256=b"",
        arguments=arguments(args),
        seconds=timeout,
        cpu_seconds=cpu,
        is_dry_run=dry_run,
        has_network=not no_network,
    )
    with opened() as (engine, settings, _):
        message = sample(now())
        if event_id is not None:
            with engine.connect() as connection:
                message = about(connection, event_id, now())
        run_id, ended = Runner(engine, settings).try_out(name, message, options)
    if as_json:
        told({"run_id": run_id, "script": name, "is_dry_run": dry_run, **ended._asdict()})
    else:
        if ended.output:
            sys.stdout.write(ended.output.rstrip("\n") + "\n")
        if not dry_run:
            code = "none" if ended.exit_code is None else ended.exit_code
            typer.echo(f"Exit code {code}.{f' {ended.error}' if ended.error else ''}")
    if not dry_run and ended.exit_code != 0:
        raise typer.Exit(1)


def sample(moment: datetime) -> Message:
    """Give a message about a new issue that never was."""
    event: dict[str, Any] = {
        "event_id": "00000000000000000000000000000000",
        "project_id": 1,
        "project": "shop",
        "occurred_at": moment.isoformat(),
        "level": "error",
        "culprit": "shop.checkout in pay",
        "title": "CardDeclined: a sample, not an event of yours",
        "environment": "production",
        "release": "shop@1.0.0",
        "tags": {"sample": "true"},
    }
    issue = AboutIssue(
        project_id=1,
        project="shop",
        issue_id=1,
        transition="new",
        title=event["title"],
        culprit=event["culprit"],
        level="error",
        environment="production",
        release="shop@1.0.0",
        events=1,
        first_seen_at=moment,
        last_seen_at=moment,
    )
    return Message(
        key=f"sample:{moment.isoformat()}",
        kind="test",
        title=event["title"],
        text="This is a sample.",
        level="error",
        facts=(Fact("project", "shop"), Fact("culprit", event["culprit"])),
        made_at=moment,
        issue=issue,
        event=event,
    )


def about(connection: Connection, event_id: UUID, moment: datetime) -> Message:
    """Give a message about an event of the warehouse. Raises ReportsError when there is none."""
    event = connection.execute(EVENT, {"event_id": event_id}).scalar()
    if event is None:
        raise ReportsError(f"There is no event {event_id}; look for one in analytics.events.")
    where = AboutEvent(event["project_id"], event_id.hex, datetime.fromisoformat(event["occurred_at"]))
    return Message(
        key=f"test:{event_id}:{moment.isoformat()}",
        kind="test",
        title=event["title"] or "",
        level=event["level"],
        facts=tuple(Fact(name, event[name]) for name in ("project", "culprit") if event[name]),
        made_at=moment,
        about_event=where,
        event=event,
    )


def _described(each: script_folder.Listed, targets: list[Kept], last: dict[str, Any] | None) -> dict[str, Any]:
    return {
        **each._asdict(),
        "is_usable": each.why_not is None,
        "targets": [target.name for target in targets if target.options.get("url") == each.name],
        "last_run": last,
    }


def _line(row: dict[str, Any]) -> tuple[Any, ...]:
    name = row["name"] if row["name"].isprintable() else json.dumps(row["name"])
    last = row["last_run"]
    return (
        name,
        row["sha256"],
        row["owner"],
        row["why_not"] or "yes",
        ", ".join(row["targets"]),
        f"{last['started_at']:%Y-%m-%d %H:%M:%S} {'dry run' if last['is_dry_run'] else last['outcome']}"
        if last
        else "",
    )
