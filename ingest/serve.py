"""What `errhouse serve` does, and what its receivers and its loader do in their own processes."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import structlog
import uvicorn
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ingest import memory
from ingest.drain import Drain
from ingest.supervise import (
    LOADER_STOP_SECONDS,
    RECEIVER_STOP_SECONDS,
    ROLES,
    Child,
    ServeError,
    bound_socket,
    environment,
    stop_with_parent,
    taken,
)
from models import access, embedded, migrate, projects
from models.engine import DatabaseError, check_server, database_url, engine_for
from models.errors import ModelsError
from models.logs import configure
from models.settings import Settings

KEYS_SECONDS = 2.0
TICK_SECONDS = 0.2

log = structlog.get_logger()


def clock() -> datetime:
    """Read the clock: the one place for the loops of this program."""
    return datetime.now(UTC)


def prepared(data_dir: Path) -> Path:
    """Make the data folder and its run folder, for its owner alone; return the latter. Raises ServeError."""
    run_dir = data_dir / "run"
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        run_dir.mkdir(mode=0o700, exist_ok=True)
        (data_dir / "spool").mkdir(mode=0o700, exist_ok=True)
        probe = run_dir / "probe"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ServeError(
            f"The data folder {data_dir} cannot be used ({error.strerror}); set ERRHOUSE_DATA_DIR to a folder of yours."
        ) from None
    return run_dir


class _Stop:
    """Whether the process was asked to end."""

    def __init__(self) -> None:
        self.is_asked = False
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._ask)

    def __call__(self) -> bool:
        return self.is_asked

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.is_asked = True


def serve(settings: Settings, roles: tuple[str, ...]) -> None:
    """
    Run the service until SIGTERM.

    Raises: ServeError, ModelsError: it cannot start, for a reason the operator can mend.
    """
    if not roles or any(role not in ROLES for role in roles):
        raise ServeError(f"--roles takes a comma separated list of {', '.join(ROLES)}.")
    stop = _Stop()
    run_dir = prepared(settings.DATA_DIR)
    with taken(run_dir, roles):
        listening = bound_socket(settings.HOST, settings.PORT) if "receive" in roles else None
        metrics_dir = run_dir / "metrics"
        if set(roles) >= {"receive", "load"}:
            shutil.rmtree(metrics_dir, ignore_errors=True)
            (run_dir / "loader.json").unlink(missing_ok=True)
        metrics_dir.mkdir(mode=0o700, exist_ok=True)
        with database_url(settings) as url:
            engine = engine_for(url, application="errhouse serve")
            try:
                is_new = _migrated(settings, url, engine)
                _started(settings, roles, url, run_dir, listening, engine, is_new, stop)
            finally:
                engine.dispose()


def _migrated(settings: Settings, url: str, engine: Engine) -> bool:
    """Bring the database up to date; a database that is away now stops only a service that never knew it."""
    known = (settings.DATA_DIR / access.FILE_NAME).exists()
    try:
        migrate.upgrade(url)
    except DatabaseError as error:
        if not known or not error.is_outage:
            raise
        log.warning("the database is away; events wait in the spool", why=str(error))
        return False
    with engine.begin() as connection:
        is_new = projects.ensure_one(connection, clock())
        access.publish(settings.DATA_DIR, access.read(connection))
    return is_new


def _started(
    settings: Settings,
    roles: tuple[str, ...],
    url: str,
    run_dir: Path,
    listening: socket.socket | None,
    engine: Engine,
    is_new: bool,
    stop: Callable[[], bool],
) -> None:
    given = environment(settings, url, run_dir)
    if not settings.DATABASE_URL:
        given["ERRHOUSE_EMBEDDED"] = "1"
    receivers = []
    if listening:
        handle = listening.fileno()
        receivers = [
            Child(f"receive-{number}", ["_receive", str(number), str(handle)], given, (handle,))
            for number in range(settings.WORKERS)
        ]
    loaders = [Child("load", ["_load"], given, ())] if "load" in roles else []
    children = [*receivers, *loaders]
    access.webhook_secrets(settings.DATA_DIR, tuple(s.get_secret_value() for s in settings.WEBHOOK_SECRETS))
    for child in children:
        child.start()
        child.note(run_dir)
    if listening:
        _greet(settings, engine, is_new)
    keys_due = 0.0
    while not stop():
        time.sleep(TICK_SECONDS)
        for child in children:
            child.mind(run_dir)
        if time.monotonic() > keys_due:
            keys_due = time.monotonic() + KEYS_SECONDS
            _publish_keys(settings, engine)
    log.info("stopping")
    for group, seconds in ((receivers, RECEIVER_STOP_SECONDS), (loaders, LOADER_STOP_SECONDS)):
        for child in group:
            child.stop()
        for child in group:
            child.wait(seconds)
    log.info("stopped")


def _publish_keys(settings: Settings, engine: Engine) -> None:
    try:
        with engine.connect() as connection:
            access.publish(settings.DATA_DIR, access.read(connection))
    except SQLAlchemyError:
        engine.dispose()  # the loader says it; receivers go on with the keys they know


def _greet(settings: Settings, engine: Engine, is_new: bool) -> None:
    """Tell the operator where senders send to; secrets only on the very first start, and only to the terminal."""
    out = sys.stdout
    lines = [f"errhouse listens on {settings.public_url}"]
    if is_new:
        with engine.connect() as connection:
            first = projects.listed(connection)[0]
        secret_file = settings.DATA_DIR / access.SECRET_FILE
        secret = "as set in ERRHOUSE_WEBHOOK_SECRETS" if settings.WEBHOOK_SECRETS else secret_file.read_text()
        lines += [
            "",
            f"  webhook URL     {settings.public_url}/hooks/sentry",
            f"  client secret   {secret}",
            f"  DSN             {projects.dsn(settings.public_url, first.public_key, first.project_id)}",
            "",
            "Next: in another terminal, `errhouse send-test` sends a sample of every form, then",
            '`errhouse db psql -c "select project, level, culprit, title from analytics.events"` shows them.',
        ]
    print("\n".join(lines), file=out, flush=True)


def receive(settings: Settings, number: int, handle: int) -> None:
    """Run one receiver in this process, on a socket opened by the parent."""
    import uvloop  # noqa: PLC0415 - only receivers need it

    from ingest.app import create_app  # noqa: PLC0415 - after the metrics folder is in the environment

    configure(settings.LOG_LEVEL, f"receive-{number}")
    stop_with_parent()
    app = create_app(settings, settings.spool_dir / str(number), settings.DATA_DIR / "run")
    config = uvicorn.Config(
        app,
        http="httptools",
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.TRUSTED_PROXIES,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=8,
        ws="none",
        lifespan="on",
    )
    listening = socket.socket(fileno=handle)
    server = uvicorn.Server(config)
    memory.settle()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=[listening]))
    if not server.started:
        sys.exit(3)


def load(settings: Settings) -> None:
    """Run the loader in this process."""
    configure(settings.LOG_LEVEL, "load")
    stop_with_parent()
    stop = _Stop()
    engine = engine_for(settings.DATABASE_URL or "", application="errhouse load")

    def revive() -> None:
        if os.environ.get("ERRHOUSE_EMBEDDED"):
            try:
                embedded.revived(settings.DATA_DIR)
            except ModelsError as error:
                log.warning("the embedded database does not start", why=str(error))

    drain = Drain(engine, settings, clock, revive)
    memory.settle()
    drain.run(stop)
    deadline = time.monotonic() + LOADER_STOP_SECONDS / 2
    while time.monotonic() < deadline and drain.step():
        continue
    drain.close()
    engine.dispose()


def drain_now(settings: Settings, url: str) -> Drain:
    """Load the spools until they are empty, in this process. Raises DatabaseError when the database is away."""
    prepared(settings.DATA_DIR)
    engine = engine_for(url, application="errhouse drain")
    check_server(engine)
    drain = Drain(engine, settings, clock)
    try:
        while drain.step() or not drain.is_empty():
            if drain.is_failing():
                raise DatabaseError(
                    f"The spool could not be loaded: {drain.total.database}; nothing was lost, try again."
                )
    finally:
        drain.close()
        engine.dispose()
    return drain


def host_and_port(url: str) -> str:
    """Give the part of a URL a person recognises, without its password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}"
