"""
`errhouse serve`: receivers first, then the database and what needs it.

A service that has run before accepts events before it looks at the database: that may be down, slow or migrating.
"""

import http.client
import os
import shutil
import socket
import sys
import time
from pathlib import Path

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ingest.console import bound, socket_path
from ingest.health import LoaderState, loader_state
from ingest.sqlstate import told
from ingest.supervise import (
    CONSOLE_STOP_SECONDS,
    LOADER_STOP_SECONDS,
    RECEIVER_STOP_SECONDS,
    ROLES,
    SCHEDULE_STOP_SECONDS,
    Child,
    ServeError,
    StopSignal,
    bound_socket,
    environment,
    prepared,
    taken,
)
from ingest.tls import served, trusting_own
from models import access, console_users, migrate, projects
from models.clock import now
from models.engine import DatabaseError, database_url, engine_for
from models.settings import Settings

KEYS_SECONDS = 2.0
TICK_SECONDS = 0.1
GREETING_SECONDS = 15
FIRST_USER = "admin"

log = structlog.get_logger()


def serve(settings: Settings, roles: tuple[str, ...]) -> None:
    """
    Run the service until SIGTERM.

    Raises: ServeError, ModelsError: it cannot start, for a reason the operator can mend.
    """
    if not roles or any(role not in ROLES for role in roles):
        raise ServeError(f"--roles takes a comma separated list of {', '.join(ROLES)}.")
    served(settings)  # what is wrong with a certificate is said before anything runs
    stop = StopSignal()
    run_dir = prepared(settings.DATA_DIR)
    with taken(run_dir, roles):
        listening = bound_socket(settings.HOST, settings.PORT) if "receive" in roles else None
        console = bound(socket_path(run_dir)) if listening else None
        if set(roles) >= {"receive", "load"}:
            shutil.rmtree(run_dir / "metrics", ignore_errors=True)
            if said := loader_state(run_dir):
                # but how far it came stays true, and what it died with
                LoaderState(0, "starting", positions=said.positions, in_hand=said.in_hand).write(run_dir)
        (run_dir / "metrics").mkdir(mode=0o700, exist_ok=True)
        service = _Service(settings, run_dir, listening, console, stop)
        try:
            service.run(roles)
        finally:
            service.end()


class _Service:
    """The processes of one service, and what it knows of its database."""

    def __init__(
        self,
        settings: Settings,
        run_dir: Path,
        listening: socket.socket | None,
        console: socket.socket | None,
        stop: StopSignal,
    ) -> None:
        self._settings = settings
        self._run_dir = run_dir
        self._listening = listening
        self._console = console
        self._stop = stop
        self._receivers: list[Child] = []
        self._loaders: list[Child] = []
        self._schedulers: list[Child] = []
        self._consoles: list[Child] = []
        self._is_migrated = False

    def run(self, roles: tuple[str, ...]) -> None:
        settings = self._settings
        access.webhook_secrets(settings.DATA_DIR, tuple(s.get_secret_value() for s in settings.WEBHOOK_SECRETS))
        is_known = (settings.DATA_DIR / access.FILE_NAME).exists()
        if is_known:
            self._start_receivers()
        with database_url(settings) as url:
            engine = engine_for(url, application="errhouse serve")
            try:
                is_new = self._migrate(url, engine, may_wait=is_known)
                if not is_known:
                    self._start_receivers()
                given = environment(settings, url, self._run_dir)
                if not settings.DATABASE_URL:
                    given["ERRHOUSE_EMBEDDED"] = "1"
                if "load" in roles:
                    self._loaders = [Child("load", ["_load"], given, ())]
                    self._started(self._loaders)
                if "schedule" in roles:
                    self._schedulers = [Child("schedule", ["_schedule"], given, ())]
                    self._started(self._schedulers)
                if self._console is not None:
                    handle = self._console.fileno()
                    self._consoles = [Child("console", ["_console", str(handle)], given, (handle,))]
                    self._started(self._consoles)
                _greet(settings, engine, has_receivers=bool(self._listening), is_new=is_new)
                self._mind(url, engine)
            finally:
                self.end()
                engine.dispose()

    def end(self) -> None:
        """Stop receivers and scheduler, then the loader, which empties the spools as far as the database lets it."""
        groups = (
            (self._receivers, RECEIVER_STOP_SECONDS),
            (self._consoles, CONSOLE_STOP_SECONDS),
            (self._schedulers, SCHEDULE_STOP_SECONDS),
            (self._loaders, LOADER_STOP_SECONDS),
        )
        self._receivers, self._consoles, self._schedulers, self._loaders = [], [], [], []
        for group, seconds in groups:
            for child in group:
                child.stop()
            for child in group:
                child.wait(seconds)

    def _start_receivers(self) -> None:
        if self._listening is None:
            return
        handle = self._listening.fileno()
        given = environment(self._settings, None, self._run_dir)
        self._receivers = [
            Child(f"receive-{number}", ["_receive", str(number), str(handle)], given, (handle,))
            for number in range(self._settings.WORKERS)
        ]
        self._started(self._receivers)

    def _started(self, children: list[Child]) -> None:
        for child in children:
            child.start()
            child.note(self._run_dir)

    def _mind(self, url: str, engine: Engine) -> None:
        due = 0.0
        while not self._stop():
            time.sleep(TICK_SECONDS)
            for child in (*self._receivers, *self._loaders, *self._schedulers, *self._consoles):
                child.mind(self._run_dir)
            if time.monotonic() > due:
                due = time.monotonic() + KEYS_SECONDS
                if not self._is_migrated:
                    self._migrate(url, engine, may_wait=True)
                self._publish_keys(engine)
        log.info("stopping")

    def _migrate(self, url: str, engine: Engine, *, may_wait: bool) -> bool:
        """Bring the database up to date, now or, for a service that knows its senders, when it is back."""
        try:
            migrate.upgrade(url)
        except (DatabaseError, SQLAlchemyError) as error:
            is_final = isinstance(error, DatabaseError) and not error.is_outage
            if is_final or not may_wait:
                raise
            why = str(error) if isinstance(error, DatabaseError) else told(error)
            log.warning("the database cannot be brought up to date yet; events wait in the spool", why=why)
            return False
        self._is_migrated = True
        with engine.begin() as connection:
            is_new = projects.ensure_one(connection, now())
            access.publish(self._settings.DATA_DIR, access.read(connection))
        return is_new

    def _publish_keys(self, engine: Engine) -> None:
        try:
            with engine.connect() as connection:
                access.publish(self._settings.DATA_DIR, access.read(connection))
        except SQLAlchemyError:
            engine.dispose()  # the loader says it; receivers go on with the keys they know


def _greet(settings: Settings, engine: Engine, *, has_receivers: bool, is_new: bool) -> None:
    """Tell the operator where senders send to; the secret only on the very first start, and only to the terminal."""
    if not has_receivers:
        _say([f"errhouse loads what comes into {settings.spool_dir}"])
        return
    _wait_for_receiver(settings)
    lines = [f"errhouse listens on {settings.public_url}"]
    if is_new:
        with engine.connect() as connection:
            first = projects.listed(connection)[0]
        password = _first_user(engine)
        secret_file = settings.DATA_DIR / access.SECRET_FILE
        secret = "as set in ERRHOUSE_WEBHOOK_SECRETS" if settings.WEBHOOK_SECRETS else secret_file.read_text()
        us = sys.argv[0] if os.sep in sys.argv[0] else "errhouse"
        lines += [
            "",
            f"  webhook URL     {settings.public_url}/hooks/sentry",
            f"  client secret   {secret}",
            f"  DSN             {projects.dsn(settings.public_url, first.public_key, first.project_id)}",
            f"  console         {settings.public_url}/",
            f"  log in as       {FIRST_USER}, password {password}",
            "",
            f"Next: in another terminal, `{us} send-test` sends a sample of every form, then",
            f'`{us} db psql -c "select project, level, culprit, title from analytics.events"` shows them.',  # noqa: S608 - shown to a person
        ]
    _say(lines)


def _first_user(engine: Engine) -> str:
    """Let somebody into the console, and give the password, which is kept nowhere."""
    password = console_users.made_password()
    with engine.begin() as connection:
        if console_users.listed(connection):
            return "as it was set"
        console_users.put(connection, FIRST_USER, "admin", password, now())
    return password


def _wait_for_receiver(settings: Settings) -> None:
    """Return when the first receiver answers: a request waits in the socket until it does."""
    host = "127.0.0.1" if settings.HOST in {"0.0.0.0", "::"} else settings.HOST  # noqa: S104 - compared, not bound
    asking = http.client.HTTPConnection(host, settings.PORT, timeout=GREETING_SECONDS)
    if settings.TLS_CERT_FILE:
        context = trusting_own(settings)
        asking = http.client.HTTPSConnection(host, settings.PORT, timeout=GREETING_SECONDS, context=context)
    try:
        asking.request("GET", "/healthz")
        asking.getresponse()
    except (OSError, http.client.HTTPException) as error:
        log.warning("no receiver answers yet", why=str(error))
    finally:
        asking.close()


def _say(lines: list[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
