"""Reading one segment from a place on: records, damage with its reason, and what tells "not yet" from "never"."""

import errno
from pathlib import Path
from uuid import UUID

import msgspec

from ingest.spool import Position, segment_path
from ingest.spool.disk import Disk
from ingest.spool.segment import (
    FRAME_BYTES,
    HEADER_BYTES,
    SHORT,
    VERSION,
    Header,
    Keys,
    decode_header,
    frame_end,
    frame_head,
    keys,
    resync,
)

CHUNK_BYTES = 1024 * 1024
DAMAGED_BYTES = 1024 * 1024  # longer damage is handed over in pieces of this size
_SECTOR_BYTES = 4096


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record as it was appended; `position` is behind it."""

    payload: bytes
    position: Position


class Damaged(msgspec.Struct, frozen=True):
    """Bytes that are no record, for setting aside; `data` is empty when nothing is left of them."""

    data: bytes
    position: Position
    why: str


class SegmentReader:
    """
    One open segment.

    `is_sealed` is set by whoever saw a newer segment: from then on this one does not grow, and what cannot be read
    of it is no longer "not yet". `seen_bytes` is how long it was at the last look, `torn_count` counts tails of NULs.
    """

    def __init__(self, disk: Disk, folder: Path, number: int, spool: UUID, offset: int = 0) -> None:
        self._disk = disk
        self._spool = spool
        self.number = number
        self.offset = offset
        self.is_sealed = False
        self.seen_bytes = 0
        self.torn_count = 0
        self._keys: Keys | None = None
        self._is_skipped = False
        self._fd = disk.open(segment_path(folder, number))

    def take(self, max_records: int, max_bytes: int) -> list[Record | Damaged]:
        """Give what comes next; nothing means nothing now, and for a sealed segment nothing ever."""
        items: list[Record | Damaged] = []
        self.seen_bytes = self._disk.size(self._fd)
        its = self._keys or self._read_header(items)
        if its is None:
            return items
        usual_bytes = chunk_bytes = min(CHUNK_BYTES, max_bytes + FRAME_BYTES)
        while len(items) < max_records and max_bytes > 0 and self.offset < self.seen_bytes:
            chunk = self._read(self.offset, min(chunk_bytes, self.seen_bytes - self.offset))
            if not chunk:
                return items  # cut meanwhile
            taken = self._take_frames(chunk, its, items, max_records, max_bytes)
            if taken:
                max_bytes -= taken
                chunk_bytes = usual_bytes
            elif (needed := self._needed(chunk, its)) > len(chunk):
                chunk_bytes = needed
            elif not self._take_damage(its, items):
                return items
        return items

    def size(self) -> int:
        """Say how long the segment is now."""
        return self._disk.size(self._fd)

    def close(self) -> None:
        """Close the file."""
        self._disk.close(self._fd)

    def _take_frames(
        self, chunk: bytes, its: Keys, items: list[Record | Damaged], max_records: int, max_bytes: int
    ) -> int:
        """Take the valid frames at the beginning of the chunk; give how many bytes that were."""
        view = memoryview(chunk)
        at = 0
        base = self.offset
        while len(items) < max_records and at < max_bytes:
            end = frame_end(view, at, its)
            if end < 0:
                break
            items.append(Record(chunk[at + FRAME_BYTES : end], Position(self._spool, self.number, base + end)))
            at = end
        self.offset = base + at
        return at

    def _needed(self, chunk: bytes, its: Keys) -> int:
        """Say how many bytes it takes to judge the frame the chunk begins with, as far as the segment has them."""
        if frame_end(memoryview(chunk), 0, its) != SHORT:
            return 0
        head = frame_head(chunk, 0, its)
        needed = FRAME_BYTES + (head.length if head else 0)
        return needed if self.offset + needed <= self.seen_bytes else 0

    def _take_damage(self, its: Keys, items: list[Record | Damaged]) -> bool:
        """Step over what is no frame; False when it may still become one."""
        end = resync(self._read, self.offset, self.seen_bytes, its)
        why = "damaged: checksum or length is wrong"
        if end < 0:
            if not self.is_sealed:
                return False
            end, why = self.seen_bytes, "torn: no whole record up to the end of the segment"
            if not self._read(self.offset, end - self.offset).strip(b"\0"):
                self.torn_count += 1
                self.offset = end
                return True
        while self.offset < end:
            piece = self._read(self.offset, min(DAMAGED_BYTES, end - self.offset))
            self.offset += len(piece) or end - self.offset  # cut meanwhile
            items.append(Damaged(piece, Position(self._spool, self.number, self.offset), why))
        return True

    def _read_header(self, items: list[Record | Damaged]) -> Keys | None:
        """Find out how to read the frames; None when that is not known yet, or never will be."""
        if self._is_skipped or (self.seen_bytes < HEADER_BYTES and not self.is_sealed):
            return None
        data = self._read(0, HEADER_BYTES)
        header = decode_header(data)
        if header is None and self.seen_bytes <= HEADER_BYTES:
            # A crash between creating the segment and writing its first record, or its writer is at it right now.
            self._is_skipped = self.is_sealed
            self.torn_count += self.is_sealed
            return None
        is_new = self.offset < HEADER_BYTES
        if header is not None and header.version != VERSION:
            self._is_skipped = True
            self.offset = self.seen_bytes
            why = f"format version {header.version} is newer than this program: the segment is kept in aside/"
            items.append(Damaged(data, Position(self._spool, self.number, self.offset), why))
            return None
        self.offset = max(self.offset, HEADER_BYTES)
        if header is None and is_new and data.strip(b"\0"):
            items.append(Damaged(data, Position(self._spool, self.number, self.offset), "damaged: segment header"))
        self._keys = keys_of(header, self._spool, self.number)
        return self._keys

    def _read(self, offset: int, size: int) -> bytes:
        try:
            return self._disk.read(self._fd, size, offset)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
        # A bad sector must cost only its own records: everything around it is still read.
        parts = []
        at, end = offset, offset + size
        while at < end:
            length = min(_SECTOR_BYTES - at % _SECTOR_BYTES, end - at)
            try:
                parts.append(self._disk.read(self._fd, length, at))
            except OSError:
                parts.append(bytes(length))
            at += length
        return b"".join(parts)


def keys_of(header: Header | None, spool: UUID, number: int) -> Keys:
    """Derive the keys from what the header says, or when it is damaged from spool and file name."""
    return keys(spool, number) if header is None else keys(header.spool, header.segment)
