"""
The loader's side of the spool: every record in order, and every byte that is none with the reason why.

    reader = SpoolReader(folder, position)          # the position that was committed with the rows
    for item in reader.read(max_records, max_bytes): …
    commit the rows and items[-1].position in one transaction
    reader.release(items[-1].position)              # only now may segments go

The reader may see bytes that are not synced yet: loading what nobody was promised does no harm. The last frame of the
newest segment may be incomplete, which means "not yet"; in an older one it never will be complete and is a torn tail.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import structlog

from ingest.spool import ASIDE, READER_LOCK, WAKE, Position, foreign, segment_path, segments, take, written
from ingest.spool.backlog import Backlog, BacklogCounter
from ingest.spool.bell import Ear, listen
from ingest.spool.disk import Disk
from ingest.spool.ledger import counted
from ingest.spool.segment import HEADER_BYTES, VERSION, decode_header
from ingest.spool.segment_reader import Damaged, Record, SegmentReader
from models import failpoints

_NO_SPOOL = UUID(int=0)

log = structlog.get_logger()


class SpoolReader:
    """
    The one reader of a spool.

    Takes:  the position that was committed last; None, one of another spool, or one ahead of what there is means: from
            the oldest byte there is, which repeats work and never loses any.
    Raises: SpoolLocked when another process reads this spool, PermissionError when the folder is not ours.
    """

    def __init__(self, folder: Path, position: Position | None = None, disk: Disk | None = None) -> None:
        self._folder = folder
        self._disk = disk or Disk()
        self._disk.prepare(folder)
        self._lock = take(self._disk, folder, READER_LOCK)
        self.ear = Ear(folder / WAKE)
        self.torn_count = 0  # tails that a crash left, without any content
        self.damaged_count = 0
        self._current: SegmentReader | None = None
        self._last = 0  # the segment that was read before the current one; 0 is not known
        self._has_more = True
        self._spool = written(self._disk, folder) or _NO_SPOOL
        self._counter = BacklogCounter(folder, self._disk)
        self._committed: Position | None = None
        self._given: Position | None = None  # behind what was handed over last
        self._seek(position)
        if names := foreign(self._disk, folder):
            log.warning("spool holds foreign names, they are left alone", spool=str(folder), names=names[:20])

    def read(self, max_records: int = 1000, max_bytes: int = 8 * 1024 * 1024) -> list[Record | Damaged]:
        """Give what comes next, about so much at most, and at least one when there is one; never waits."""
        items: list[Record | Damaged] = []
        size = 0
        self._has_more = True
        while len(items) < max_records and size < max_bytes:
            if self._current is None and not self._open_next(items):
                self._has_more = False
                break
            assert self._current is not None  # noqa: S101  # _open_next has set it
            taken = self._current.take(max_records - len(items), max_bytes - size)
            items += taken
            size += sum(len(item.payload if isinstance(item, Record) else item.data) for item in taken)
            if taken:
                continue
            if self._current.is_sealed:
                self._leave()
            elif self._has_newer():
                self._current.is_sealed = True  # and look once more: it may have grown before the newer one began
            else:
                self._has_more = False
                break
        if items:
            self._given = items[-1].position
        self._report(items)
        return items

    def is_behind(self) -> bool:
        """Say whether `read` may have something: cheap, sometimes true for nothing, never false for something."""
        if self._has_more:
            return True
        if self._current is not None and self._current.size() != self._current.seen_bytes:
            return True
        return self._has_newer()

    def wait(self, timeout: float) -> bool:
        """Wait for something new, at most `timeout` seconds; for several spools see the function `wait`."""
        return wait([self], timeout)

    def release(self, position: Position) -> int:
        """Remove the segments that lie wholly before a committed position, and are counted; give their number."""
        if position.spool != self._spool:
            return 0
        self._committed = position
        done = [segment for segment in segments(self._disk, self._folder) if segment < position.segment]
        if done and (known := counted(self._disk, self._folder, self._spool)):
            done = [segment for segment in done if segment <= known.through_segment]
        for segment in done:
            path = segment_path(self._folder, segment)
            if self._is_of_this_version(path):
                self._disk.unlink(path)
                failpoints.passed(failpoints.SEGMENT_UNLINKED)
            else:
                self._disk.move(path, self._folder / ASIDE)
        if done:
            self._disk.sync_folder(self._folder)
        return len(done)

    @property
    def committed(self) -> Position | None:
        """The position that was released last, or given at start and fits; None when everything is read anew."""
        return self._committed

    def next_segment(self) -> Position | None:
        """
        Give the beginning of the newest segment, once everything before it is handed over, released and counted.

        A committed position there lets `release` remove what a spool that went idle would keep.
        """
        at, current = self._committed, self._current
        if at is None or current is None or self._given not in {None, at}:
            return None
        if current.number <= at.segment or current.offset > HEADER_BYTES:
            return None
        known = counted(self._disk, self._folder, self._spool)
        is_counted = known is None or known.through_segment >= current.number - 1
        return Position(self._spool, current.number, 0) if is_counted else None

    def backlog(self) -> Backlog:
        """Say what lies after the position that was released last: what is not known to be loaded."""
        return self._counter.look(self._committed)

    def close(self) -> None:
        """Let another process read."""
        if self._current is not None:
            self._current.close()
            self._current = None
        self.ear.close()
        self._disk.close(self._lock)

    def _seek(self, position: Position | None) -> None:
        there = segments(self._disk, self._folder)
        if position is None or not there:
            return
        if position.spool != self._spool:
            log.warning("position is of another spool: reading from the oldest record", spool=str(self._folder))
        elif position.segment > max(there) or position.offset > there.get(position.segment, position.offset):
            log.warning("position is ahead of the spool: reading from the oldest record", spool=str(self._folder))
        else:
            self._committed = position
            self._last = position.segment - 1
            if position.segment in there:
                self._current = self._open(position.segment, position.offset)

    def _open_next(self, items: list[Record | Damaged]) -> bool:
        number = min((segment for segment in segments(self._disk, self._folder) if segment > self._last), default=None)
        if number is None:
            return False
        if self._spool == _NO_SPOOL:
            self._spool = written(self._disk, self._folder) or _NO_SPOOL
        if self._last and number > self._last + 1:
            why = f"missing: segments {self._last + 1} to {number - 1} are not in {self._folder}"
            items.append(Damaged(b"", Position(self._spool, number, 0), why))
        self._current = self._open(number, 0)
        return True

    def _open(self, number: int, offset: int) -> SegmentReader:
        return SegmentReader(self._disk, self._folder, number, self._spool, offset)

    def _leave(self) -> None:
        assert self._current is not None  # noqa: S101  # there is one to leave
        self.torn_count += self._current.torn_count
        self._last = self._current.number
        self._current.close()
        self._current = None

    def _has_newer(self) -> bool:
        last = self._current.number if self._current is not None else self._last
        return any(segment > last for segment in segments(self._disk, self._folder))

    def _is_of_this_version(self, path: Path) -> bool:
        fd = self._disk.open(path)
        try:
            header = decode_header(self._disk.read(fd, HEADER_BYTES, 0))
        except OSError:
            header = None
        finally:
            self._disk.close(fd)
        return header is None or header.version == VERSION

    def _report(self, items: list[Record | Damaged]) -> None:
        damaged = [item for item in items if isinstance(item, Damaged)]
        if not damaged:
            return
        self.damaged_count += len(damaged)
        log.warning(
            "spool holds bytes that are no record",
            spool=str(self._folder),
            pieces=len(damaged),
            bytes=sum(len(item.data) for item in damaged),
            segment=damaged[0].position.segment,
            before=damaged[0].position.offset,
            why=damaged[0].why,
        )


def wait(readers: Sequence[SpoolReader], timeout: float) -> bool:
    """Wait until one of them has something new, at most `timeout` seconds; True when one has."""
    deadline = time.monotonic() + timeout
    while True:
        for reader in readers:
            reader.ear.clear()
        if any(reader.is_behind() for reader in readers):
            return True
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        listen([reader.ear for reader in readers], left)
