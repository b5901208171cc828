"""Ends what an engine is doing, from another thread: a service that is told to stop does not wait for an index."""

from contextlib import suppress
from threading import Event, Lock
from typing import Any

import psycopg
from sqlalchemy import Engine, event

CANCEL_SECONDS = 1.0


class Halted(Exception):
    """The service stops; no further statement is begun."""


class Halt:
    """
    Knows the connections of an engine that are in use.

    Once called, it cancels their statements and refuses every further one with `Halted`; calling it again does no harm.
    """

    def __init__(self, engine: Engine) -> None:
        self.is_asked = Event()
        self._lock = Lock()
        self._busy: set[psycopg.Connection[Any]] = set()
        event.listen(engine, "checkout", lambda driver, *_: self._add(driver))
        for name in ("checkin", "close_detached"):
            event.listen(engine, name, lambda driver, *_: self._remove(driver))
        event.listen(engine, "detach", lambda driver, *_: self._add(driver))
        event.listen(engine, "before_cursor_execute", self._refuse)

    def __call__(self) -> None:
        """Stop it."""
        self.is_asked.set()
        with self._lock:
            busy = list(self._busy)
        for driver in busy:
            with suppress(psycopg.Error, OSError):
                driver.cancel_safe(timeout=CANCEL_SECONDS)

    def pause(self, seconds: float) -> None:
        """Wait so long, or until stopped."""
        self.is_asked.wait(seconds)

    def _add(self, driver: psycopg.Connection[Any]) -> None:
        with self._lock:
            self._busy.add(driver)

    def _remove(self, driver: psycopg.Connection[Any]) -> None:
        with self._lock:
            self._busy.discard(driver)

    def _refuse(self, *_: object) -> None:
        if self.is_asked.is_set():
            raise Halted
