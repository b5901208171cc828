"""
How many records the sealed segments of a spool held, also those that are loaded and removed: counted.json.

The writer counts while it writes. What a former process left, and a segment that was given up, is read over once, with
the reader's own eyes: a damaged stretch counts as the reader hands it over. Until that is done, and durable, the reader
removes no such segment; so whatever fails or is killed, nothing is counted twice or not at all.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import msgspec
import structlog

from ingest.spool import COUNTED
from ingest.spool.disk import Disk
from ingest.spool.segment_reader import SegmentReader
from models import failpoints

_TAKE_RECORDS = 10_000
_TAKE_BYTES = 4 * 1024 * 1024

log = structlog.get_logger()


class Counted(msgspec.Struct, frozen=True):
    """
    What counted.json says.

    `record_count` records were in the segments up to `through_segment`, which are sealed. `is_whole` is False when the
    spool is older than its counting: then what had been removed by that time is not in it.
    """

    format: int
    spool: UUID
    through_segment: int
    record_count: int
    is_whole: bool


class Ledger:
    """The writer's side of counted.json. `settle` never raises for the disk's sake: what fails is done later."""

    def __init__(self, disk: Disk, folder: Path, spool: UUID, there: Iterable[int]) -> None:
        self._disk = disk
        self._folder = folder
        self._spool = spool
        found = sorted(there)
        self._stored = counted(disk, folder, spool)
        self._now = self._stored or Counted(1, spool, 0, 0, is_whole=found[:1] in ([], [1]))
        self._pending: dict[int, int | None] = {number: None for number in found if number > self.through}
        self._reserve()

    @property
    def through(self) -> int:
        """The last segment that is counted."""
        return self._now.through_segment

    def seal(self, segment: int, records: int | None) -> None:
        """Note that a segment will not grow any more, and how much is in it; None: that must be read."""
        self._pending[segment] = records

    def settle(self, reads: int = 0) -> None:
        """Count what is sealed, reading over at most so many segments, and make it durable."""
        try:
            for segment in sorted(self._pending):
                records = self._pending[segment]
                if records is None:
                    if not reads:
                        break
                    reads -= 1
                    records = self._read(segment)
                total = self._now.record_count + records
                self._now = msgspec.structs.replace(self._now, through_segment=segment, record_count=total)
                del self._pending[segment]
            if self._now != self._stored:
                self._disk.store(self._folder / COUNTED, msgspec.json.encode(self._now))
                failpoints.passed(failpoints.SEGMENT_COUNTED)
                self._stored = self._now
                self._reserve()
        except OSError as error:
            log.warning("the spool's records are counted later", spool=str(self._folder), why=str(error))

    def _reserve(self) -> None:
        """Have room for the next count: on a full disk nothing is removed, and so gets no room, before it is made."""
        with suppress(OSError):
            self._disk.reserve(self._folder / COUNTED)

    def _read(self, segment: int) -> int:
        try:
            return count(self._disk, self._folder, self._spool, segment, is_sealed=True)
        except FileNotFoundError:  # taken away by somebody else
            return 0


def counted(disk: Disk, folder: Path, spool: UUID) -> Counted | None:
    """Read counted.json; None when there is none, or it is damaged or another spool's."""
    try:
        told = msgspec.json.decode(disk.load(folder / COUNTED) or b"", type=Counted)
    except msgspec.MsgspecError:
        return None
    return told if told.spool == spool else None


def count(disk: Disk, folder: Path, spool: UUID, segment: int, offset: int = 0, *, is_sealed: bool) -> int:
    """Count what the reader hands over of a segment from an offset on: records, and damaged stretches."""
    reader = SegmentReader(disk, folder, segment, spool, offset)
    try:
        reader.is_sealed = is_sealed
        total = 0
        while found := reader.take(_TAKE_RECORDS, _TAKE_BYTES):
            total += len(found)
        return total
    finally:
        reader.close()
