"""`errhouse report …`: which reports there are, and one of them for any period, in a terminal or as files."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.clock import now
from models.printed import JsonFlag, shown, told
from reports.built_in import REPORTS, BuiltIn, ahead, built_in, make
from reports.built_in.asked import asked
from reports.errors import ReportsError
from reports.period import Period, parsed, zone

if TYPE_CHECKING:
    from reports.render import Rendering
    from reports.report import Report

MOST_SHOWN = 40  # rows of a table in a terminal, unless --top says more
DRAWN = ("html", "svg", "png")  # what has pictures, whose engine starts beside the questions
DATABASE_URL = "ERRHOUSE_DATABASE_URL"
BINARY = ("application/zip", "application/vnd", "image/png")

report_commands = typer.Typer(help="Reports: what happened how often, and what changed.", no_args_is_help=True)

Many = list[str] | None


@report_commands.command("list")
def show(as_json: JsonFlag = False) -> None:
    """List the reports there are."""
    rows = [{"name": each.name, "title": each.title, "about": each.sentence, "period": each.span} for each in REPORTS]
    if as_json:
        told(rows)
    else:
        shown("Reports", ("name", "about", "period"), [(row["name"], row["about"], row["period"]) for row in rows])


@report_commands.command("run")
def run(
    name: Annotated[str, typer.Argument(help=f"Which: {', '.join(each.name for each in REPORTS)}.")],
    by: Annotated[
        str | None, typer.Option(help="For frequency: project, level, culprit, environment, release, issue; any.")
    ] = None,
    last: Annotated[str | None, typer.Option(help="The time up to now, such as 24h, 7d or 4w.")] = None,
    period: Annotated[
        str | None, typer.Option(help="Of the calendar: 2026-W45, 2026-11, 2026-11-24, today, yesterday.")
    ] = None,
    since: Annotated[str | None, typer.Option("--from", help="First instant, such as 2026-11-24T08:00.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="End of the period; without it, now.")] = None,
    tz: Annotated[str, typer.Option(help="IANA time zone of its days and hours.")] = "UTC",
    project: Annotated[Many, typer.Option(help="Only this project, by name or id; again for more.")] = None,
    environment: Annotated[Many, typer.Option(help="Only this environment; again for more.")] = None,
    level: Annotated[Many, typer.Option(help="Only this level; again for more.")] = None,
    culprit: Annotated[Many, typer.Option(help="Only this culprit; again for more.")] = None,
    release: Annotated[Many, typer.Option(help="Only this release; again for more.")] = None,
    issue: Annotated[Many, typer.Option(help="Only this issue, by id; again for more.")] = None,
    top: Annotated[int | None, typer.Option(help="How many rows; without it 20, and 1,000 of frequency.")] = None,
    budget: Annotated[float | None, typer.Option(help="Events a project may have in 30 days.")] = None,
    formats: Annotated[
        str | None, typer.Option("--format", help="csv, json, html, md, text, xlsx, parquet, png, svg; with commas.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the files; without it one format is printed.")] = None,
) -> None:
    """Make a report; without --format it is shown here."""
    chosen = built_in(name)
    zone(tz)
    if by is not None and chosen.name != "frequency":
        raise ReportsError(f"--by is for the report frequency; {chosen.name} has its own groupings.")
    if last or period or since or until:
        covered = parsed(now(), last=last, period=period, since=since, until=until, zone_name=tz)
    else:
        covered = chosen.default_period(now(), tz)
    parameters: dict[str, Any] = {"by": by, "top": top, "budget": budget}
    parameters |= {"project": project, "environment": environment, "level": level}
    parameters |= {"culprit": culprit, "release": release, "issue": issue}
    asked(parameters)  # what is wrong is said before a database is asked
    wanted = _wanted(formats, out)
    if any(each.NAME in DRAWN for each in wanted):
        from reports.drawing import warm  # noqa: PLC0415 - what only this command needs

        warm()
    made = _made(chosen, covered, parameters)
    if not wanted:
        _printed(made, top or MOST_SHOWN)
    elif out is None:
        sys.stdout.buffer.write(wanted[0].render(made))
        sys.stdout.buffer.flush()
    else:
        _written(made, wanted, out)


def _wanted(formats: str | None, out: Path | None) -> list["Rendering"]:
    """Give the formats that were asked for. Raises ReportsError when they have no place to go to."""
    if formats is None:
        if out is not None:
            raise ReportsError("--out needs --format, such as --format html,xlsx.")
        return []
    from reports.render import rendering  # noqa: PLC0415 - what only this command needs

    wanted = list({each.NAME: each for each in map(rendering, formats.split(","))}.values())
    if out is None and len(wanted) > 1:
        raise ReportsError("Several formats need a folder to go to; add --out DIR.")
    if out is None and wanted[0].MEDIA_TYPE.startswith(BINARY) and sys.stdout.isatty():
        raise ReportsError(f"{wanted[0].NAME} is no text for a terminal; add --out DIR, or send it to a file with >.")
    return wanted


def _made(chosen: BuiltIn, covered: Period, parameters: dict[str, Any]) -> "Report":
    from reports.reading import reading  # noqa: PLC0415 - what only this command needs

    with _database() as url, reading(url, ahead(chosen.name, covered, parameters)) as reader:
        return make(chosen.name, reader, covered, parameters)


@contextmanager
def _database() -> Iterator[str]:
    """
    Give the database's URL; nothing is imported that would only start one.

    A plain one is all that a report needs: to read the other settings would take longer than to ask the first question.
    """
    told = os.environ.get(DATABASE_URL, "")
    if told.startswith("postgresql://"):
        yield told
        return
    from models.settings import load_settings  # noqa: PLC0415 - see above

    settings = load_settings()
    if settings.DATABASE_URL is not None:
        yield settings.DATABASE_URL
        return
    from models.cli import migrated  # noqa: PLC0415 - see above
    from models.engine import database_url  # noqa: PLC0415 - see above
    from models.logs import configure  # noqa: PLC0415 - see above

    configure("warning", "report run")
    with database_url(settings) as url:
        migrated(settings, url)
        yield url


def _printed(made: "Report", most: int) -> None:
    """Show a report in the terminal, its long tables cut."""
    import msgspec  # noqa: PLC0415 - what only this command needs
    from rich.console import Console  # noqa: PLC0415

    from reports.render.text import WIDTH, printed  # noqa: PLC0415

    sections = []
    for each in made.sections:
        table = each.table
        more = max(len(table.rows) - most, 0)
        cut = msgspec.structs.replace(table, rows=table.rows[:most], left_out_count=table.left_out_count + more)
        sections.append(msgspec.structs.replace(each, table=cut))
    width = None if sys.stdout.isatty() else WIDTH
    printed(msgspec.structs.replace(made, sections=sections), Console(width=width))


def _written(made: "Report", wanted: list["Rendering"], out: Path) -> None:
    """Write a file for each format, each whole or not at all."""
    begun = made.period.label.replace(" ", "_").replace(":", "")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for each in wanted:
            path = out / f"{made.name}-{begun}.{each.EXTENSION}"
            half = path.with_name(f".{path.name}.{os.getpid()}")
            half.write_bytes(each.render(made))
            half.replace(path)
            typer.echo(path)
    except OSError as error:
        raise ReportsError(f"{out} cannot be written to ({error.strerror}); give another folder to --out.") from None
