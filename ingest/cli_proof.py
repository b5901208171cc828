"""`errhouse db audit`: proof that events, rollups, what the loader wrote down and the spools agree, to the unit."""

from datetime import date, datetime
from typing import Annotated, Any

import typer

from models.audit import Audit, Scope, audit, sentence
from models.cli import JsonFlag, db, migrated, shown, told
from models.cli_proof import DAY_FORMATS, as_day
from models.clock import now
from models.engine import database_url, engine_for
from models.errors import ModelsError
from models.retention import kept
from models.settings import load_settings
from models.worded import counted

COLUMNS = ("project_id", "day", "what", "expected", "found")


@db.command("audit")
def audit_command(
    first: Annotated[datetime | None, typer.Option("--from", formats=DAY_FORMATS, help="First UTC day.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=DAY_FORMATS, help="Last UTC day.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """
    Prove that events, rollups, tallies and spools agree; list every difference. Without days, everything is compared.

    Loading goes on meanwhile. `errhouse db rebuild DAY` mends a day's rollups.
    """
    from ingest.spool_audit import audit_spools  # noqa: PLC0415 - a command loads what it needs

    begin, end = (as_day(each) if each else None for each in (first, last))
    if begin and end and end < begin:
        raise ModelsError(f"--to {end} is before --from {begin}; give the first and the last day.")
    settings = load_settings()
    today = now().date()
    scope = Scope(today, settings.HOUR_GROUP_RETENTION_DAYS, begin, end, kept(settings, today).rollups)
    with database_url(settings) as url:
        migrated(settings, url)
        engine = engine_for(url, application="errhouse audit")
        try:
            found = audit(engine, scope)
            spools = audit_spools(engine, settings.spool_dir)
        finally:
            engine.dispose()
    differences = [*found.differences, *spools.differences]
    if as_json:
        checked = {**_numbers(found), **_numbers(spools)}
        told({"ok": not differences, "checked": checked, "differences": [each._asdict() for each in differences]})
    elif differences:
        shown("Differences", COLUMNS, [tuple(each) for each in differences])
        typer.echo(_advice(found, sorted({each.day for each in differences if each.day})), err=True)
    else:
        typer.echo(sentence(found))
        records, of = counted(spools.record_count, "record"), counted(spools.spool_count, "spool")
        typer.echo(f"{records} of {of}: {spools.waiting_count:,} waiting.")
    for name in () if as_json else spools.uncounted:
        typer.echo(f"Spool {name} is older than its counting, so what it received is not known.", err=True)
    if differences:
        raise typer.Exit(1)


def _numbers(found: Any) -> dict[str, Any]:
    return {name: value for name, value in found._asdict().items() if name != "differences"}


def _advice(found: Audit, days: list[date]) -> str:
    if found.due_day_count:
        return f"{counted(found.due_day_count, 'day')} not counted yet; run `errhouse db maintain`, then audit again."
    if days:
        return f"Run `errhouse db rebuild {days[0]}" + (f" --to {days[-1]}`." if len(days) > 1 else "`.")
    return (
        "Rollups of all days are mended by `errhouse db rebuild FIRST --to LAST`; the rest by nothing but finding why."
    )
