"""`errhouse db rebuild` and `errhouse db delete`: rollups made again, and events deleted on request."""

import time
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import typer

from models.cli import JsonFlag, db, migrated, shown, told
from models.clock import now
from models.delete import Asked, groups_of, matched
from models.delete import delete as run_delete
from models.engine import database_url, engine_for
from models.errors import ModelsError
from models.rebuild_days import rebuild_days
from models.settings import load_settings
from models.worded import counted

DAY_FORMATS = ["%Y-%m-%d"]


@db.command("rebuild")
def rebuild_command(
    first: Annotated[datetime, typer.Argument(metavar="DATE", formats=DAY_FORMATS, help="UTC day.")],
    last: Annotated[datetime | None, typer.Option("--to", formats=DAY_FORMATS, help="Last UTC day.")] = None,
    project: Annotated[int | None, typer.Option(help="Only this project.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make the rollups of a day, or of several, again from the events; each day is one transaction."""
    begin, end = as_day(first), as_day(last or first)
    if end < begin:
        raise ModelsError(f"--to {end} is before {begin}; give the first and the last day.")
    days = [begin + timedelta(days=number) for number in range((end - begin).days + 1)]
    settings = load_settings()
    today = now().date()
    done: list[dict[str, Any]] = []
    with database_url(settings) as url:
        migrated(settings, url)
        engine = engine_for(url, application="errhouse rebuild")
        try:
            for each in rebuild_days(
                engine,
                days,
                today,
                settings.HOUR_GROUP_RETENTION_DAYS,
                pause=time.sleep,
                say=lambda sentence: typer.echo(sentence, err=True),
                project_id=project,
            ):
                done.append(each._asdict())
                if not as_json:
                    changes = ", ".join(f"{name} {was} -> {is_now}" for name, (was, is_now) in each.changed.items())
                    events, projects = counted(each.event_count, "event"), counted(each.project_count, "project")
                    typer.echo(f"{each.day}: {events} in {projects}; {changes or 'the number of events was right'}.")
        finally:
            engine.dispose()
    if as_json:
        told({"days": done})


@db.command("delete")
def delete_command(
    project: Annotated[int, typer.Option(help="The project whose events they are.")],
    event: Annotated[list[str] | None, typer.Option(help="Id of an event; may be given several times.")] = None,
    issue: Annotated[int | None, typer.Option(help="All events of this issue, by its issue_id.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only tell how many there are.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Delete events, their payloads and what they added to every count; `--yes` does it. There is no way back."""
    if bool(event) == (issue is not None):
        raise ModelsError("Say which events: either --event ID, as often as you like, or --issue ID.")
    event_ids = [_event_id(each) for each in event or ()]
    settings = load_settings()
    at = now()
    with database_url(settings) as url:
        migrated(settings, url)
        engine = engine_for(url, application="errhouse delete")
        try:
            with engine.connect() as connection:
                groups = groups_of(connection, project, issue) if issue is not None else []
                asked = Asked(project, event_ids, groups)
                found = matched(connection, asked)
            if yes:
                found = list(run_delete(engine, asked, at, settings.HOUR_GROUP_RETENTION_DAYS))
        finally:
            engine.dispose()
    count = sum(each.event_count for each in found)
    if as_json:
        told({"deleted": yes, "events": count, "days": [each._asdict() for each in found]})
    elif not found:
        typer.echo("No such event is there; `analytics.events` has the ids.")
    else:
        shown("Deleted" if yes else "To be deleted", ("day", "events"), [each[:2] for each in found])
        rest = "deleted." if yes else "found; `--yes` deletes them, and there is no way back."
        typer.echo(f"{counted(count, 'event')} of {counted(len(found), 'day')} {rest}")
    if found and not yes:
        raise typer.Exit(1)


def as_day(moment: datetime) -> date:
    """Give the UTC day that was written on the command line."""
    return moment.replace(tzinfo=UTC).date()


def _event_id(said: str) -> UUID:
    try:
        return UUID(said)
    except ValueError:
        raise ModelsError(f"`{said[:60]}` is not an event id; give its 32 hexadecimal digits.") from None
