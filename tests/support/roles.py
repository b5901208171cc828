"""Logins of a test's own, and their URLs: roles belong to the whole server, so each has a new name and is dropped."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from models import logins, roles
from models.engine import engine_for
from tests.support import postgres


def new_name(kind: str) -> str:
    """Give a name that no role has yet."""
    return f"test_{kind}_{uuid4().hex[:8]}"


def as_login(url: str, name: str, password: str | None) -> str:
    """Give the URL of the same database for another login."""
    made = make_url(url).set(username=name, password=password).render_as_string(hide_password=False)
    return made.replace(" ", "%20")


@contextmanager
def login(
    url: str, kind: logins.Kind, project_ids: Sequence[int] | None = None, superuser: str | None = None
) -> Iterator[str]:
    """Give the URL of a new login, which is dropped afterwards by a superuser; the roles are made first."""
    name = new_name(kind)
    engine = engine_for(url)
    try:
        roles.set_up(engine)
        password = logins.give(engine, name, kind, project_ids).password
    finally:
        engine.dispose()
    try:
        yield as_login(url, name, password)
    finally:
        drop(superuser or url, name)


@contextmanager
def plain(url: str, *, attributes: str = "") -> Iterator[str]:
    """Give the URL of a new login that is nobody's member, and is dropped with what it owns in this database."""
    name = new_name("plain")
    make = sql.SQL("create role {} login password 'test' ").format(sql.Identifier(name)) + sql.SQL(attributes)  # type: ignore[arg-type]
    postgres.run(url, make)
    try:
        yield as_login(url, name, "test")
    finally:
        drop(url, name)


def drop(url: str, name: str) -> None:
    """Drop a login, with its sessions and with what it owns or was granted in this database."""
    role = sql.Identifier(name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", (name,))
        connection.execute(sql.SQL("reassign owned by {} to current_user").format(role))
        connection.execute(sql.SQL("drop owned by {}").format(role))
        connection.execute(sql.SQL("drop role {}").format(role))


def name_of(url: str) -> str:
    """Return the login of a URL."""
    return make_url(url).username or ""
