"""A PostgreSQL for the tests: the one that is named, else one of Docker's, else the embedded one."""

import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from models import embedded

URL_VARIABLE = "ERRHOUSE_TEST_DATABASE_URL"
WORKER_VARIABLE = "PYTEST_XDIST_WORKER"
IMAGE_VARIABLE = "ERRHOUSE_TEST_POSTGRES_IMAGE"
DEFAULT_IMAGE = "postgres:15-alpine"
PORT = "5432"
DOCKER_SECONDS = 5


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
    """Return the image to use, if a Docker engine answers; one that was asked for by name must be had."""
    wanted = os.environ.get(IMAGE_VARIABLE)
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not _listens(host):
        if wanted:
            raise RuntimeError(f"no Docker engine listens at {host}; start one, or unset {IMAGE_VARIABLE}")
        return None
    import docker
    from docker.errors import ImageNotFound

    with closing(docker.from_env(timeout=DOCKER_SECONDS)) as client:
        try:
            client.images.get(wanted or DEFAULT_IMAGE)  # what is not here is not fetched unasked
        except ImageNotFound:
            if wanted:
                raise
            return None
    return wanted or DEFAULT_IMAGE


def _listens(host: str) -> bool:
    """Tell whether anybody takes connections there; an address that is no socket file is taken at its word."""
    if not host.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(host.removeprefix("unix://")) == 0


@contextmanager
def _container(image: str) -> Iterator[str]:
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"  # its image cannot be had everywhere; this ends what it began
    from testcontainers.community.postgres import PostgresContainer

    container = PostgresContainer(image, driver=None, shm_size="256m")
    container.ports[PORT] = ("127.0.0.1", None)
    with container:
        url = container.get_connection_url(host="127.0.0.1")
        _hasten(url)
        yield url
