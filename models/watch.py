"""
Notices that nobody reads what is said to the database: TCP may confirm every byte of it, and we would wait for ever.

A server that is busy says nothing either. So a connection on which no byte has moved for some seconds, while somebody
waits for it, is ended only where a new one gets no answer at all.
"""

import os
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock, Thread
from time import monotonic, sleep
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import Engine, event

LOOK_SECONDS = 0.5
SILENT_SECONDS = 3.0
ANSWER_SECONDS = 4
PATIENCE = 3  # so often for what takes minutes to do again, where the server may only have very much to do
REFUSED_SECONDS = 1.0  # so long nobody connects anew after the end, as a pool would do at once, and wait as long again
NOTHING = "the database answers nothing, not even a new connection"
_UNACKED = struct.Struct("=I")  # tcpi_unacked of struct tcp_info
_UNACKED_AT = 24
_BYTES = struct.Struct("=QQ")  # tcpi_bytes_acked and tcpi_bytes_received
_BYTES_AT = 120


class Moved(NamedTuple):
    """How many bytes of ours have arrived, how many have come, and how many pieces of ours are on their way."""

    acked: int = 0
    received: int = 0
    unacked: int = 0


NOTHING_MOVED = Moved()


@dataclass
class _Line:
    """One connection: its socket, since when nothing has moved, and what had when its user put it down."""

    socket: socket.socket
    since: float = field(default_factory=monotonic)
    moved: Moved = NOTHING_MOVED
    put_down: Moved | None = None

    def look(self) -> None:
        """See whether anything has moved, or nobody waits."""
        moved, before = _moved(self.socket), self.put_down
        was_asked = before is not None and (moved.acked > before.acked or moved.unacked > 0)
        is_awaited = before is None or (was_asked and moved.received == before.received)
        if moved != self.moved or not is_awaited:
            self.moved, self.since = moved, monotonic()


class Watch:
    """
    Watches over the connections of one engine, in a thread while there are any.

    One is waited for while it is taken out of the pool, and in the pool when it was asked whether it still lives. Does
    nothing where the system does not tell which bytes have arrived, and for sockets that are no network's.

    Takes: how often in a row a new connection must get no answer.
    """

    def __init__(self, engine: Engine, tries: int) -> None:
        self._tries = tries
        self._url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._lock = Lock()
        self._lines: dict[psycopg.Connection[Any], _Line] = {}
        self._refused_until = 0.0
        self._is_running = False
        if not hasattr(socket, "TCP_INFO"):
            return
        # before other listeners, which may ask the server something
        event.listen(engine, "connect", lambda driver, _: self._add(driver), insert=True)
        event.listen(engine, "do_connect", self._refuse)
        event.listen(engine, "checkout", lambda driver, *_: self._take(driver))
        event.listen(engine, "checkin", lambda driver, _: self._put_down(driver))
        for name in ("close", "close_detached"):
            event.listen(engine, name, lambda driver, *_: self._remove(driver))

    def _add(self, driver: "psycopg.Connection[Any]") -> None:
        line = socket.socket(fileno=os.dup(driver.fileno()))
        if line.family == socket.AF_UNIX:
            line.close()
            return
        with self._lock:
            self._lines[driver] = _Line(line)
            if not self._is_running:
                self._is_running = True
                Thread(target=self._run, name="watch", daemon=True).start()

    def _take(self, driver: "psycopg.Connection[Any]") -> None:
        with self._lock:
            if line := self._lines.get(driver):
                line.since, line.put_down = monotonic(), None

    def _put_down(self, driver: "psycopg.Connection[Any] | None") -> None:
        with self._lock:
            if driver is not None and (line := self._lines.get(driver)):
                line.put_down = _moved(line.socket)

    def _remove(self, driver: "psycopg.Connection[Any]") -> None:
        with self._lock:
            if line := self._lines.pop(driver, None):
                line.socket.close()

    def _refuse(self, *_: object) -> None:
        if monotonic() < self._refused_until:
            raise psycopg.OperationalError(NOTHING)

    def _run(self) -> None:
        while self._has_work():
            sleep(LOOK_SECONDS)
            silent = self._silent()
            if not silent:
                continue
            if any(self._is_answered() for _ in range(self._tries)):
                self._hear(silent)
            else:
                self._end(silent)

    def _has_work(self) -> bool:
        with self._lock:
            self._is_running = bool(self._lines)
            return self._is_running

    def _silent(self) -> dict["psycopg.Connection[Any]", Moved]:
        """Give the connections on which nothing has moved for too long, with what had before."""
        with self._lock:
            for line in self._lines.values():
                line.look()
            long_ago = monotonic() - SILENT_SECONDS
            return {driver: line.moved for driver, line in self._lines.items() if line.since < long_ago}

    def _is_answered(self) -> bool:
        """Whether anybody answers a new connection, be it with a refusal."""
        try:
            psycopg.connect(self._url, connect_timeout=ANSWER_SECONDS, application_name="errhouse watch").close()
        except psycopg.errors.ConnectionTimeout:
            return False
        except psycopg.Error:
            return True
        return True

    def _hear(self, silent: Iterable["psycopg.Connection[Any]"]) -> None:
        """Wait as long again for these."""
        with self._lock:
            for driver in silent:
                if line := self._lines.get(driver):
                    line.since = monotonic()

    def _end(self, silent: dict["psycopg.Connection[Any]", Moved]) -> None:
        """End these connections, unless something has moved meanwhile."""
        with self._lock:
            for driver, moved in silent.items():
                line = self._lines.get(driver)
                if line is None or _moved(line.socket) != moved:
                    continue
                self._refused_until = monotonic() + REFUSED_SECONDS
                try:
                    line.socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # it has ended by itself


def _moved(line: socket.socket) -> Moved:
    """Give which bytes have moved; none where the kernel does not say."""
    try:
        told = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_AT + _BYTES.size)
    except OSError:
        return NOTHING_MOVED
    if len(told) != _BYTES_AT + _BYTES.size:
        return NOTHING_MOVED
    return Moved(*_BYTES.unpack_from(told, _BYTES_AT), *_UNACKED.unpack_from(told, _UNACKED_AT))
