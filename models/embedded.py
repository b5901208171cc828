"""
The embedded PostgreSQL: it runs as long as somebody uses it, and everything of it lies in `DATA_DIR/postgres`.

    data/        PostgreSQL's own folder; as root it belongs to a system user of its own
    password     of the only role, `errhouse`; 0600
    port         the port on 127.0.0.1, kept so that a URL stays good
    log          what the server says; never statements or row contents
    users.lock   every user holds it shared: who can take it exclusively is the last one
    change.lock  held while the server is started, joined or stopped

A user that dies without a word loses its lock with its life; the server then stays for the next user to find.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.embedded_binaries import OTHERWISE, EmbeddedError, binaries, psql_path
from models.embedded_postmaster import POLL_SECONDS, postmaster
from models.embedded_server import NAME, initialize, private_file, ready, start, stop

__all__ = ["EmbeddedError", "psql_path", "revived", "running"]

CHANGE_SECONDS = 120


@contextmanager
def running(data_dir: Path) -> Iterator[str]:
    """
    Give the URL of the embedded PostgreSQL under `data_dir`, started if it is not running, for as long as the context.

    It is shared by every process that asks, and stopped when the last of them leaves.

    Raises: EmbeddedError.
    """
    with _explained(data_dir):
        home = _home(data_dir)
        users = private_file(home / "users.lock")
    try:
        with _explained(data_dir), _changing(home):
            fcntl.flock(users, fcntl.LOCK_SH)
            try:
                url = _ensured(home)
            except BaseException:
                _leave(home, users)
                raise
        try:
            yield url
        finally:
            with _explained(data_dir), _changing(home):
                _leave(home, users)
    finally:
        os.close(users)


def revived(data_dir: Path) -> str:
    """
    Start the server again if it died under its users, who keep their URL; call it only inside `running`.

    Raises: EmbeddedError.
    """
    with _explained(data_dir):
        home = _home(data_dir)
        with _changing(home):
            return _ensured(home)


@contextmanager
def _explained(data_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or data_dir
        raise EmbeddedError(
            f"The embedded database cannot use {where} ({error.strerror or error}): "
            f"set ERRHOUSE_DATA_DIR to a folder of your own on a local disk, {OTHERWISE}."
        ) from error


def _home(data_dir: Path) -> Path:
    home = data_dir.expanduser().resolve() / "postgres"
    home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.mkdir(mode=0o700, exist_ok=True)
    return home


@contextmanager
def _changing(home: Path) -> Iterator[None]:
    handle = private_file(home / "change.lock")
    try:
        deadline = time.monotonic() + CHANGE_SECONDS
        while not _locked(handle):
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"Another errhouse has been starting or stopping the database in {home} for {CHANGE_SECONDS} s: "
                    "see the log there, or end that process, and try again."
                )
            time.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _leave(home: Path, users: int) -> None:
    try:
        if _locked(users):
            stop(home / "data")
    finally:
        fcntl.flock(users, fcntl.LOCK_UN)


def _ensured(home: Path) -> str:
    data = home / "data"
    server = postmaster(data)
    if server is not None and not server.is_ready:
        server = ready(data, server.pid)
    if server is None:
        tools = binaries(data)
        if not data.exists():
            initialize(home, tools)
        version = (data / "PG_VERSION").read_text().strip()
        if version != tools.major:
            raise EmbeddedError(
                f"The database in {data} was made by PostgreSQL {version} and this errhouse brings {tools.major}: dump "
                f"it with the errhouse that made it, set ERRHOUSE_DATA_DIR to a new folder, {OTHERWISE}."
            )
        server = start(home, tools)
    password = (home / "password").read_text().strip()
    return f"postgresql://{NAME}:{password}@127.0.0.1:{server.port}/{NAME}"
