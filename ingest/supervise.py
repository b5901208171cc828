"""
`errhouse serve`: one process that starts the others, starts them again when they die, and stops them in order.

Receivers stop first, so that nothing new comes in; then the loader empties the spools as far as the database lets it;
the embedded database stops last. A child whose parent is gone ends by itself: its standard input is a line to here.
"""

import fcntl
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Protocol

import structlog

from ingest.errors import IngestError
from models.settings import PREFIX, Settings

ROLES = ("receive", "load", "schedule")
RECEIVER_STOP_SECONDS = 10.0
LOADER_STOP_SECONDS = 20.0
SCHEDULE_STOP_SECONDS = 5.0
CONSOLE_STOP_SECONDS = 5.0
KILLED_SECONDS = 10.0
BACKLOG = 4096  # connections that wait to be taken, while receivers are busy or start; the system may allow fewer
FOLLOWED = signal.SIGHUP
LONGEST_RESTART_PAUSE_SECONDS = 1.0  # counted from its start: who lived longer is started again at once

log = structlog.get_logger()


class ServeError(IngestError):
    """The service cannot start here; the message says why and what to do."""


@contextmanager
def taken(run_dir: Path, roles: tuple[str, ...]) -> Iterator[None]:
    """Hold the locks of these roles; a second service on the same folder is refused."""
    held: list[int] = []
    try:
        for role in roles:
            handle = os.open(run_dir / f"{role}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            held.append(handle)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ServeError(
                    f"Another errhouse already runs the role `{role}` in {run_dir.parent}; stop it first, "
                    "or set ERRHOUSE_DATA_DIR to another folder."
                ) from None
        yield
    finally:
        for handle in held:
            os.close(handle)


def bound_socket(host: str, port: int) -> socket.socket:
    """Listen on the address, for the receivers to share; raises ServeError when that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise ServeError(
            f"Cannot listen on {host}:{port} ({error.strerror}); set ERRHOUSE_PORT or ERRHOUSE_HOST to a free address."
        ) from None
    listening.set_inheritable(True)
    return listening


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


class StopSignal:
    """Whether the process was asked to end, by SIGTERM or SIGINT; `is_followed` by another process, by FOLLOWED."""

    def __init__(self, *more: signal.Signals) -> None:
        self.is_asked = self.is_followed = False
        for name in (signal.SIGTERM, signal.SIGINT, *more):
            signal.signal(name, self._ask)

    def __call__(self) -> bool:
        """Say it."""
        return self.is_asked

    def ask(self) -> None:
        """Ask for it."""
        self.is_asked = True

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        self.is_asked = True
        self.is_followed = number == FOLLOWED


class Process(Protocol):
    """A process that was begun, whatever way."""

    def is_over(self) -> bool:
        """Whether it has ended."""

    def has_begun(self) -> bool:
        """Whether it has said, since this was asked last, that it does its work from now on."""

    def signal(self, by: signal.Signals) -> None:
        """Send it a signal, if it is there."""

    def wait(self, seconds: float) -> bool:
        """Wait so long for its end; say whether it has come."""

    def let_go(self) -> None:
        """Give back what is held of it."""


class Child:
    """One process of the service: how it is begun, and again when it has died."""

    def __init__(self, name: str, begin: Callable[[], Process]) -> None:
        self.name = name
        self._begin = begin
        self._process: Process | None = None
        self._started_at = 0.0
        self._deaths = 0

    def start(self) -> None:
        """Start it."""
        if self._process is not None:
            self._process.let_go()
        self._process = self._begin()
        self._started_at = time.monotonic()

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and not self._process.is_over()

    def has_begun(self) -> bool:
        """Whether it has said, since this was asked last, that it does its work from now on."""
        return self._process is not None and self._process.has_begun()

    def mind(self) -> None:
        """Start it again if it has died, later each time it dies young."""
        if self._process is None or not self._process.is_over():
            return
        lived = time.monotonic() - self._started_at
        if self._deaths and lived < min(0.1 * 2**self._deaths, LONGEST_RESTART_PAUSE_SECONDS):
            return
        self._deaths = self._deaths + 1 if lived < LONGEST_RESTART_PAUSE_SECONDS else 0
        log.error("a process of the service died and is started again", process=self.name, lived=round(lived, 1))
        self.start()

    def forget(self, run_dir: Path) -> None:
        """Take the note of its id away: the process is gone, and so is its name."""
        noted(run_dir, self.name).unlink(missing_ok=True)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end; with FOLLOWED, at its leisure, since another does its work already or at once."""
        if self._process is not None:
            self._process.signal(by)

    def wait(self, seconds: float) -> None:
        """Wait until it has ended; end it the hard way after so many seconds, which loses nothing."""
        if self._process is None:
            return
        if not self._process.wait(seconds):
            log.warning("a process did not stop in time and is killed", process=self.name)
            self._process.signal(signal.SIGKILL)
            self._process.wait(KILLED_SECONDS)
        self._process.let_go()


class Children:
    """The processes of a service. Who is `apart` is not started again: it has a successor, or is not one yet."""

    def __init__(self) -> None:
        self.receivers: list[Child] = []
        self.loaders: list[Child] = []
        self.schedulers: list[Child] = []
        self.consoles: list[Child] = []
        self.apart: list[Child] = []

    def mind(self) -> None:
        """Start again who has died."""
        for child in (*self.receivers, *self.loaders, *self.schedulers, *self.consoles):
            child.mind()

    def end(self) -> None:
        """Stop receivers and scheduler, then the loader, which empties the spools as far as the database lets it."""
        groups = (
            (self.receivers + self.apart, RECEIVER_STOP_SECONDS),
            (self.consoles, CONSOLE_STOP_SECONDS),
            (self.schedulers, SCHEDULE_STOP_SECONDS),
            (self.loaders, LOADER_STOP_SECONDS),
        )
        self.receivers, self.consoles, self.schedulers, self.loaders, self.apart = [], [], [], [], []
        for group, seconds in groups:
            for child in group:
                child.stop()
            for child in group:
                child.wait(seconds)


def noted(run_dir: Path, name: str) -> Path:
    """Give the file that tells the id of a process, for operators and tests."""
    return run_dir / f"{name}.pid"


def environment(settings: Settings, url: str | None, run_dir: Path) -> dict[str, str]:
    """Give what a child needs to know: the settings as they are here, and where metrics are shared."""
    told = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(run_dir / "metrics")}
    for name, value in settings.model_dump(mode="python", exclude={"WEBHOOK_SECRETS"}).items():
        if value is not None:
            told[PREFIX + name] = str(value)
    if settings.WEBHOOK_SECRETS:
        told[PREFIX + "WEBHOOK_SECRETS"] = ",".join(secret.get_secret_value() for secret in settings.WEBHOOK_SECRETS)
    if url:
        told[PREFIX + "DATABASE_URL"] = url
    return told


def begun() -> None:
    """In a child: tell the parent that it does its work from now on."""
    with suppress(OSError):
        os.write(0, b"!")


def stop_with_parent() -> None:
    """In a child: end when the parent is gone, however it went."""

    def watch() -> None:
        with suppress(OSError):
            while os.read(0, 1024):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
