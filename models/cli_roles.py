"""`errhouse db roles`, `errhouse db rls …`: who may do what, and who may read which project's rows."""

import sys
from collections.abc import Callable
from typing import Annotated, Any, Literal

import typer
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from models import logins, rls, roles
from models.cli import JsonFlag, db, opened, shown, told
from models.roles import RolesError

rls_app = typer.Typer(help="Row-level security: analysts read the rows of their projects alone.", no_args_is_help=True)
db.add_typer(rls_app, name="rls")


@db.command("roles")
def make_roles(
    login: Annotated[str | None, typer.Option(help="Also make this login, or change it.")] = None,
    kind: Annotated[
        Literal["analyst", "loader"] | None, typer.Option("--as", help="What the login is for; needed with --login.")
    ] = None,
    project: Annotated[
        list[int] | None,
        typer.Option(help="Project the analyst may read once row-level security is on; again for more. Unset: all."),
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the login's password from standard input.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make the roles of the owner, loaders and analysts, and logins. Again changes nothing but what is told."""
    if (login is None) != (kind is None) or (login is None and (project or password_stdin)):
        raise RolesError("A login needs a name and a kind; write --login NAME --as analyst, or --as loader.")
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    with opened("errhouse roles") as (engine, _, url):
        made = roles.set_up(engine)
        given = logins.give(engine, login, kind, project, password) if login and kind else None
        if given is not None:
            with engine.connect() as connection:
                made = made._replace(members=roles.members_of(connection), notes=[*made.notes, *given.notes])
    if as_json:
        told({"roles": made.members, "notes": made.notes, "login": _login(given, url) if given else None})
        return
    shown("Roles", ("role", "members"), [(role, ", ".join(members)) for role, members in made.members.items()])
    for note in made.notes:
        typer.echo(note)
    if given is not None:
        _show_login(_login(given, url))


def _login(given: logins.Login, url: str) -> dict[str, Any]:
    """Give what a program needs to connect; the password only where it was set just now."""
    parsed = make_url(url).set(username=given.name, password=given.password)
    return {
        "name": given.name,
        "as": given.kind,
        "projects": "all" if given.project_ids == [logins.ALL_PROJECTS] else given.project_ids,
        "password": given.password,
        "url": parsed.render_as_string(hide_password=False).replace(" ", "%20"),  # SQLAlchemy leaves spaces
    }


def _show_login(login: dict[str, Any]) -> None:
    shown("Login", ("what", "value"), [(name, login[name]) for name in ("name", "as", "projects", "url")])
    if login["password"] is not None:
        typer.echo("Keep the URL: its password is not shown again.")


@rls_app.command("enable")
def enable(as_json: JsonFlag = False) -> None:
    """Let analysts read the rows of their projects alone; `errhouse db roles --login` says which these are."""
    _show(rls.enable, as_json)


@rls_app.command("disable")
def disable(as_json: JsonFlag = False) -> None:
    """Let analysts read the rows of every project again."""
    _show(rls.disable, as_json)


@rls_app.command("status")
def status(as_json: JsonFlag = False) -> None:
    """Tell whether it is on, and who may read what; exit code 1 where it would leak or hide."""

    def read(engine: Engine) -> rls.State:
        with engine.connect() as connection:
            return rls.state(connection)

    _show(read, as_json)


def _show(act: Callable[[Engine], rls.State], as_json: bool) -> None:
    with opened("errhouse roles") as (engine, *_):
        found = act(engine)
    if as_json:
        told(
            {
                "enabled": found.is_on,
                "guarded_tables": found.guarded,
                "tables": found.tables,
                "analysts": [
                    {"name": each.name, "projects": "all" if each.is_all else each.project_ids}
                    for each in found.analysts
                ],
                "findings": found.findings,
            }
        )
    else:
        typer.echo(f"Row-level security is {'on' if found.is_on else 'off'}.")
        rows = [(a.name, "all" if a.is_all else ", ".join(map(str, a.project_ids)) or "none") for a in found.analysts]
        if rows:
            shown("Analysts", ("login", "projects"), rows)
        for finding in found.findings:
            typer.echo(finding)
    if found.findings:
        raise typer.Exit(1)
