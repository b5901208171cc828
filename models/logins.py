"""
Logins of analysts and loaders: members of one of the three roles, with an analyst's limits and projects.

`ALTER ROLE … SET` is not inherited, so limits are set on each login. They are what a session begins with: most of them
it may change itself. What holds is told in docs/how-to/give-access.md.
"""

import secrets
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import psycopg
from sqlalchemy import Connection, Engine, text

from models.ddl import driver, patiently, run
from models.grants import ANALYST, LOADER, OWNER
from models.roles import GROUPS, RolesError, grant_membership, is_ready

Kind = Literal["analyst", "loader"]

ALL_PROJECTS = 0  # in analyst_project: all there are and all to come; no project has this id
MOST_NAME_BYTES = 63  # PostgreSQL cuts what is longer
PASSWORD_BYTES = 24
CONNECTION_LIMIT = "10"
LIMITS = (
    ("default_transaction_read_only", "on"),
    ("statement_timeout", "30s"),
    ("idle_in_transaction_session_timeout", "60s"),
    ("lock_timeout", "2s"),
    ("work_mem", "64MB"),
    ("timezone", "UTC"),
    ("search_path", "analytics"),
)
SUPERUSERS_LIMIT = ("temp_file_limit", "2GB")  # only superusers set it, so a session cannot lift it

THERE = text(
    """
    select r.rolsuper or r.rolbypassrls or r.rolcreaterole as is_mighty,
        pg_has_role(r.oid, cast(:owner as name), 'MEMBER') as is_loader,
        pg_has_role(r.oid, cast(:analyst as name), 'MEMBER') as is_analyst
    from pg_roles r where r.rolname = :name
    """
)
MAY_LIMIT_FILES = text("select has_parameter_privilege(current_user, 'temp_file_limit', 'SET')")
VERSION = text("select current_setting('server_version_num')::int")
PROJECTS_GONE = text("delete from warehouse.analyst_project where role_name = :name")
PROJECTS_GIVEN = text(
    "insert into warehouse.analyst_project (role_name, project_id) "
    "select cast(:name as text), unnest(cast(:project_ids as bigint[]))"
)


class Login(NamedTuple):
    """A login as it is now; `password` only where it was set just now, `notes` what could not be set."""

    name: str
    kind: Kind
    password: str | None
    project_ids: list[int]
    notes: list[str]


def give(
    engine: Engine, name: str, kind: Kind, project_ids: Sequence[int] | None = None, password: str | None = None
) -> Login:
    """
    Make a login, or give one that is there these rights, limits and projects; commit.

    Takes: `project_ids`, which an analyst may read once row-level security is on, None for all; `password`, else a new
           login is given a random one, and another keeps its own.
    Raises: RolesError; models.ddl.Busy.
    """
    given = _checked(name, kind, project_ids)
    if password == "":
        raise RolesError("The password is empty; give one, or none to have one made.")
    made: list[Login] = []
    try:
        patiently(engine, partial(_given, name=name, kind=kind, project_ids=given, password=password, made=made))
    except psycopg.Error as error:
        raise RolesError(
            f"The login {name} could not be made ({str(error).splitlines()[0]}); run it with the URL of a superuser, "
            "or of the role that ran `errhouse db roles` first."
        ) from None
    return made[-1]


def _checked(name: str, kind: Kind, project_ids: Sequence[int] | None) -> list[int]:
    if not name or "\0" in name or len(name.encode()) > MOST_NAME_BYTES:
        raise RolesError(f"A login's name has 1 to {MOST_NAME_BYTES} bytes; choose another one.")
    if name in GROUPS:
        raise RolesError(f"{name} is a role that logins are members of; choose another name for a login.")
    if kind == "loader":
        if project_ids:
            raise RolesError("Only analysts are limited to projects; leave --project away for a loader.")
        return []
    if project_ids is None:
        return [ALL_PROJECTS]
    if not project_ids or min(project_ids) <= 0:
        raise RolesError("A project's id is a number above 0; `errhouse project list` shows them.")
    return sorted(set(project_ids))


def _given(
    connection: Connection, name: str, kind: Kind, project_ids: list[int], password: str | None, made: list[Login]
) -> None:
    if not is_ready(connection):
        raise RolesError("The roles are not made yet; run `errhouse db roles` first.")
    found: Any = connection.execute(THERE, {"name": name, "owner": OWNER, "analyst": ANALYST}).one_or_none()
    if found is None:
        run(connection, "create role {} login", name)
        password = password or secrets.token_urlsafe(PASSWORD_BYTES)
    elif found.is_mighty or (kind == "analyst" and found.is_loader):
        raise RolesError(
            f"{name} may do more than an analyst or a loader, so no limit would hold; choose another name."
        )
    elif kind == "loader" and found.is_analyst:
        raise RolesError(f"{name} is an analyst already; drop that role first, or choose another name.")
    run(connection, "alter role {} login inherit", name)
    if password is not None:
        # scrambled here, so that no log of the server's and no view of its activity ever holds it
        scrambled = driver(connection).pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
        run(connection, "alter role {} password {}", name, words=(scrambled.decode(),))
    version = int(connection.execute(VERSION).scalar_one())
    grant_membership(connection, ANALYST if kind == "analyst" else LOADER, name, version, is_inherited=True)
    notes = _limit(connection, name) if kind == "analyst" else []
    connection.execute(PROJECTS_GONE, {"name": name})
    connection.execute(PROJECTS_GIVEN, {"name": name, "project_ids": project_ids})
    made.append(Login(name, kind, password, project_ids, notes))


def _limit(connection: Connection, name: str) -> list[str]:
    run(connection, "alter role {} connection limit " + CONNECTION_LIMIT, name)
    for setting, value in LIMITS:
        run(connection, "alter role {} set {} = {}", name, setting, words=(value,))
    if connection.execute(MAY_LIMIT_FILES).scalar():
        run(connection, "alter role {} set {} = {}", name, SUPERUSERS_LIMIT[0], words=(SUPERUSERS_LIMIT[1],))
        return []
    return ["Temporary files of its queries are not limited: only a superuser can set temp_file_limit."]
