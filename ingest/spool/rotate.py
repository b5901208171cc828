"""
Asking a spool to begin a new segment, so that the loader can remove the one that was the newest.

The loader removes a segment once a newer one has begun and everything in it is loaded: wait for that after `is_done`.
"""

from contextlib import suppress
from pathlib import Path

from ingest.spool import ROTATE, SpoolLocked, segments
from ingest.spool.disk import FILE_MODE, Disk
from ingest.spool.journal import Journal
from ingest.spool.segment import HEADER_BYTES


def ask(folder: Path) -> None:
    """
    Ask for it; a spool without a living writer does it at once, a living writer within a second or two.

    A writer that dies meanwhile does it at its next start, or the next `ask` does.

    Raises: PermissionError, with a sentence, when the folder is another user's.
    """
    disk = Disk()
    if not folder.is_dir():
        return
    disk.prepare(folder)
    newest = next(reversed(segments(disk, folder).values()), 0)
    if newest <= HEADER_BYTES:
        return
    (folder / ROTATE).touch(mode=FILE_MODE)
    with suppress(SpoolLocked):  # then its writer finds the file
        Journal(folder, segment_bytes=HEADER_BYTES, disk=disk).close()


def is_done(folder: Path) -> bool:
    """Whether nobody waits for a new segment any more."""
    return not (folder / ROTATE).exists()
