"""`errhouse db maintain` and `errhouse project retention`: how long things are kept, and what keeps them in order."""

from typing import Annotated

import typer

from models import project_retention
from models.cli import JsonFlag, db, migrated, project, shown, told
from models.clock import database_time
from models.engine import database_url, engine_for
from models.maintain import maintain
from models.settings import load_settings

MAINTAIN_CONNECTIONS = 4


@db.command("maintain")
def maintain_now(as_json: JsonFlag = False) -> None:
    """Do now what the service does every hour: partitions, retention, indexes, statistics, rollups that are due."""
    settings = load_settings()
    with database_url(settings) as url:
        migrated(settings, url)
        engine = engine_for(url, application="errhouse maintain", pool_size=MAINTAIN_CONNECTIONS)
        try:
            with engine.connect() as connection:
                moment = database_time(connection)
            steps = maintain(engine, settings, moment)
        finally:
            engine.dispose()
    if as_json:
        told([step._asdict() for step in steps])
    else:
        rows = [(step.name, "done" if step.is_done else "failed", step.seconds, step.told) for step in steps]
        shown("Maintenance", ("step", "state", "seconds", "what"), rows)
    if not all(step.is_done for step in steps):
        raise typer.Exit(1)


@project.command("retention")
def set_retention(
    named: Annotated[str, typer.Argument(metavar="NAME_OR_ID", help="The project's slug, name or id.")],
    events: Annotated[int | None, typer.Option(min=1, help="Days for which its events are kept.")] = None,
    payloads: Annotated[int | None, typer.Option(min=0, help="Days for which its payloads are kept; 0: none.")] = None,
    default: Annotated[bool, typer.Option("--default", help="As all others again, but for what is given.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Keep one project's events or payloads for less time than the others; without options, tell for how long."""
    settings = load_settings()
    with database_url(settings) as url:
        migrated(settings, url)
        engine = engine_for(url)
        try:
            with engine.begin() as connection:
                found = project_retention.of_project(connection, named)
                if default:
                    found = found._replace(event_days=None, payload_days=None)
                if events is not None:
                    found = found._replace(event_days=events)
                if payloads is not None:
                    found = found._replace(payload_days=payloads)
                if default or events is not None or payloads is not None:
                    project_retention.set_for(connection, settings, found)
        finally:
            engine.dispose()
    if as_json:
        told(found._asdict())
        return
    usual = (settings.EVENT_RETENTION_DAYS, settings.PAYLOAD_RETENTION_DAYS)
    for what, days, all_others in zip(("events", "payloads"), found[2:], usual, strict=True):
        if days is not None:
            kept = f"for {days} days"
        elif what == "events" and not all_others:
            kept = "for ever, as those of all others"
        else:
            kept = f"for {all_others} days, as those of all others"
        typer.echo(f"{found.project}: {what} are kept {kept}.")
