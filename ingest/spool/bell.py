"""
The bell between the two processes of a spool: a named pipe that the writer pokes and the reader listens on.

It only saves time. Whoever comes first makes the pipe; when it is missing, full, or nobody listens, the reader still
finds what is new, because it looks every `POLL_SECONDS` while it waits.
"""

import os
import select
import stat
import time
from contextlib import suppress
from pathlib import Path

from ingest.spool.disk import FILE_MODE

POLL_SECONDS = 0.05
_RETRY_SECONDS = 0.1  # how often the writer looks whether somebody listens by now


class Bell:
    """The writer's end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._next_try = 0.0

    def ring(self) -> None:
        """Poke the reader, if there is one; never waits, never raises."""
        if self._fd is None:
            now = time.monotonic()
            if now < self._next_try:
                return
            self._next_try = now + _RETRY_SECONDS
            self._fd = _open(self._path, os.O_WRONLY)
            if self._fd is None:
                return
        try:
            os.write(self._fd, b"!")
        except BlockingIOError:
            pass  # the pipe is full: the reader has been told often enough
        except OSError:
            self.close()

    def close(self) -> None:
        """Let go of the pipe."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class Ear:
    """The reader's end."""

    def __init__(self, path: Path) -> None:
        # Opened for both, so that a writer that leaves does not make the pipe readable for ever.
        self.fd = _open(path, os.O_RDWR)

    def clear(self) -> None:
        """Forget what has rung so far."""
        if self.fd is not None:
            with suppress(BlockingIOError):
                while len(os.read(self.fd, 4096)) == 4096:
                    pass

    def close(self) -> None:
        """Let go of the pipe."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


def listen(ears: list[Ear], timeout: float) -> None:
    """Wait until one of them hears something, at most `timeout` and at most the time between two looks."""
    heard = [ear.fd for ear in ears if ear.fd is not None]
    select.select(heard, (), (), max(0.0, min(timeout, POLL_SECONDS)))


def _open(path: Path, flags: int) -> int | None:
    try:
        with suppress(FileExistsError):
            os.mkfifo(path, FILE_MODE)
        fd = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None  # no listener, or no pipe to be had here
    if stat.S_ISFIFO(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None
