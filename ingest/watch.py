"""
Notices that nobody reads what the loader says: TCP may confirm every byte of it, and the loader would wait for ever.

A server that is busy says nothing either. So a connection on which no byte has moved for some seconds is ended only
where a new one gets no answer at all.
"""

import os
import socket
import struct
from threading import Lock, Thread
from time import monotonic, sleep
from typing import Any

import psycopg
from sqlalchemy import Engine, event

LOOK_SECONDS = 0.5
SILENT_SECONDS = 3.0
ANSWER_SECONDS = 4
NOTHING = "the database answers nothing, not even a new connection"
_MOVED = struct.Struct("=QQ")  # tcpi_bytes_acked and tcpi_bytes_received of struct tcp_info
_MOVED_AT = 120


class Watch:
    """
    Watches over the connections of one engine, while its context is open; that may be opened again and again.

    Does nothing where the system does not tell which bytes have arrived, and for sockets that are no network's.
    """

    def __init__(self, engine: Engine) -> None:
        self._url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._lock = Lock()
        self._lines: dict[psycopg.Connection[Any], socket.socket] = {}
        self._begun_at: float | None = None
        self._is_cut = False
        # before other listeners, which may ask the server something, or for a connection
        event.listen(engine, "connect", lambda driver, _: self._add(driver), insert=True)
        event.listen(engine, "close", lambda driver, _: self._remove(driver))
        event.listen(engine, "do_connect", self._refuse, insert=True)
        if hasattr(socket, "TCP_INFO"):
            Thread(target=self._run, name="watch", daemon=True).start()

    def __enter__(self) -> None:
        """Watch from now on."""
        self._begun_at = monotonic()
        self._is_cut = False

    def __exit__(self, *_: object) -> None:
        """Watch no more."""
        self._begun_at = None

    def _add(self, driver: "psycopg.Connection[Any]") -> None:
        with self._lock:
            self._lines[driver] = socket.socket(fileno=os.dup(driver.fileno()))

    def _remove(self, driver: "psycopg.Connection[Any]") -> None:
        with self._lock:
            if line := self._lines.pop(driver, None):
                line.close()

    def _refuse(self, *_: object) -> None:
        """Leave out to connect anew at once, as the pool does for a connection that has ended: nobody answers."""
        if self._is_cut:
            raise psycopg.OperationalError(NOTHING)

    def _run(self) -> None:
        known: object = None
        since = monotonic()
        while True:
            sleep(LOOK_SECONDS)
            found = self._begun_at, self._moved()
            if found != known or not all(found):
                known, since = found, monotonic()
            elif monotonic() - since > SILENT_SECONDS:
                if not self._is_answered():
                    self._cut(found)
                since = monotonic()

    def _moved(self) -> list[tuple[int, ...]]:
        with self._lock:
            return [_moved(line) for line in self._lines.values() if line.family != socket.AF_UNIX]

    def _is_answered(self) -> bool:
        """Whether anybody answers a new connection, be it with a refusal."""
        try:
            psycopg.connect(self._url, connect_timeout=ANSWER_SECONDS, application_name="errhouse load").close()
        except psycopg.errors.ConnectionTimeout:
            return False
        except psycopg.Error:
            return True
        return True

    def _cut(self, found: object) -> None:
        """End the connections, unless something has moved meanwhile."""
        if found != (self._begun_at, self._moved()):
            return
        self._is_cut = True
        with self._lock:
            for line in self._lines.values():
                try:
                    line.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # it has ended by itself


def _moved(line: socket.socket) -> tuple[int, ...]:
    """Give how many bytes of ours have arrived, and how many have come; nothing where the kernel does not say."""
    try:
        told = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _MOVED_AT + _MOVED.size)
    except OSError:
        return ()
    return _MOVED.unpack_from(told, _MOVED_AT) if len(told) == _MOVED_AT + _MOVED.size else ()
