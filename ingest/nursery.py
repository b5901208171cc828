"""
The nursery: a process that has imported what those of a service need, and forks one whenever it is asked to.

So one that has died is there again before its senders give up, who wait in the listening socket meanwhile; to import
takes a second or more, and all of it is in memory once. The nursery does nothing else: it has one thread, no connection
and no event loop, so that a copy of it is as good as a new process.
"""

import errno
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import structlog

PROGRAM = (sys.executable, "-c", "from ingest.nursery import main; main()")
IMPORTED = (
    "ingest.cli",
    "ingest.processes",
    "ingest.app",
    "ingest.console",
    "ingest.followed",
    "ingest.overload",
    "ingest.tls",
    "ingest.wire",
    "uvicorn.lifespan.on",
    "uvloop",
)
"""What receivers and loader need; the console and the scheduler import the rest of theirs."""
NUMBER = struct.Struct("=i")
BORN_SECONDS = 30.0
GONE_SECONDS = 5.0
LOOK_SECONDS = 0.02
TITLE = "err:"  # with which the names begin under which the system shows these processes
TITLE_CHARS = 15  # the kernel keeps no more

log = structlog.get_logger()


class Forked:
    """A process that the nursery was asked for. `line` is its standard input: it ends when this end does."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._line.setblocking(False)
        self._pid: int | None = None
        self._is_gone = False

    @property
    def pid(self) -> int | None:
        """Its id, once it is born."""
        if self._pid is None:
            with suppress(OSError):
                told = self._line.recv(NUMBER.size)  # written in one piece, as the first thing it does
                self._pid = NUMBER.unpack(told)[0] if len(told) == NUMBER.size else None
        return self._pid

    def is_over(self) -> bool:
        """Whether it has ended, or never came to be."""
        if not self._is_gone:
            pid = self.pid  # which is told in the line
            self._is_gone = _is_hung_up(self._line) or (pid is not None and not _is_there(pid))
        return self._is_gone

    def has_begun(self) -> bool:
        """Whether it has said, since this was asked last, that it does its work from now on."""
        try:
            return self.pid is not None and bool(self._line.recv(1))
        except OSError:  # it has not, or is gone
            return False

    def signal(self, by: signal.Signals) -> None:
        """Send it a signal, if it is there."""
        until = time.monotonic() + BORN_SECONDS
        while self.pid is None and not self.is_over() and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
        if self.pid is not None and not self.is_over():
            with suppress(OSError):
                os.kill(self.pid, by)

    def wait(self, seconds: float) -> bool:
        """Wait so long for its end; say whether it has come."""
        until = time.monotonic() + seconds
        while not self.is_over():
            if time.monotonic() >= until:
                return False
            time.sleep(LOOK_SECONDS)
        return True

    def let_go(self) -> None:
        """Let it end by itself, if it is still there."""
        self._is_gone = True
        self._line.close()


class Nursery:
    """
    The nursery as the supervising process knows it.

    Takes: what is in its environment; the sockets that those it forks may be given.
    """

    def __init__(self, environment: dict[str, str], handles: tuple[int, ...]) -> None:
        self._environment = environment
        self._handles = handles
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._left: list[subprocess.Popen[bytes]] = []  # those before, which end after the last they have forked

    def start(self) -> None:
        """Start it, or a new one with the code that is installed by now; who was forked stays."""
        self._leave()
        self._line, its = socket.socketpair()
        with its:
            command = [*PROGRAM, *map(str, self._handles)]
            self._process = subprocess.Popen(
                command, env=self._environment, stdin=its.fileno(), pass_fds=self._handles, start_new_session=True
            )

    def fork(
        self, name: str, arguments: list[str], environment: dict[str, str], handles: tuple[int, ...], note: Path
    ) -> Forked:
        """
        Ask for a process that runs `errhouse` with these arguments; it is there when `pid` is told.

        Takes: its name, under which the system shows it; its whole environment; which sockets it keeps; the file for
               its id.
        """
        asked = json.dumps(
            {"name": name, "arguments": arguments, "environment": environment, "keep": handles, "note": str(note)}
        ).encode()
        if self._process is None or self._process.poll() is not None:
            if self._process is not None:
                log.error("the nursery died and is started again", status=self._process.returncode)
            self.start()
        line, its = socket.socketpair()
        with its:
            self._send(NUMBER.pack(len(asked)) + asked, its.fileno())
        return Forked(line)

    def end(self) -> None:
        """End it when everybody it has forked is gone."""
        self._leave()
        for process in self._left:
            try:
                process.wait(GONE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._left = []

    def _leave(self) -> None:
        """Ask it for nobody any more; it waits for those it has forked, and ends."""
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            self._left.append(self._process)
        self._left = [each for each in self._left if each.poll() is None]
        self._line = self._process = None

    def _send(self, asked: bytes, handle: int) -> None:
        assert self._line is not None  # noqa: S101 - it was started
        with suppress(BrokenPipeError, ConnectionResetError):  # it died just now: what was asked for is over at once
            sent = socket.send_fds(self._line, [asked], [handle])
            self._line.sendall(asked[sent:])


def main() -> None:
    """Run the nursery; in a process it has forked, run that."""
    _titled("nursery")
    for each in IMPORTED:
        import_module(each)
    import_module("ingest.memory").settle()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells everybody; the supervising process decides
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that nobody has to take note of an end
    _wait({int(each) for each in sys.argv[1:]})
    import_module("ingest.cli").main()


def _wait(handles: set[int]) -> None:
    """Return in a forked process only; the nursery ends when nobody can ask any more and those it forked are gone."""
    control = socket.socket(fileno=0)
    while True:
        asked, handle = _asked(control)
        if asked is None:
            with suppress(ChildProcessError):
                os.wait()  # for all of them: nobody takes note of a single one
            sys.exit()
        if threading.active_count() > 1:
            raise RuntimeError("the nursery has a second thread, which a copy of it would lack")
        if os.fork() == 0:
            control.detach()
            _live(asked, handle, handles)
            return
        os.close(handle)


def _asked(control: socket.socket) -> tuple[dict[str, Any] | None, int]:
    """Give what was asked, with the handle of the line to who asks; None when nobody is there any more."""
    try:
        got, handles, _, _ = socket.recv_fds(control, NUMBER.size, 1)
        if len(got) < NUMBER.size or not handles:
            return None, -1
        (size,) = NUMBER.unpack(got)
        asked = b""
        while len(asked) < size:
            more = control.recv(size - len(asked))
            if not more:
                return None, -1
            asked += more
    except OSError:
        return None, -1
    found: dict[str, Any] = json.loads(asked)
    return found, handles[0]


def _live(asked: dict[str, Any], line: int, handles: set[int]) -> None:
    """Make a copy of the nursery the process that was asked for."""
    os.setsid()
    os.dup2(line, 0)
    os.close(line)
    for handle in handles - set(asked["keep"]):
        os.close(handle)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(asked["environment"])
    _titled(asked["name"])
    pid = os.getpid()
    note = Path(asked["note"])
    draft = note.with_suffix(f".{pid}.tmp")  # its own: another of this name may be born at this moment
    draft.write_text(str(pid))
    draft.replace(note)  # whoever reads it reads a number
    os.write(0, NUMBER.pack(pid))
    sys.argv = ["errhouse", *asked["arguments"]]


def _titled(name: str) -> None:
    """Have the system show a name for this process; where it cannot, nothing is missed."""
    with suppress(OSError):
        Path("/proc/self/comm").write_text(f"{TITLE}{name}"[:TITLE_CHARS])


def _is_hung_up(line: socket.socket) -> bool:
    looking = select.poll()
    looking.register(line, 0)
    return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in looking.poll(0))


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno != errno.ESRCH
    return True
