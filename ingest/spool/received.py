"""
How many records a spool ever received, and how many of them wait: for the audit, from the folder alone.

With a position p and the record_count stored beside it, `record_count + waiting(folder, p)` lies between what
`received` says before and what it says after; when nothing comes in, they are equal. No lock is needed.
"""

from pathlib import Path
from uuid import UUID

from ingest.spool import Position, identify, segments
from ingest.spool.disk import Disk
from ingest.spool.ledger import count, counted

_NO_SPOOL = UUID(int=0)


def received(folder: Path, disk: Disk | None = None) -> int:
    """Count the records ever durably written to this spool, a damaged stretch as one; see `is_whole`."""
    disk = disk or Disk()
    while True:
        spool = identify(disk, folder) or _NO_SPOOL
        known = counted(disk, folder, spool)
        total = known.record_count if known else 0
        try:
            found = _count(disk, folder, spool, known.through_segment if known else 0, 0)
        except FileNotFoundError:
            continue  # counted and removed meanwhile
        if counted(disk, folder, spool) == known:
            return total + found


def waiting(folder: Path, position: Position | None, disk: Disk | None = None) -> int | None:
    """
    Count the records behind a position; None, or one of another spool, means all that are there.

    Gives: None when the position's segment is gone: it was moved meanwhile, read it again.
    """
    disk = disk or Disk()
    spool = identify(disk, folder) or _NO_SPOOL
    if position is None or position.spool != spool:
        position = Position(spool, 0, 0)
    elif position.segment not in segments(disk, folder):
        return None
    try:
        return _count(disk, folder, spool, position.segment - 1, position.offset)
    except FileNotFoundError:
        return None


def is_whole(folder: Path, disk: Disk | None = None) -> bool:
    """Whether `received` goes back to the first record; False for a spool that is older than its counting."""
    disk = disk or Disk()
    known = counted(disk, folder, identify(disk, folder) or _NO_SPOOL)
    return known.is_whole if known else next(iter(segments(disk, folder)), 1) == 1


def _count(disk: Disk, folder: Path, spool: UUID, after: int, offset: int) -> int:
    """Count in all segments after one, in the first of them from an offset on."""
    there = segments(disk, folder)
    newest = max(there, default=0)
    total = 0
    for segment in (number for number in there if number > after):
        start = offset if segment == after + 1 else 0
        total += count(disk, folder, spool, segment, start, is_sealed=segment < newest)
    return total
