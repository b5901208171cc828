"""
SIGHUP: every process of a service is started again, one after the other, and no sender notices.

The listening socket stays open in the supervising process, and whoever waits in it waits for any receiver. The
successor of a receiver is started first, on a spool that nobody writes; when it takes connections, the one before takes
no more, answers what is asked on those it has, and ends. The loader reads every spool, with a receiver or without.

What runs afterwards is the code that is installed by then. The supervising process itself, and the settings it was
started with, stay as they are.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import FrameType

import structlog

from ingest.spool import rotate
from ingest.supervise import (
    CONSOLE_STOP_SECONDS,
    FOLLOWED,
    LOADER_STOP_SECONDS,
    RECEIVER_STOP_SECONDS,
    SCHEDULE_STOP_SECONDS,
    Child,
    Children,
    StopSignal,
)

BEGIN_SECONDS = 60.0  # a receiver that takes no connections by then is given up
DONE = object()

log = structlog.get_logger()
Waits = Generator[None, None, bool]


class HangUp:
    """Whether SIGHUP has come. It asks to end instead where the service's own terminal is gone."""

    def __init__(self, stop: StopSignal) -> None:
        self._stop = stop
        self._is_asked = False
        self._had_terminal = _has_terminal()
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # else it was started by nohup
            signal.signal(signal.SIGHUP, self._ask)

    def taken(self) -> bool:
        """Say it, once."""
        is_asked, self._is_asked = self._is_asked, False
        return is_asked

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if self._had_terminal and not _has_terminal():
            self._stop.ask()
        else:
            self._is_asked = True


def _has_terminal() -> bool:
    try:
        os.close(os.open(os.ctermid(), os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


class _Command:
    """A command in a process of its own, by the code that is there now, as the service's processes are."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)

    @property
    def has_succeeded(self) -> bool:
        return self._process.poll() == 0

    def is_over(self) -> bool:
        return self._process.poll() is not None

    def has_begun(self) -> bool:
        return False

    def signal(self, by: signal.Signals) -> None:
        with suppress(OSError):
            self._process.send_signal(by)

    def wait(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def let_go(self) -> None:
        """Hold nothing of it."""


class Reload:
    """
    Starts the processes of a service again.

    Takes: `renew`, which has what is begun from now on be of the code that is there now; `receiver`, which makes the
           receiver of a number; `given`, the environment of what uses the database.
    """

    def __init__(
        self,
        spool_dir: Path,
        run_dir: Path,
        children: Children,
        renew: Callable[[], None],
        receiver: Callable[[int], Child],
        given: dict[str, str],
    ) -> None:
        self._spool_dir = spool_dir
        self._run_dir = run_dir
        self._children = children
        self._renew = renew
        self._receiver = receiver
        self._given = given

    def steps(self) -> Iterator[None]:
        """Do it; yields while there is something to wait for. What cannot be done leaves everything as it was."""
        begun = time.monotonic()
        log.info("every process is started again")
        if not (yield from self._upgraded()):
            log.error("nothing was started again: the database could not be brought up to date, as was said before")
            return
        self._renew()
        for old in list(self._children.receivers):
            if not (yield from self._followed(old)):
                log.error("not everything was started again: a receiver did not start, as was said before")
                return
        children = self._children
        yield from self._again(children.loaders, FOLLOWED, LOADER_STOP_SECONDS)
        yield from self._again(children.schedulers, signal.SIGTERM, SCHEDULE_STOP_SECONDS)
        yield from self._again(children.consoles, signal.SIGTERM, CONSOLE_STOP_SECONDS)
        log.info("every process was started again", seconds=round(time.monotonic() - begun, 1))

    def _upgraded(self) -> Waits:
        """Migrate with the code that is there now, before anything of it runs."""
        command = [sys.executable, "-c", "from ingest.cli import main; main()", "db", "upgrade"]
        process = _Command(command, self._given)
        upgrade = Child("upgrade", lambda: process)
        self._children.apart.append(upgrade)
        upgrade.start()
        while upgrade.is_alive:
            yield
        self._children.apart.remove(upgrade)
        return process.has_succeeded

    def _followed(self, old: Child) -> Waits:
        """Put another receiver in the place of one; False when it does not start."""
        children = self._children
        taken = {child.name for child in children.receivers}
        number = next(number for number in count() if f"receive-{number}" not in taken)
        new = self._receiver(number)
        children.apart.append(new)
        new.start()
        deadline = time.monotonic() + BEGIN_SECONDS
        while not new.has_begun():
            if not new.is_alive or time.monotonic() > deadline:
                yield from self._gone(new, signal.SIGTERM, RECEIVER_STOP_SECONDS)
                return False
            yield
        children.apart.remove(new)
        children.receivers[children.receivers.index(old)] = new
        children.apart.append(old)
        asked = time.monotonic()
        yield from self._gone(old, FOLLOWED, RECEIVER_STOP_SECONDS)
        log.info("a receiver has left", process=old.name, seconds=round(time.monotonic() - asked, 1))
        return True

    def _gone(self, receiver: Child, by: signal.Signals, seconds: float) -> Iterator[None]:
        """End a receiver, and let what it leaves in its spool be loaded and removed."""
        yield from _ended(receiver, by, seconds)
        self._children.apart.remove(receiver)
        receiver.forget(self._run_dir)
        folder = self._spool_dir / receiver.name.rpartition("-")[2]
        try:
            rotate.ask(folder)
        except OSError as error:
            log.warning("a spool without a receiver keeps its newest segment", spool=str(folder), why=str(error))

    def _again(self, group: list[Child], by: signal.Signals, seconds: float) -> Iterator[None]:
        """End processes of which there may be only one, and start them again."""
        for child in list(group):
            group.remove(child)
            self._children.apart.append(child)
            yield from _ended(child, by, seconds)
            self._children.apart.remove(child)
            child.start()
            group.append(child)


def _ended(child: Child, by: signal.Signals, seconds: float) -> Iterator[None]:
    child.stop(by)
    deadline = time.monotonic() + seconds
    while child.is_alive and time.monotonic() < deadline:
        yield
    child.wait(0)
