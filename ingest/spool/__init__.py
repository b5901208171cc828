"""
Accepted bytes on disk until they are loaded: what writer and reader of a spool share.

A spool is a folder with one writing process (receiver worker n) and one reading process (the loader):

    DATA_DIR/spool/<n>/            0700, every file 0600
        spool.json                 {"format": 1, "spool": "<uuid>"}; a spool that is wiped gets another uuid
        00000000000000000001.seg   segments, ids without gaps, see `ingest.spool.segment`; only the newest one grows
        counted.json               how many records the sealed segments held, see `ingest.spool.ledger`
        rotate                     asks the writer to begin a new segment, see `ingest.spool.rotate`
        writer.lock, reader.lock   flock, given back by the system however the process ends
        wake                       named pipe: the writer tells the reader that there is something new
        aside/                     segments of a format version this program does not know, moved here when passed

The reading position is not in the folder. The loader stores it in PostgreSQL with the rows, in one transaction, and
gives it to the reader at start; segments before a committed position are removed afterwards. Three orders make that
safe, and countable:

* a segment's name is durable before its first frame is written, and the newest segment is never removed, so that a
  position can never point into a segment whose id is given out again;
* a frame is never written behind a torn or doubted one: the writer starts a new segment at each start and each error;
* a segment is removed only when counted.json has counted it.
"""

import re
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

import msgspec

from ingest.errors import IngestError
from ingest.spool.disk import Disk
from ingest.spool.segment import HEADER_BYTES, decode_header

META = "spool.json"
COUNTED = "counted.json"
ROTATE = "rotate"
WRITER_LOCK = "writer.lock"
READER_LOCK = "reader.lock"
WAKE = "wake"
ASIDE = "aside"
_OURS = frozenset(
    {META, META + ".tmp", COUNTED, COUNTED + ".tmp", ROTATE, WRITER_LOCK, READER_LOCK, WAKE, ASIDE},
)
_SEGMENT = re.compile(r"(\d{20})\.seg", re.ASCII)


class SpoolLocked(IngestError):
    """Another process writes, or reads, this spool."""


class SpoolFull(IngestError):
    """The spool holds as much as it may."""


class SpoolBroken(IngestError):
    """The disk does not take the record; nothing is promised about it, though it may still be read later."""


class Position(NamedTuple):
    """A place between two records: everything before it is done. Positions of one spool compare in reading order."""

    spool: UUID
    segment: int
    offset: int


class _Meta(msgspec.Struct):
    format: int
    spool: UUID


def spools(root: Path) -> list[Path]:
    """List the spools below DATA_DIR/spool, in the order of their numbers."""
    if not root.is_dir():
        return []
    return sorted(
        (path for path in root.iterdir() if path.name.isdecimal() and path.is_dir()), key=lambda p: int(p.name)
    )


def segment_path(folder: Path, segment: int) -> Path:
    """Where a segment is."""
    return folder / f"{segment:020d}.seg"


def segments(disk: Disk, folder: Path) -> dict[int, int]:
    """List the segments, oldest first, with their sizes."""
    found = {}
    for name, size in disk.entries(folder):
        if size is not None and (match := _SEGMENT.fullmatch(name)):
            found[int(match[1])] = size
    return dict(sorted(found.items()))


def foreign(disk: Disk, folder: Path) -> list[str]:
    """List the names that no spool has: they are left alone, and worth a log line."""
    return sorted(
        name
        for name, size in disk.entries(folder)
        if name not in _OURS and (size is None or not _SEGMENT.fullmatch(name))
    )


def identify(disk: Disk, folder: Path) -> UUID | None:
    """Say which spool this is: by spool.json, or when that is damaged by the newest segment that still says it."""
    data = disk.load(folder / META)
    if data is None and not segments(disk, folder):
        return None
    try:
        return msgspec.json.decode(data or b"", type=_Meta).spool
    except msgspec.MsgspecError:
        pass
    for segment in reversed(segments(disk, folder)):
        fd = disk.open(segment_path(folder, segment))
        try:
            header = decode_header(disk.read(fd, HEADER_BYTES, 0))
        finally:
            disk.close(fd)
        if header is not None:
            return header.spool
    return None


def written(disk: Disk, folder: Path) -> UUID | None:
    """
    Say which spool the segments are of; None when there is none.

    A folder without a segment is to be a new spool whatever spool.json says: ids start again, so old positions must not
    fit. A writer that was killed in its first moment leaves one.
    """
    return identify(disk, folder) if segments(disk, folder) else None


def found(disk: Disk, folder: Path) -> UUID:
    """Say which spool this is, and make it one when it is none yet; for the writer only."""
    spool = written(disk, folder) or uuid4()
    meta = msgspec.json.encode(_Meta(1, spool))
    if disk.load(folder / META) != meta:
        disk.store(folder / META, meta)
    return spool


def take(disk: Disk, folder: Path, name: str) -> int:
    """Take one of the two locks."""
    try:
        return disk.lock(folder / name)
    except BlockingIOError:
        role = "written" if name == WRITER_LOCK else "read"
        raise SpoolLocked(
            f"the spool {folder} is being {role} by another errhouse process: stop that one first"
        ) from None
