"""`errhouse db renormalize` and `errhouse db erase`: what is loaded already, corrected or taken back."""

import os
import time
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import typer

from models import cli as models_cli
from models.cli import JsonFlag, db, shown, told
from models.clock import now
from models.engine import database_url, engine_for
from models.errors import ModelsError
from models.logs import configure
from models.settings import load_settings

DAY_FORMATS = ["%Y-%m-%d"]


@db.command()
def renormalize(
    first: Annotated[datetime, typer.Option("--from", formats=DAY_FORMATS, help="First UTC day.")],
    last: Annotated[datetime, typer.Option("--to", formats=DAY_FORMATS, help="Last UTC day.")],
    project: Annotated[int | None, typer.Option(help="Only this project.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would change, and change nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """
    Apply today's rules to events that were loaded before, out of their payloads; correct facts and rollups.

    Each day is one transaction; after a break, begin with the first day that was not told.
    """
    from ingest.renormalize import renormalize as run  # noqa: PLC0415 - a command loads what it needs

    days = _days(first, last)
    settings = load_settings()
    at = now()
    found = []
    with database_url(settings) as url:
        models_cli.migrated(settings, url)
        engine = engine_for(url, application="errhouse renormalize")
        try:
            for day in run(engine, days, at, settings.HOUR_GROUP_RETENTION_DAYS, project, is_dry=dry_run):
                found.append(day)
                if day.event_count and not as_json:
                    typer.echo(_sentence(day))
        finally:
            engine.dispose()
    changed, refused = sum(day.changed_count for day in found), sum(day.refused_count for day in found)
    if as_json:
        told({"dry_run": dry_run, "changed": changed, "days": [day._asdict() for day in found if day.event_count]})
    else:
        would = "would be" if dry_run else "were"
        typer.echo(f"{changed} of {sum(day.event_count for day in found)} events {would} corrected.")
    if refused or (dry_run and changed):
        raise typer.Exit(1)


@db.command()
def erase(
    user: Annotated[str, typer.Option(help="E-mail address, user id, user name or IP address of the person.")],
    project: Annotated[int | None, typer.Option(help="Only in this project.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Erase; without it, only tell what would be erased.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """
    Take a person out of dimensions, payloads, texts, what is set aside and the spool. Events and counts stay.

    Every text and payload is searched, which takes its time; after a break, the same command goes on.
    """
    from ingest.erase import CLOSING  # noqa: PLC0415 - a command loads what it needs
    from ingest.erase import erase as run  # noqa: PLC0415 - the same

    if not user.strip():
        raise ModelsError("--user is empty; give an e-mail address, a user's id or name, or an IP address.")
    settings = load_settings()
    configure(settings.LOG_LEVEL, "erase")
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    with database_url(settings) as url:
        models_cli.migrated(settings, url)
        engine = engine_for(url, application="errhouse erase")
        try:
            report = run(engine, settings, user.strip(), now(), time.sleep, project, is_dry=not yes)
        finally:
            engine.dispose()
    if as_json:
        told({"dry_run": not yes, "removed": report.removed, "left": report.left, "closing": CLOSING})
    elif report.is_nothing:
        typer.echo("Nothing of this person was found.")
    else:
        shown("Removed" if yes else "Would be removed", ("where", "rows"), list(report.removed.items()))
        for sentence in report.left:
            typer.echo(sentence)
    if not as_json:
        typer.echo(CLOSING if yes else "Nothing was changed; the same command with --yes erases.")
    if report.left:
        raise typer.Exit(1)


def _days(first: datetime, last: datetime) -> list[date]:
    begin, end = (each.replace(tzinfo=UTC).date() for each in (first, last))
    if end < begin:
        raise ModelsError(f"--to {end} is before --from {begin}; give the first and the last day.")
    return [begin + timedelta(days=number) for number in range((end - begin).days + 1)]


def _sentence(day: Any) -> str:
    columns = ", ".join(f"{name} {count}" for name, count in day.columns.items())
    parts = [
        f"{day.event_count} events",
        f"{day.without_payload_count} without payload" if day.without_payload_count else "",
        f"{day.refused_count} refused by today's rules" if day.refused_count else "",
        f"{day.changed_count} differ ({columns})" if day.changed_count else "none differs",
    ]
    return f"{day.day}: {', '.join(part for part in parts if part)}"
