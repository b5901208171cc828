"""`errhouse user …`: who may use the console."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from sqlalchemy import Connection

from models import cli, console_users
from models.cli import JsonFlag, shown, told
from models.clock import now
from models.console_user import ROLES
from models.errors import ModelsError
from models.settings import load_settings

user = typer.Typer(help="People who may use the console.", no_args_is_help=True)


@user.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="Name to log in with.")],
    role: Annotated[str, typer.Option(help=f"What they may do: {', '.join(ROLES)}.")] = "viewer",
    password_stdin: Annotated[bool, typer.Option(help="Read the password from standard input.")] = False,
    no_password: Annotated[
        bool, typer.Option(help="Set none: a proxy names the person, or they keep the password they have.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Add a person, or give one that is there another role and a new password, which is shown this once."""
    if password_stdin and no_password:
        raise ModelsError("Give --password-stdin or --no-password, not both.")
    password = None if no_password else console_users.made_password()
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    with _connection() as connection:
        console_users.put(connection, name, role, password, now())
    said = None if password_stdin else password
    if as_json:
        told({"name": name, "role": role, "password": said})
    else:
        typer.echo(f"{name} may use the console at {load_settings().public_url}/ as {role}.")
        if said:
            typer.echo(f"Password: {said}")


@user.command("list")
def list_users(as_json: JsonFlag = False) -> None:
    """List who may use the console."""
    with _connection() as connection:
        found = console_users.listed(connection)
    if as_json:
        told(found)
    elif found:
        names = ("name", "role", "created_at", "last_login_at")
        shown("Users", ("name", "role", "added", "last login"), [tuple(each[name] for name in names) for each in found])
    else:
        typer.echo("Nobody may use the console yet; `errhouse user add NAME --role admin` adds somebody.")


@user.command("remove")
def remove_user(name: Annotated[str, typer.Argument(help="Name of the person.")]) -> None:
    """Remove a person and end their sessions."""
    with _connection() as connection:
        if not console_users.removed(connection, name):
            raise ModelsError(f"There is no user {name}; `errhouse user list` shows them.")
    typer.echo(f"{name} may not use the console any more.")


@contextmanager
def _connection() -> Iterator[Connection]:
    with cli.opened() as (engine, *_), engine.begin() as connection:
        yield connection
