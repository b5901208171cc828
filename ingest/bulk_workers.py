"""
The processes behind `errhouse load`: each reads, normalizes and loads batches over a connection of its own.

Loaders of one project take turns in the database, so what runs side by side is the reading; that is most of the work.
"""

import os
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import NamedTuple, Self

from ingest import memory
from ingest.errors import IngestError
from ingest.interpret import EPOCH
from ingest.load import Loader
from ingest.progress import Tally
from ingest.records import Door, Payload
from ingest.sqlstate import DATABASE_ERRORS, Verdict, told, verdict
from models.clock import now
from models.engine import engine_for
from models.settings import Settings

ORIGIN = "file"
MOST_PROCESSES = 8
TRIES = 5
PAUSE_SECONDS = 1.0


class Document(NamedTuple):
    """One JSON document, or one envelope, of a file: its bytes and its number, counted from 1."""

    body: bytes
    number: int


class Workers:
    """Some processes that load, or none: then it is done here."""

    def __init__(self, url: str, settings: Settings, *, is_parallel: bool) -> None:
        self._count = min(os.cpu_count() or 1, MOST_PROCESSES) if is_parallel else 0
        self._start = (url, settings)

    def __enter__(self) -> Self:
        """Start the processes."""
        self._pool = None
        if self._count > 1:
            self._pool = ProcessPoolExecutor(self._count, get_context("spawn"), _begin, self._start)
        else:
            _begin(*self._start)
        return self

    def __exit__(self, *_: object) -> None:
        """End them; batches that have begun are finished."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def load(
        self, batches: Iterator[list[Document]], project_id: int | None, headers: Mapping[str, str]
    ) -> Iterator[tuple[Tally, int]]:
        """
        Load batches; give, in their order, what became of each and the number of its last document.

        Raises: IngestError when the database fails for good.
        """
        received_at_us = int((now() - EPOCH).total_seconds() * 1e6)
        waiting: deque[tuple[Future[Tally | str], int]] = deque()
        for batch in batches:
            call = ([each.body for each in batch], received_at_us, project_id, dict(headers))
            if self._pool is None:
                yield _checked(_load(*call)), batch[-1].number
                continue
            waiting.append((self._pool.submit(_load, *call), batch[-1].number))
            while len(waiting) > 2 * self._count:
                yield _result(*waiting.popleft())
        while waiting:
            yield _result(*waiting.popleft())


def _result(future: Future[Tally | str], number: int) -> tuple[Tally, int]:
    try:
        return _checked(future.result()), number
    except BrokenProcessPool:
        raise IngestError(
            "A loading process was killed; what came before is loaded, run the same command again."
        ) from None


def _checked(found: Tally | str) -> Tally:
    if isinstance(found, str):
        raise IngestError(f"The database failed ({found}); what came before is loaded, run the same command again.")
    return found


_loader: Loader


def _begin(url: str, settings: Settings) -> None:
    global _loader  # noqa: PLW0603 - one a process, for the pool has nowhere else to keep it
    memory.settle()
    if (parent := parent_process()) is not None:
        Thread(target=_end_with, args=(parent,), daemon=True).start()
    _loader = Loader(engine_for(url, application="errhouse load"), settings, now)


def _end_with(parent: BaseProcess) -> None:
    """End with the process that wants the work; one that is killed cannot say so."""
    parent.join()
    os._exit(1)


def _load(bodies: list[bytes], received_at_us: int, project_id: int | None, headers: dict[str, str]) -> Tally | str:
    """Load one batch, with patience; a failure is said in words, for not every error can cross to another process."""
    payloads = [Payload(received_at_us, Door.FILE, body, project_id, headers) for body in bodies]
    for left in reversed(range(TRIES)):
        try:
            return _loader.load(payloads, origin=ORIGIN)
        except DATABASE_ERRORS as error:
            if verdict(error) is not Verdict.RETRY or not left:
                return told(error)
            _loader.reset()
            time.sleep(PAUSE_SECONDS)
    raise AssertionError
