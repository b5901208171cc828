"""
`errhouse serve`: receivers first, then the database and what needs it.

A service that has run before accepts events before it looks at the database: that may be down, slow or migrating.
"""

import shutil
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import TypeVar

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ingest.console import bound, socket_path
from ingest.greeting import greet
from ingest.health import LoaderState, loader_state
from ingest.nursery import Nursery
from ingest.reload import DONE, HangUp, Reload
from ingest.sqlstate import told
from ingest.supervise import (
    ROLES,
    Child,
    Children,
    ServeError,
    StopSignal,
    bound_socket,
    environment,
    noted,
    prepared,
    taken,
)
from ingest.tls import served
from models import access, migrate, projects
from models.clock import now
from models.engine import DatabaseError, database_url, engine_for
from models.settings import Settings

KEYS_SECONDS = 2.0
TICK_SECONDS = 0.1

T = TypeVar("T")

log = structlog.get_logger()


def serve(settings: Settings, roles: tuple[str, ...]) -> None:
    """
    Run the service until SIGTERM; SIGHUP starts its processes again, see `ingest.reload`.

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


class _Stopped(Exception):
    """The service was told to stop while it started."""


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
        self._hang_up = HangUp(stop)
        self._is_migrated = False
        self._fault: Exception | None = None  # for which the service has to end
        self.children = Children()
        given = (listening, console)
        handles = tuple(each.fileno() for each in given if each is not None)
        self._nursery = Nursery(environment(settings, None, run_dir), handles)

    def end(self) -> None:
        """End every process."""
        self.children.end()
        self._nursery.end()

    def run(self, roles: tuple[str, ...]) -> None:
        settings = self._settings
        access.webhook_secrets(settings.DATA_DIR, tuple(s.get_secret_value() for s in settings.WEBHOOK_SECRETS))
        is_known = (settings.DATA_DIR / access.FILE_NAME).exists()
        self._nursery.start()
        if is_known:
            self._start_receivers()
        with ExitStack() as database:
            # what began to start is stopped when it has: an embedded database may have very much to recover
            url = self._attended(lambda: database.enter_context(database_url(settings)), may_stop=False)
            engine = engine_for(url, application="errhouse serve", is_patient=True)
            try:
                is_new = self._attended(lambda: self._migrate(url, engine, may_wait=is_known))
                if not is_known:
                    self._start_receivers()
                given = environment(settings, url, self._run_dir)
                if not settings.DATABASE_URL:
                    given["ERRHOUSE_EMBEDDED"] = "1"
                if "load" in roles:
                    self.children.loaders = self._started([self._child("load", ["_load"], given)])
                if "schedule" in roles:
                    self.children.schedulers = self._started([self._child("schedule", ["_schedule"], given)])
                if self._console is not None:
                    handle = self._console.fileno()
                    console = self._child("console", ["_console", str(handle)], given, handle)
                    self.children.consoles = self._started([console])
                has_receivers = self._listening is not None
                self._attended(lambda: greet(settings, engine, has_receivers=has_receivers, is_new=is_new))
                renew = self._nursery.start
                reload = Reload(settings.spool_dir, self._run_dir, self.children, renew, self._receiver, given)
                Thread(target=self._keep_up, args=(url, engine), name="database", daemon=True).start()
                self._mind(reload)
            except _Stopped:
                log.info("stopping before everything was started")
            finally:
                self.end()
                engine.dispose()

    def _start_receivers(self) -> None:
        if self._listening is not None:
            self.children.receivers = self._started([self._receiver(n) for n in range(self._settings.WORKERS)])

    def _receiver(self, number: int) -> Child:
        assert self._listening is not None  # noqa: S101 - who receives listens
        handle = self._listening.fileno()
        given = environment(self._settings, None, self._run_dir)
        return self._child(f"receive-{number}", ["_receive", str(number), str(handle)], given, handle)

    def _child(self, name: str, arguments: list[str], given: dict[str, str], *handles: int) -> Child:
        note = noted(self._run_dir, name)
        return Child(name, lambda: self._nursery.fork(name, arguments, given, handles, note))

    def _started(self, children: list[Child]) -> list[Child]:
        for child in children:
            child.start()
        return children

    def _attended(self, work: Callable[[], T], *, may_stop: bool = True) -> T:
        """
        Do what may take long, while what has ended is started anew.

        Raises: _Stopped, when told to stop meanwhile; what was begun is left to itself then.
        """
        answer: Future[T] = Future()

        def do() -> None:
            try:
                answer.set_result(work())
            except BaseException as fault:  # noqa: BLE001 - it is raised where the answer is asked for
                answer.set_exception(fault)

        Thread(target=do, name="database", daemon=True).start()
        while not answer.done():
            if may_stop and self._stop():
                raise _Stopped
            time.sleep(TICK_SECONDS)
            self.children.mind()
        return answer.result()

    def _mind(self, reload: Reload) -> None:
        """Start anew what has ended, until told to stop; never waits for the database."""
        steps: Iterator[None] = iter(())
        while not self._stop():
            time.sleep(TICK_SECONDS)
            self.children.mind()
            if next(steps, DONE) is DONE and self._hang_up.taken():
                steps = reload.steps()
            if self._fault is not None:
                raise self._fault
        log.info("stopping")

    def _keep_up(self, url: str, engine: Engine) -> None:
        """Bring the database up to date when it is there, and tell receivers which keys there are, for ever."""
        while True:
            try:
                if not self._is_migrated:
                    self._migrate(url, engine, may_wait=True)
                self._publish_keys(engine)
            except Exception as fault:  # noqa: BLE001 - it is the service's, which ends with it
                self._fault = fault
                return
            time.sleep(KEYS_SECONDS)

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
