"""
The receiver's side of the spool: `await append(record)` returns once the record is durable.

Group commit: one thread takes whatever waits, writes it with one write and one fdatasync, and wakes the event loop
once for all of it. While it is at it the next group gathers, so the group grows with the load and nobody waits on a
timer.
"""

import asyncio
import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue

import msgspec
import structlog

from ingest import metrics
from ingest.spool import WAKE, SpoolBroken, SpoolFull
from ingest.spool.bell import Bell
from ingest.spool.disk import Disk
from ingest.spool.journal import Journal
from ingest.spool.segment import FRAME_BYTES, MAX_PAYLOAD_BYTES

SEGMENT_BYTES = 32 * 1024 * 1024
GROUP_BYTES = 8 * 1024 * 1024  # a group takes no further record beyond this
DEGRADED_SECONDS = 60.0  # so long after an error the disk is not trusted
TEND_SECONDS = 1.0  # so often the thread does what no record waits for
_RECOUNT_SECONDS = 0.2
_NEARLY_FULL = 0.9

log = structlog.get_logger()
_Waiting = tuple[bytes, "asyncio.Future[None]"]


class WriterStats(msgspec.Struct, frozen=True):
    """What there is to say of a writer; counts since it started."""

    bytes: int
    segments: int
    is_degraded: bool
    appended_count: int
    refused_count: int
    group_count: int
    failure_count: int


class SpoolWriter:
    """
    The one writer of a spool, to be used from one event loop.

    Takes:  `max_bytes`, what all segments together may hold; `segment_bytes`, from which size the next one is begun.
    Raises: SpoolLocked when another process writes this spool, PermissionError when the folder is not ours, OSError
            when it cannot be made. A full disk is no error here, `append` will say so.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        segment_bytes: int = SEGMENT_BYTES,
        disk: Disk | None = None,
    ) -> None:
        self._max_bytes = max_bytes
        self._journal = Journal(folder, segment_bytes, disk)
        self._bell = Bell(folder / WAKE)
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._waiting_bytes = 0
        self._counted_bytes = 0  # of all segments, when they were last counted
        self._counted_at = 0.0
        self._counted_written = 0  # what the journal had written by then
        self._appended = self._refused = self._groups = self._failures = 0
        self._recount()

    async def append(self, record: bytes) -> None:
        """
        Return once the record is durable.

        A caller that gives up waiting (cancels) takes nothing back: the record is still written.

        Raises: SpoolFull; SpoolBroken, after which the record may still turn up at the reader.
        """
        size = len(record) + FRAME_BYTES
        if self._is_closed:
            raise SpoolBroken("the spool is closed")
        if size > MAX_PAYLOAD_BYTES or not self._has_room(size):
            self._refused += 1
            raise SpoolFull(f"a record of {size} bytes has no room: the spool may hold {self._max_bytes}")
        if self._loop is None:
            self._start()
        assert self._loop is not None  # noqa: S101  # _start has set it
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting_bytes += size
        self._queue.put((record, future))
        await future

    def stats(self) -> WriterStats:
        """Say how it goes; reads the folder at most every 200 ms."""
        if time.monotonic() - self._counted_at > _RECOUNT_SECONDS:
            self._recount()
        failed_at = self._journal.failed_at
        return WriterStats(
            bytes=self._live_bytes(),
            segments=self._segments,
            is_degraded=failed_at is not None and time.monotonic() - failed_at < DEGRADED_SECONDS,
            appended_count=self._appended,
            refused_count=self._refused,
            group_count=self._groups,
            failure_count=self._journal.failures,
        )

    async def close(self) -> None:
        """Write what waits, then give the spool back."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._thread is None:
            self._journal.close()
            return
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._write_groups, name="spool-writer", daemon=True)
        self._thread.start()

    def _has_room(self, size: int) -> bool:
        needed = self._live_bytes() + self._waiting_bytes + size
        if needed > _NEARLY_FULL * self._max_bytes and time.monotonic() - self._counted_at > _RECOUNT_SECONDS:
            self._recount()  # the reader removes what is loaded
            needed = self._live_bytes() + self._waiting_bytes + size
        return needed <= self._max_bytes

    def _live_bytes(self) -> int:
        return self._counted_bytes + self._journal.written_bytes - self._counted_written

    def _recount(self) -> None:
        self._counted_written = self._journal.written_bytes
        live = self._journal.live()
        self._counted_bytes = sum(live.values())
        self._segments = len(live)
        self._counted_at = time.monotonic()

    def _write_groups(self) -> None:
        """Run in the thread until there is nothing more to come."""
        is_open = True
        tend_at = time.monotonic() + TEND_SECONDS
        while is_open:
            group, is_open = self._gather()
            is_heard = not group or self._commit(group)
            self._tell_failures()
            if not is_heard:
                break
            if is_open and time.monotonic() >= tend_at:
                self._tend()
                tend_at = time.monotonic() + TEND_SECONDS
        self._bell.close()
        self._journal.close()

    def _commit(self, group: list[_Waiting]) -> bool:
        """Make a group durable and have those who wait told; False when nobody is left."""
        assert self._loop is not None  # noqa: S101  # the thread is started after it is set
        error: SpoolBroken | None = None
        try:
            self._journal.commit([record for record, _ in group])
        except SpoolBroken as broken:
            error = broken
        except Exception as unexpected:  # noqa: BLE001  # whatever it is, those who wait must hear of it
            error = SpoolBroken(f"the spool cannot be written: {unexpected!r}")
        try:
            self._loop.call_soon_threadsafe(self._settle, group, error)
        except RuntimeError:
            return False  # the loop is gone, and with it everybody who waited
        self._bell.ring()
        return True

    def _tend(self) -> None:
        """Let the journal look after itself; whatever goes wrong with that, records are still taken."""
        try:
            self._journal.tend()
        except Exception:
            log.exception("the spool cannot be looked after")

    def _tell_failures(self) -> None:
        """Count and log the segments that were given up since the last time."""
        failures = self._journal.failures
        if failures != self._failures:
            metrics.SPOOL_FAILURES.inc(failures - self._failures)
            log.error("the disk failed; records are written into a new segment", failures=failures)
            self._failures = failures

    def _gather(self) -> tuple[list[_Waiting], bool]:
        """Wait a while for a record and take all that are there; False when the end was among them."""
        group: list[_Waiting] = []
        size = 0
        try:
            item = self._queue.get(timeout=TEND_SECONDS)
        except Empty:
            return group, True
        while item is not None:
            group.append(item)
            size += len(item[0])
            if size >= GROUP_BYTES:
                return group, True
            try:
                item = self._queue.get_nowait()
            except Empty:
                return group, True
        return group, False

    def _settle(self, group: list[_Waiting], error: SpoolBroken | None) -> None:
        """Run in the event loop: tell those who wait."""
        self._groups += 1
        for record, future in group:
            self._waiting_bytes -= len(record) + FRAME_BYTES
            if future.done():
                continue  # given up meanwhile
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(SpoolBroken(str(error)))  # each its own: raising adds a traceback
        if error is None:
            self._appended += len(group)
