"""`errhouse`: every command. This room's own stand here, those of the others are joined. [front door]"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

import ingest.cli_correct
import ingest.cli_proof  # noqa: F401 - its commands join `db`
import models.cli_archive
import models.cli_lifecycle
import models.cli_roles  # noqa: F401 - its commands join `db`
from ingest import cli_tools
from ingest.cli_set_aside import loaded, set_aside_commands
from ingest.errors import IngestError
from ingest.sqlstate import told as error_told
from models import cli as models_cli
from models import cli_users
from models.cli import JsonFlag, shown, told
from models.engine import database_url
from models.errors import ModelsError
from models.logs import configure
from models.settings import Settings, load_settings
from reports.cli import (
    ReportsError,
    report_commands,
    rule_commands,
    schedule_commands,
    script_commands,
    target_commands,
)

if TYPE_CHECKING:
    from ingest.health import Health

app = typer.Typer(
    name="errhouse",
    help="Every Sentry error event, in your own PostgreSQL: complete, queryable and reported on.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(models_cli.db, name="db")
app.add_typer(models_cli.project, name="project")
app.add_typer(models_cli.hook, name="hook")
app.add_typer(cli_users.user, name="user")
app.add_typer(set_aside_commands, name="set-aside")
app.add_typer(report_commands, name="report")
app.add_typer(schedule_commands, name="schedule")
app.add_typer(target_commands, name="target")
app.add_typer(rule_commands, name="rule")
app.add_typer(script_commands, name="script")
app.command()(cli_tools.deliveries)
app.command()(cli_tools.inspect)


def _health(settings: Settings) -> "Health":
    from ingest.health import Health  # noqa: PLC0415 - a command loads what it needs

    run_dir = settings.DATA_DIR / "run"
    return Health(settings.spool_dir, run_dir, settings.READY_MAX_LAG_SECONDS, settings.SPOOL_MAX_BYTES)


def _version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"errhouse {version('errhouse')}")
        raise typer.Exit


@app.callback()
def errhouse(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Every Sentry error event, in your own PostgreSQL: complete, queryable and reported on."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; overrides ERRHOUSE_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; overrides ERRHOUSE_PORT.")] = None,
    workers: Annotated[int | None, typer.Option(help="Receiver processes; overrides ERRHOUSE_WORKERS.")] = None,
    roles: Annotated[str, typer.Option(help="Which parts to run, comma separated.")] = "receive,load,schedule",
) -> None:
    """Run the whole service: receive, load, and, without a database URL, the embedded database."""
    given = {name: value for name, value in (("HOST", host), ("PORT", port), ("WORKERS", workers)) if value is not None}
    settings = load_settings(**given)
    configure(settings.LOG_LEVEL, "serve")
    from ingest.serve import serve as run  # noqa: PLC0415 - a command loads what it needs

    run(settings, tuple(role.strip() for role in roles.split(",") if role.strip()))


@app.command("_receive", hidden=True)
def receive_process(number: int, handle: int) -> None:
    """Run one receiver; started by `serve`."""
    from ingest.processes import receive  # noqa: PLC0415 - a command loads what it needs

    receive(load_settings(), number, handle)


@app.command("_load", hidden=True)
def load_process() -> None:
    """Run the loader; started by `serve`."""
    from ingest.processes import load as run  # noqa: PLC0415 - a command loads what it needs

    run(load_settings())


@app.command("_schedule", hidden=True)
def schedule_process() -> None:
    """Run the scheduler; started by `serve`."""
    from ingest.supervise import StopSignal, stop_with_parent  # noqa: PLC0415 - a command loads what it needs
    from reports.cli import schedule  # noqa: PLC0415 - a command loads what it needs

    settings = load_settings()
    configure(settings.LOG_LEVEL, "schedule")
    stop_with_parent()
    schedule(settings, StopSignal(), _health(settings).waiting_since)


@app.command("_console", hidden=True)
def console_process(handle: int) -> None:
    """Run the console; started by `serve`."""
    import msgspec  # noqa: PLC0415 - the same

    from ingest.inbound.desk import Desk  # noqa: PLC0415 - the same
    from ingest.supervise import stop_with_parent  # noqa: PLC0415 - the same
    from models.clock import now_us  # noqa: PLC0415 - the same
    from reports.cli import console  # noqa: PLC0415 - the same

    settings = load_settings()
    configure(settings.LOG_LEVEL, "console")
    stop_with_parent()
    health = _health(settings)
    console(settings, handle, lambda: msgspec.structs.asdict(health.readiness(now_us())), Desk(settings))


@app.command("_report", hidden=True)
def report_process(run_id: UUID, attempt_count: int) -> None:
    """Make one report; started by the scheduler."""
    from ingest.supervise import stop_with_parent  # noqa: PLC0415 - a command loads what it needs
    from reports.cli import make_run  # noqa: PLC0415 - a command loads what it needs

    settings = load_settings()
    configure(settings.LOG_LEVEL, "report")
    stop_with_parent()
    raise typer.Exit(make_run(settings, run_id, attempt_count, _health(settings).waiting_since))


@app.command()
def drain(as_json: JsonFlag = False) -> None:
    """Load the spool until it is empty, then stop."""
    settings = load_settings()
    configure(settings.LOG_LEVEL, "drain")
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    from ingest.processes import drain_now  # noqa: PLC0415 - a command loads what it needs

    with database_url(settings) as url:
        models_cli.migrated(settings, url)
        found = drain_now(settings, url).total
    counts = {
        "loaded": found.loaded_total,
        "duplicates": found.duplicate_total,
        "set_aside": found.set_aside_total,
    }
    if as_json:
        told(counts)
    else:
        typer.echo("The spool is empty: {loaded} loaded, {duplicates} known, {set_aside} set aside.".format(**counts))


@app.command("load")
def load_files(
    files: Annotated[list[Path], typer.Argument(help="NDJSON or JSON, plain, .gz or .zst; `-` reads standard input.")],
    project: Annotated[int | None, typer.Option(help="Project of all these events, whatever they name.")] = None,
    form: Annotated[str | None, typer.Option(help="Form of the payloads; told from their shape if not given.")] = None,
    again: Annotated[bool, typer.Option(help="Start at the beginning of files that were loaded before.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Load events from files: SDK events, envelopes, webhook bodies, REST API events. Old times stay as they are."""
    settings = load_settings()
    configure(settings.LOG_LEVEL, "load")
    from ingest import bulk  # noqa: PLC0415 - a command loads what it needs

    bulk.check(files, form)
    with _database() as engine:
        tally = bulk.load_files(engine, settings, files, project, form, is_again=again, is_quiet=as_json)
    if as_json:
        told(tally._asdict())
    elif not tally.payloads:
        typer.echo("Nothing was read: the files are empty or were loaded before; `--again` reads them anew.")
    else:
        typer.echo(
            f"{loaded(tally)}{tally.set_aside} set aside"
            + ("; `errhouse set-aside list` says why." if tally.set_aside else ".")
        )


@app.command("send-test")
def send_test(
    form: Annotated[
        str | None, typer.Option(help="Only this form; `errhouse load` reads those that nobody sends.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Base URL of another receiver; the one of this machine if not given.")
    ] = None,
    secret: Annotated[
        str | None, typer.Option(help="Client Secret to sign with, or env:NAME; the first of ours if not given.")
    ] = None,
    dsn: Annotated[str | None, typer.Option(help="DSN for the SDKs' forms; one of ours if not given.")] = None,
    hook_key: Annotated[
        str | None, typer.Option(help="Key of a legacy hook, or env:NAME; one is made, and removed, if not given.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="PEM file of the authority that signed the certificate at the URL.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Send a sample of every form that comes by HTTP, as Sentry and its SDKs do, and tell what was answered."""
    settings = load_settings()
    from ingest import samples  # noqa: PLC0415 - a command loads what it needs

    given = samples.Told(cli_tools.secret_of(secret), dsn, cli_tools.secret_of(hook_key), ca_file)
    found = samples.send(_database, settings, form, url, given)
    if as_json:
        told([answer._asdict() for answer in found])
    else:
        rows = [(a.form, a.status, a.ms, a.answer) for a in found]
        shown("Samples sent", ("form", "status", "ms", "answer"), rows)
        for said in dict.fromkeys((a.reason or str(a.status), a.cure) for a in found if a.cure):
            typer.echo(": ".join(said))
    if any(answer.status != 200 for answer in found):
        raise typer.Exit(1)


@app.command()
def doctor(
    url: Annotated[
        str | None, typer.Option(help="Address under which senders reach this service; overrides ERRHOUSE_PUBLIC_URL.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Look at every link from the sender to the analyst, and say what is wrong and what to do; then exit code 1."""
    settings = load_settings(**({"PUBLIC_URL": url} if url else {}))
    from ingest.cli_doctor import examined  # noqa: PLC0415 - a command loads what it needs
    from reports.cli import looked_at_scripts, looked_at_targets  # noqa: PLC0415 - the same

    configure(settings.LOG_LEVEL, "doctor")
    examined(settings, partial(looked_at_targets, settings), partial(looked_at_scripts, settings), as_json=as_json)


@contextmanager
def _database() -> Iterator[Engine]:
    with models_cli.opened() as (engine, *_):
        yield engine


def main() -> None:
    """Run the command line: 0 done, 1 done with findings, 2 cannot be done, in one sentence."""
    try:
        app()
    except (ModelsError, IngestError, ReportsError) as wrong:
        sys.stderr.write(f"errhouse: {wrong}\n")
        sys.exit(2)
    except OSError as wrong:
        if wrong.filename is None:
            raise
        sys.stderr.write(f"errhouse: {wrong.filename} cannot be used ({wrong.strerror}).\n")
        sys.exit(2)
    except SQLAlchemyError as wrong:
        sys.stderr.write(f"errhouse: the database refused ({error_told(wrong)}); see `errhouse db status`.\n")
        sys.exit(2)
