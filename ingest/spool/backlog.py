"""
How much of a spool is not loaded yet.

Counts by hopping from frame to frame without reading payloads, and remembers what it has counted. It needs no lock:
any process that knows the committed position may count.
"""

from pathlib import Path
from uuid import UUID

import msgspec

from ingest.spool import Position, identify, segment_path, segments
from ingest.spool.disk import Disk
from ingest.spool.segment import FRAME_BYTES, HEADER_BYTES, VERSION, Keys, decode_header, frame_head, resync
from ingest.spool.segment_reader import keys_of

HOPS_PER_LOOK = 10_000  # about 15 ms, which an event loop can bear; what lies beyond is estimated, and counted later


class Backlog(msgspec.Struct, frozen=True):
    """
    What lies after a position.

    `is_exact` is False only while a huge backlog is not counted to its end. `oldest_written_at_us` is when the first
    of the events was written, microseconds since the epoch; None when there is none.
    """

    events: int
    bytes: int
    oldest_written_at_us: int | None
    is_exact: bool


class BacklogCounter:
    """Counts what lies after a position; cheapest when the position moves forward, right in any case."""

    def __init__(self, folder: Path, disk: Disk | None = None) -> None:
        self._folder = folder
        self._disk = disk or Disk()
        self._counts: dict[int, _Count] = {}
        self._spool: UUID | None = None

    def look(self, position: Position | None) -> Backlog:
        """Say what lies after `position`; None, or a position of another spool, means everything."""
        sizes = segments(self._disk, self._folder)
        spool = identify(self._disk, self._folder) or UUID(int=0)
        if spool != self._spool:
            self._spool, self._counts = spool, {}
        first, offset = (position.segment, position.offset) if position and position.spool == spool else (0, 0)
        sizes = {number: size for number, size in sizes.items() if number >= first}
        self._counts = {number: self._counts.get(number) or _Count(number) for number in sizes}
        hops = HOPS_PER_LOOK
        events = counted_bytes = waiting_bytes = left_bytes = 0
        oldest: int | None = None
        for number, size in sizes.items():
            count = self._counts[number]
            hops -= self._update(count, offset if number == first else HEADER_BYTES, size, spool, hops)
            events += count.events
            counted_bytes += count.end - count.start
            waiting_bytes += max(0, size - count.start)
            left_bytes += 0 if count.is_complete else size - count.end
            oldest = count.oldest if oldest is None else oldest
        if left_bytes:
            events += max(1, left_bytes * events // counted_bytes if counted_bytes else 1)
        return Backlog(events, waiting_bytes if events else 0, oldest, is_exact=not left_bytes)

    def _update(self, count: "_Count", start: int, size: int, spool: UUID, hops: int) -> int:
        """Bring one segment's count up to date; give the number of hops that took."""
        start = max(start, HEADER_BYTES)
        if count.start == start and count.seen == size and count.is_complete:
            return 0
        if hops <= 0:
            count.is_complete = False
            return 0
        try:
            fd = self._disk.open(segment_path(self._folder, count.number))
        except FileNotFoundError:  # loaded and removed meanwhile
            count.events, count.start, count.end, count.is_complete = 0, size, size, True
            return 1
        try:
            header = decode_header(self._disk.read(fd, HEADER_BYTES, 0))
            if header is not None and header.version != VERSION:
                count.start = count.end = count.seen = size
                count.is_complete = True
                return 1
            hopper = _Hopper(self._disk, fd, keys_of(header, spool, count.number), size)
            return count.move(hopper, start, hops)
        finally:
            self._disk.close(fd)


class _Hopper:
    """Finds frame after frame in one open segment."""

    def __init__(self, disk: Disk, fd: int, its: Keys, size: int) -> None:
        self._disk = disk
        self._fd = fd
        self._keys = its
        self.size = size

    def hop(self, at: int) -> tuple[int, int] | None:
        """Find the next whole frame at or after `at`: where it ends and when it was written."""
        head = frame_head(self._read(at, FRAME_BYTES), 0, self._keys)
        if head is None or at + FRAME_BYTES + head.length > self.size:
            if at >= self.size:
                return None
            at = resync(self._read, at, self.size, self._keys)
            head = frame_head(self._read(at, FRAME_BYTES), 0, self._keys) if at >= 0 else None
            if head is None:
                return None
        return at + FRAME_BYTES + head.length, head.written_at_us

    def _read(self, offset: int, size: int) -> bytes:
        return self._disk.read(self._fd, size, offset)


class _Count:
    """What is counted of one segment: `events` frames between `start` and `end`."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.start = self.end = HEADER_BYTES
        self.events = 0
        self.oldest: int | None = None
        self.seen = 0
        self.is_complete = False

    def move(self, hopper: _Hopper, start: int, hops: int) -> int:
        """Count from `start` to the end of the segment, or as far as the hops go; give how many it took."""
        used = 0
        while self.start < start <= self.end and used < hops and (step := hopper.hop(self.start)):
            self.start = step[0]
            self.events -= 1
            used += 1
        if self.start != start:
            self.start = self.end = start
            self.events = 0
        self.is_complete = False
        while used < hops:
            step = hopper.hop(self.end)
            if step is None:
                self.is_complete = True
                self.seen = hopper.size
                break
            self.end = step[0]
            self.events += 1
            used += 1
        first = hopper.hop(self.start) if self.events else None
        self.oldest = first[1] if first else None
        return used + 1
