"""A PostgreSQL for the tests: the one that is named, else one of Docker's, else the embedded one."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from models import embedded

URL_VARIABLE = "ERRHOUSE_TEST_DATABASE_URL"
WORKER_VARIABLE = "PYTEST_XDIST_WORKER"
IMAGE_VARIABLE = "ERRHOUSE_TEST_POSTGRES_IMAGE"
DEFAULT_IMAGE = "postgres:15-alpine"
DOCKER_SECONDS = 1


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """
    Give a superuser's URL; `folder` is for the embedded server, should it come to that.

    The variable may hold several URLs, separated by spaces, for as many workers: roles belong to a whole server, and
    tests of roles must not meet.
    """
    if urls := os.environ.get(URL_VARIABLE, "").split():
        yield urls[int(os.environ.get(WORKER_VARIABLE, "gw0").removeprefix("gw")) % len(urls)]
    elif image := _docker_image():
        with _container(image) as url:
            yield url
    else:
        with embedded.running(folder) as url:
            _hasten(url)
            yield url


@contextmanager
def database(server_url: str, template: str | None = None, *, is_template: bool = False) -> Iterator[str]:
    """Give the URL of a new database, empty or a copy of `template`, that is dropped afterwards."""
    name = f"errhouse_{'template' if is_template else 'test'}_{uuid.uuid4().hex[:12]}"
    # copied as files: five times as fast as through the write-ahead log where nothing waits for the disk
    make = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    run(server_url, make.format(sql.Identifier(name), sql.Identifier(template or "template0")))
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        run(server_url, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def run(url: str, statement: sql.Composed | str) -> None:
    """Execute one statement outside a transaction."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode() if isinstance(statement, str) else statement)


def database_name(url: str) -> str:
    """Return the name of the database in a URL."""
    return make_url(url).database or ""


def _hasten(url: str) -> None:
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        run(url, f"ALTER SYSTEM SET {setting} = off")
    run(url, "SELECT pg_reload_conf()")


def _docker_image() -> str | None:
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if host.startswith("unix://") and not Path(host.removeprefix("unix://")).exists():
        return None
    import docker
    from docker.errors import DockerException
    from requests import RequestException

    try:
        client = docker.from_env(timeout=DOCKER_SECONDS)
        try:
            client.ping()
            wanted = os.environ.get(IMAGE_VARIABLE)
            if wanted is None:
                client.images.get(DEFAULT_IMAGE)  # what is not here is not fetched unasked
            return wanted or DEFAULT_IMAGE
        finally:
            client.close()
    except (DockerException, RequestException, OSError):
        return None


@contextmanager
def _container(image: str) -> Iterator[str]:
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    from testcontainers.postgres import PostgresContainer

    with PostgresContainer(image, driver=None) as container:
        yield container.get_connection_url()
