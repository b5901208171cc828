"""`errhouse db archive`: closed days into Parquet files, and, verified, out of the database."""

from datetime import datetime
from pathlib import Path
from time import sleep
from typing import Annotated, Any

import typer

from models.cli import JsonFlag, db, migrated, shown, told
from models.clock import now
from models.engine import database_url, engine_for
from models.settings import load_settings

Before = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First UTC day that is not archived.")]


@db.command()
def archive(
    before: Before,
    to: Annotated[Path | None, typer.Option(help="Folder of the archive; DATA_DIR/archive if not given.")] = None,
    project: Annotated[int | None, typer.Option(help="Only this project.")] = None,
    payloads: Annotated[bool, typer.Option("--payloads", help="Also the events' own JSON, where it is kept.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Verify, then remove from the database; rollups stay.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write closed days to Parquet, one file a project and day; what is there and still true is passed over."""
    from models import archive as making  # noqa: PLC0415 - a command loads what it needs
    from models.archive_drop import drop as let_go  # noqa: PLC0415 - the same

    settings = load_settings()
    folder = to or settings.DATA_DIR / "archive"
    at, day = now(), before.date()
    making.check_before(day, at)
    with database_url(settings) as url:
        migrated(settings, url)
        engine = engine_for(url)
        try:
            with making.alone(folder):
                held = list(making.archive(engine, folder, day, at, project_id=project, has_payloads=payloads))
                dropped = list(let_go(engine, held, day, at, sleep, project_id=project)) if drop else []
        finally:
            engine.dispose()
    columns = ("project_id", "day", "what", "events", "payloads", "bytes", "file")
    files = [
        (e.project_id, e.day, e.what, e.manifest.state.event_count, e.manifest.payload_count, e.file_bytes, e.path)
        for e in held
    ]
    if as_json:
        rows: list[dict[str, Any]] = [dict(zip(columns, each, strict=True)) for each in files]
        told({"folder": folder, "files": rows, "dropped": [each._asdict() for each in dropped]})
    else:
        changed = [each for each in files if each[2] != "kept"]
        if changed:
            shown("Archived", columns, changed)
        typer.echo(
            f"{len(changed)} files written, {len(files) - len(changed)} were there and true: "
            f"{sum(each[3] for each in files)} events, {sum(each[5] for each in files)} bytes in {folder}."
        )
        if drop:
            gone = [each for each in dropped if each.left is None]
            typer.echo(
                f"{sum(each.event_count for each in gone)} events and {sum(each.payload_count for each in gone)} "
                "payloads were verified and removed from the database."
            )
    left = [each for each in dropped if each.left is not None]
    for each in left:
        whose = "" if each.project_id is None else f" of project {each.project_id}"
        typer.echo(f"Kept in the database, {each.first} to {each.end}{whose}: {each.left}.", err=True)
    if left:
        raise typer.Exit(1)


@db.command()
def restored(
    day: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="UTC day that was loaded again.")],
    project: Annotated[int, typer.Option(help="Project of the events.")],
    to: Annotated[Path | None, typer.Option(help="Folder of the archive; DATA_DIR/archive if not given.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Tell that an archived day was loaded again, whole: its removal is taken back and its rollups are made again."""
    from models.archive_back import taken_back  # noqa: PLC0415 - a command loads what it needs

    settings = load_settings()
    folder = to or settings.DATA_DIR / "archive"
    with database_url(settings) as url:
        migrated(settings, url)
        engine = engine_for(url)
        try:
            events, undone = taken_back(engine, folder, project, day.date(), now(), settings.HOUR_GROUP_RETENTION_DAYS)
        finally:
            engine.dispose()
    if as_json:
        told({"project_id": project, "day": day.date(), "events": events, "removals": undone})
    else:
        typer.echo(f"{events} events are back; {undone} removals were taken back and the day's rollups made again.")
