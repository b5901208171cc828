"""Writing segments, a group of records at a time, durable when `commit` returns; knows no threads and no asyncio."""

import errno
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ingest.spool import ROTATE, WRITER_LOCK, SpoolBroken, found, segment_path, segments, take
from ingest.spool.disk import Disk
from ingest.spool.ledger import Ledger
from ingest.spool.segment import HEADER_BYTES, Keys, encode, encode_header, keys
from models import failpoints
from models.clock import now_us

RETRY_SECONDS = 0.5  # after two segments failed, so long nothing is written: each try leaves a file behind
OLD_SECONDS = 600.0  # a segment that is older takes nothing more, so that what is loaded does not stay beside it
IDLE_SECONDS = 900.0  # a segment that is older is followed by a new one though nothing comes
_READS_AT_START = 2  # segments counted before the first record is taken; a crash leaves one


@dataclass
class Segment:
    """The segment that grows."""

    fd: int
    number: int
    keys: Keys
    begun_us: int
    size: int = HEADER_BYTES
    records: int = 0


class Journal:
    """
    The one writer of a spool.

    An error while a group is written or synced makes its segment suspect: it is never written or synced again, since
    the system may have forgotten the pages it could not write and then call the next sync a success. The group is
    written once more, into a new segment.

    Raises: SpoolLocked when another process writes this spool, PermissionError when the folder is not ours.
    """

    def __init__(
        self,
        folder: Path,
        segment_bytes: int,
        disk: Disk | None = None,
        now_us: Callable[[], int] = now_us,
    ) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._disk = disk or Disk()
        self._now_us = now_us
        self._disk.prepare(folder)
        self._lock = take(self._disk, folder, WRITER_LOCK)
        self._segment: Segment | None = None
        self._blocked_until = 0.0
        self.failures = 0  # segments that were given up
        self.failed_at: float | None = None  # monotonic
        self.written_bytes = 0  # since the start, headers and frames
        try:
            self._spool = found(self._disk, folder)
            there = segments(self._disk, folder)
            self._ledger = Ledger(self._disk, folder, self._spool, there)
            self._last = max((*there, self._ledger.through))
        except OSError:
            self._disk.close(self._lock)
            raise
        try:
            self._begin(_READS_AT_START)
            self._answer()
        except OSError:  # a full disk must not keep the receiver from starting: it answers 503 until there is room
            self._give_up()

    def commit(self, records: Sequence[bytes]) -> None:
        """
        Make the records durable, in their order.

        Raises: SpoolBroken; the records may or may not be read later.
        """
        if time.monotonic() < self._blocked_until:
            raise SpoolBroken(f"the spool {self._folder} cannot be written at the moment")
        try:
            self._write(records)
        except OSError:
            self._give_up()
            try:
                self._write(records)
            except OSError as error:
                self._give_up()
                self._blocked_until = time.monotonic() + RETRY_SECONDS
                raise SpoolBroken(f"the spool {self._folder} cannot be written: {error.strerror or error}") from error

    def tend(self) -> None:
        """Do what no record waits for, once a second or so: begin a new segment where one is due, count the others."""
        segment = self._segment
        try:
            is_asked = self._disk.load(self._folder / ROTATE) is not None
            if segment is not None and segment.size > HEADER_BYTES and (is_asked or self._age(segment) >= IDLE_SECONDS):
                self._seal(segment)
                self._begin(1)
            if is_asked:
                self._answer()
        except OSError:
            self._give_up()
        self._ledger.settle(1)

    def live(self) -> dict[int, int]:
        """List the segments that are there now, with their sizes."""
        return segments(self._disk, self._folder)

    def close(self) -> None:
        """Let another process write."""
        if self._segment is not None:
            self._disk.close(self._segment.fd)
            self._segment = None
        self._disk.close(self._lock)

    def _write(self, records: Sequence[bytes]) -> None:
        segment = self._segment
        if segment is not None and self._is_over(segment):
            self._seal(segment)
            segment = self._begin(1)
        elif segment is None:
            segment = self._begin()
        data = encode(records, segment.keys, self._now_us())
        failpoints.passed(failpoints.SPOOL_WRITE_BEGUN)
        try:
            _append(self._disk, segment.fd, data)
            failpoints.passed(failpoints.SPOOL_WRITTEN)
        except OSError:
            # Nobody was promised these bytes; without them a full disk has room again, and no torn record is set aside.
            with suppress(OSError):
                self._disk.truncate(segment.fd, segment.size)
            raise
        self._disk.sync(segment.fd)
        failpoints.passed(failpoints.SPOOL_SYNCED)
        segment.size += len(data)
        segment.records += len(records)
        self.written_bytes += len(data)

    def _is_over(self, segment: Segment) -> bool:
        # a clock that was set back makes it old too, lest nobody can tell
        is_old = segment.size > HEADER_BYTES and not 0 <= self._age(segment) < OLD_SECONDS
        return is_old or segment.size >= self._segment_bytes

    def _age(self, segment: Segment) -> float:
        return (self._now_us() - segment.begun_us) / 1e6

    def _seal(self, segment: Segment) -> None:
        """Leave a segment that is whole."""
        self._segment = None
        self._ledger.seal(segment.number, segment.records)
        self._disk.close(segment.fd)

    def _begin(self, reads: int = 0) -> Segment:
        """Start the next segment; its name is durable before any record is in it. Then the others are counted."""
        number, fd = self._create()
        try:
            _append(self._disk, fd, encode_header(self._spool, number))
            self._disk.sync(fd)
            self._disk.sync_folder(self._folder)
            failpoints.passed(failpoints.FOLDER_SYNCED)
        except OSError:
            # The file stays, empty: the reader may hold it open, so its id must not be given out again.
            self._ledger.seal(number, 0)
            self._disk.close(fd)
            raise
        self.written_bytes += HEADER_BYTES
        self._segment = Segment(fd, number, keys(self._spool, number), self._now_us())
        self._ledger.settle(reads)
        return self._segment

    def _create(self) -> tuple[int, int]:
        while True:
            try:
                fd = self._disk.create(segment_path(self._folder, self._last + 1))
            except FileExistsError:  # something foreign has the name
                self._last += 1
                self._ledger.seal(self._last, None)
            else:
                self._last += 1
                failpoints.passed(failpoints.SEGMENT_CREATED)
                return self._last, fd

    def _give_up(self) -> None:
        self.failures += 1
        self.failed_at = time.monotonic()
        if self._segment is not None:
            self._ledger.seal(self._segment.number, None)
            with suppress(OSError):
                self._disk.close(self._segment.fd)
            self._segment = None

    def _answer(self) -> None:
        """Tell whoever asked for a new segment that it has begun."""
        self._disk.unlink(self._folder / ROTATE)


def _append(disk: Disk, fd: int, data: bytes) -> None:
    view = memoryview(data)
    if failpoints.awaits(failpoints.SPOOL_WRITE_HALF):
        view = view[disk.write(fd, view[: len(view) // 2]) :]
        failpoints.passed(failpoints.SPOOL_WRITE_HALF)
    while view:
        taken = disk.write(fd, view)
        if not taken:
            raise OSError(errno.EIO, "the disk took nothing")
        view = view[taken:]
