"""`errhouse schedule …`: which reports are made when, and those that were missed."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from sqlalchemy import Engine

from models.cli import JsonFlag, opened, shown, told
from models.clock import database_time, now
from models.logs import configure
from models.printed import confirmed
from models.settings import load_settings
from reports import cron, runs, schedules, worker
from reports.cron import Schedule
from reports.delivery.targets_kept import Targets
from reports.errors import BadSchedule
from reports.period import parsed
from reports.schedule_written import check, duration, parameters

MOST_MISSED = 1000
MOST_UPCOMING = 1000

schedule_commands = typer.Typer(help="Reports that are made by themselves, and where they go.", no_args_is_help=True)


NameArgument = Annotated[str, typer.Argument(help="Name of the schedule.")]


@schedule_commands.command("add")
def add(
    name: NameArgument,
    report: Annotated[str, typer.Option(help="Name of the report.")],
    cron_fields: Annotated[str, typer.Option("--cron", help='When: five fields of cron, such as "0 8 * * 1".')],
    zone: Annotated[str, typer.Option("--tz", help="IANA time zone of the fields and of the report's days.")] = "UTC",
    formats: Annotated[str, typer.Option("--format", help="Formats to make and keep, comma separated.")] = "html,json",
    target: Annotated[
        list[str] | None,
        typer.Option(help="Where to send it too: one of `errhouse target list`, or file:/folder; again."),
    ] = None,
    catch_up: Annotated[str, typer.Option(help="Of runs that were missed: latest, all or skip.")] = "latest",
    max_lateness: Annotated[str, typer.Option(help="Older than this, a missed run is not owed.")] = "2d",
    settle: Annotated[str, typer.Option(help="How long to wait for late events.")] = "10m",
    param: Annotated[list[str] | None, typer.Option(help="What the report is asked, as key=value; again.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Put it in place of one of the same name.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Have a report made by the clock: `errhouse serve` makes it, once, however many of them there are."""
    made = Schedule(
        name=name,
        report=report,
        cron=cron_fields,
        zone=zone,
        starts_at=now(),
        parameters=parameters(param or []),
        formats=[each.strip() for each in formats.split(",") if each.strip()],
        targets=target or [],
        catch_up=catch_up,
        max_lateness=duration("--max-lateness", max_lateness),
        settle=duration("--settle", settle),
    )
    check(made)
    targets = Targets(load_settings())
    with opened() as (engine, *_), engine.begin() as connection:
        for each in made.targets:
            targets.kept(connection, each)
        made = made._replace(starts_at=database_time(connection))
        schedules.keep(connection, made, is_replaced=replace)
        (found,) = schedules.named(connection, name)
    first = cron.upcoming(made.cron, made.zone, made.starts_at, 1)[0]
    if as_json:
        told(described(found))
    else:
        typer.echo(f"{name} is scheduled: the first run is for {_local(first, zone)}.")


@schedule_commands.command("list")
def show(as_json: JsonFlag = False) -> None:
    """List schedules, and how the last run of each went."""
    with opened() as (engine, *_), engine.connect() as connection:
        found = [described(each) for each in schedules.listed(connection)]
    if as_json:
        told(found)
    elif found:
        columns = ("name", "report", "cron", "zone", "enabled", "last for", "status", "sent", "why")
        fields = ("name", "report", "cron", "zone", "is_enabled", "last_for", "last_status", "last_sent", "last_error")
        shown("Schedules", columns, [tuple(each[field] for field in fields) for each in found])
    else:
        typer.echo("There is no schedule yet; `errhouse schedule add` adds one.")


@schedule_commands.command("next")
def upcoming(
    count: Annotated[int, typer.Argument(min=1, max=MOST_UPCOMING, help="How many runs.")] = 10,
    as_json: JsonFlag = False,
) -> None:
    """Show the next runs of all schedules, each in its own time zone, with the period it will report on."""
    with opened() as (engine, *_), engine.connect() as connection:
        moment = database_time(connection)
        enabled = [each.schedule for each in schedules.listed(connection, only_enabled=True)]
    found = sorted(
        (at, each.name, each) for each in enabled for at in cron.upcoming(each.cron, each.zone, moment, count)
    )
    rows = [
        {
            "name": name,
            "scheduled_for": at,
            "local": _local(at, each.zone),
            "runs_at": at + each.settle,
            "period": cron.period(each.report, at, each.zone, each.parameters).label,
        }
        for at, name, each in found[:count]
    ]
    if as_json:
        told(rows)
    elif rows:
        shown("Next runs", ("name", "for", "period"), [(row["name"], row["local"], row["period"]) for row in rows])
    else:
        typer.echo("No schedule is enabled; `errhouse schedule list` shows them.")


@schedule_commands.command("run-missed")
def run_missed(
    name: Annotated[str | None, typer.Argument(help="Name of the schedule; without it, all that are enabled.")] = None,
    since: Annotated[
        str | None, typer.Option(help="First instant to look at, such as 2026-11-01; else as far as each catches up.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make, here and now, the reports that were missed, skipped or failed, oldest first; exit code 1 if one fails."""
    settings = load_settings()
    configure("warning", "schedule run-missed")
    rows: list[dict[str, Any]] = []
    with opened() as (engine, _, url):
        for schedule, at in _missed(engine, name, since):
            run = runs.claim_missed(engine, schedule, at, worker.worker_name())
            if run is None:
                continue
            worker.do(engine, run, url, worker.limits(settings))
            with engine.connect() as connection:
                status, error = runs.outcome(connection, run)
            rows.append({"name": run.name, "scheduled_for": at, "status": status, "error": error})
    if as_json:
        told(rows)
    elif rows:
        shown("Missed runs", ("name", "for", "status", "why"), [tuple(row.values()) for row in rows])
    else:
        typer.echo("No run was missed.")
    if any(row["status"] != "done" for row in rows):
        raise typer.Exit(1)


@schedule_commands.command("remove")
def remove(name: NameArgument, as_json: JsonFlag = False) -> None:
    """Remove a schedule; its runs and what they made stay."""
    with opened() as (engine, *_), engine.begin() as connection:
        schedules.remove(connection, name)
    confirmed(name, "removed", as_json=as_json)


@schedule_commands.command("pause")
def pause(name: NameArgument, as_json: JsonFlag = False) -> None:
    """Make no more reports of a schedule until it is resumed."""
    _switched(name, as_json=as_json, is_enabled=False)


@schedule_commands.command("resume")
def resume(name: NameArgument, as_json: JsonFlag = False) -> None:
    """Let a schedule go on from now; what was due while it was paused is not made."""
    _switched(name, as_json=as_json, is_enabled=True)


def described(found: schedules.Listed) -> dict[str, Any]:
    """Tell a schedule and its last run, for programs."""
    row = found.schedule._asdict()
    row["max_lateness_seconds"] = int(row.pop("max_lateness").total_seconds())
    row["settle_seconds"] = int(row.pop("settle").total_seconds())
    return {**row, **{field: value for field, value in found._asdict().items() if field != "schedule"}}


def _missed(engine: Engine, name: str | None, since: str | None) -> list[tuple[Schedule, datetime]]:
    found = []
    with engine.connect() as connection:
        moment = database_time(connection)
        for listed in schedules.named(connection, name):
            each = listed.schedule
            if not each.is_enabled and name is None:
                continue
            if since is None:
                first = max(each.starts_at, moment - each.settle - each.max_lateness)
            else:
                first = parsed(moment, since=since, zone_name=each.zone).start - timedelta(microseconds=1)
            wanted = cron.instants(each.cron, each.zone, first, moment - each.settle)
            found += [(at, each.name, each) for at in runs.missed(connection, each, first, wanted)]
            if len(found) > MOST_MISSED:
                raise BadSchedule(f"More than {MOST_MISSED} runs were missed; give a schedule, or a later --since.")
    return [(each, at) for at, _, each in sorted(found, key=lambda one: one[:2])]


def _switched(name: str, *, as_json: bool, is_enabled: bool) -> None:
    with opened() as (engine, *_), engine.begin() as connection:
        schedules.switch(connection, name, database_time(connection), is_enabled=is_enabled)
    confirmed(name, "resumed" if is_enabled else "paused", as_json=as_json)


def _local(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M %Z}"
