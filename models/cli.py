"""`errhouse db …`, `errhouse project …`, `errhouse hook …`: what is stored, and who may send."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple

import typer
from sqlalchemy import Engine

from models import access, embedded, migrate, projects
from models.clock import now
from models.engine import check_server, database_url, engine_for
from models.errors import ModelsError
from models.partitions import leaves
from models.printed import JsonFlag, shown, told
from models.settings import Settings, load_settings

__all__ = ["JsonFlag", "db", "hook", "migrated", "opened", "project", "shown", "told"]

db = typer.Typer(help="The database: migrations, state, and a way in.", no_args_is_help=True)
project = typer.Typer(help="Projects, and the DSNs with which SDKs send to them.", no_args_is_help=True)
hook = typer.Typer(help="Addresses for Sentry's legacy WebHooks plugin, which does not sign.", no_args_is_help=True)


class Opened(NamedTuple):
    """The warehouse as a command uses it: up to date, and reached by an engine."""

    engine: Engine
    settings: Settings
    url: str


@contextmanager
def opened(application: str = "errhouse") -> Iterator[Opened]:
    """Open the warehouse for one command. Raises ModelsError, one sentence."""
    settings = load_settings()
    with database_url(settings) as url:
        migrated(settings, url)
        engine = engine_for(url, application=application)
        try:
            yield Opened(engine, settings, url)
        finally:
            engine.dispose()


def migrated(settings: Settings, url: str) -> None:
    """Make sure the tables are there before a command uses them."""
    try:
        settings.DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ModelsError(
            f"The data folder {settings.DATA_DIR} cannot be used ({error.strerror}); "
            "set ERRHOUSE_DATA_DIR to a folder of yours."
        ) from None
    migrate.upgrade(url)


@db.command()
def upgrade() -> None:
    """Bring the database to the newest schema. `errhouse serve` does it too."""
    with database_url(load_settings()) as url:
        migrate.upgrade(url)
    typer.echo("The database is up to date.")


@db.command()
def status(as_json: JsonFlag = False) -> None:
    """Tell which PostgreSQL it is, its schema version, and for which days there are partitions."""
    settings = load_settings()
    with database_url(settings) as url:
        engine = engine_for(url)
        try:
            found: dict[str, Any] = {
                "postgresql": check_server(engine),
                "embedded": settings.DATABASE_URL is None,
                "schema_version": None,
                "newest_version": migrate.known()[0],
            }
            with engine.connect() as connection:
                found["schema_version"] = migrate.current(connection)
                there = leaves(connection) if found["schema_version"] else []
            found["partitions"] = len(there)
            found["partitions_until"] = there[-1].end if there else None
        finally:
            engine.dispose()
    if as_json:
        told(found)
    else:
        shown("Database", ("what", "value"), list(found.items()))
    if found["schema_version"] != found["newest_version"]:
        typer.echo("The schema is not the newest; run `errhouse db upgrade`.", err=True)
        raise typer.Exit(1)


@db.command("url")
def show_url() -> None:
    """Print a libpq URL for other tools. The embedded database answers only while `errhouse serve` runs."""
    with database_url(load_settings()) as url:
        typer.echo(url)


@db.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def psql(context: typer.Context) -> None:
    """Open psql on the database; everything after `psql` is passed on, such as -c "select …"."""
    program = embedded.psql_path()
    if program is None:
        raise ModelsError("psql is not installed here; install PostgreSQL's client, or use `errhouse db url`.")
    with database_url(load_settings()) as url:
        migrate.upgrade(url)
        environment = {**os.environ, "PGOPTIONS": "-c timezone=UTC", "PGAPPNAME": "errhouse psql"}
        done = subprocess.run([program, "--dbname", url, *context.args], env=environment, check=False)
    raise typer.Exit(done.returncode)


@project.command("add")
def add_project(
    name: Annotated[str, typer.Argument(help="Name for people.")],
    project_id: Annotated[int | None, typer.Option("--id", help="Sentry's id, to join with webhooks.")] = None,
    scrub: Annotated[bool, typer.Option(help="Apply Sentry's default scrubbing rules before loading.")] = True,
    as_json: JsonFlag = False,
) -> None:
    """Add a project and print its DSN; for an id that is known, give it this name."""
    settings = load_settings()
    with database_url(settings) as url:
        migrated(settings, url)
        engine = engine_for(url)
        try:
            with engine.begin() as connection:
                made = projects.added(connection, name, project_id, scrub, now())
                known = access.read(connection)
            access.publish(settings.DATA_DIR, known)
        finally:
            engine.dispose()
    found = _described(settings, made)
    if as_json:
        told(found)
    else:
        shown("Project", ("what", "value"), list(found.items()))


@project.command("list")
def list_projects(as_json: JsonFlag = False) -> None:
    """List projects and their DSNs."""
    settings = load_settings()
    with database_url(settings) as url:
        migrated(settings, url)
        engine = engine_for(url)
        try:
            with engine.connect() as connection:
                found = [_described(settings, each) for each in projects.listed(connection)]
        finally:
            engine.dispose()
    if as_json:
        told(found)
    elif found:
        shown("Projects", ("project_id", "name", "dsn"), [(f["project_id"], f["name"], f["dsn"]) for f in found])
    else:
        typer.echo("There is no project yet; `errhouse project add NAME` adds one.")


def _described(settings: Settings, each: projects.Project) -> dict[str, Any]:
    return {
        "project_id": each.project_id,
        "name": each.name,
        "public_key": each.public_key,
        "dsn": projects.dsn(settings.public_url, each.public_key, each.project_id),
    }


@hook.command("add")
def add_hook(name: Annotated[str, typer.Argument(help="Name for people.")], as_json: JsonFlag = False) -> None:
    """Add an address for the legacy WebHooks plugin; its key is shown this once."""
    settings = load_settings()
    with database_url(settings) as url:
        migrated(settings, url)
        engine = engine_for(url)
        try:
            with engine.begin() as connection:
                key = projects.hook_added(connection, name, now())
                known = access.read(connection)
            access.publish(settings.DATA_DIR, known)
        finally:
            engine.dispose()
    path = f"/hooks/sentry/{key}"
    if as_json:
        told({"name": name, "hook_key": key, "path": path})
    else:
        typer.echo(f"In Sentry, set the WebHooks plugin's Callback URL to {settings.public_url}{path}")
        typer.echo("Keep it: the key in it is the right to send, and it is not shown again.")
