"""
What was accepted before is loaded first, so that nothing of the person comes after; then its bytes leave the disk.

A segment of the spool is removed once it is loaded whole and a newer one has begun: a new one is asked for, and the
old ones are waited for. Without a running service this process loads them itself.
"""

from collections.abc import Callable
from pathlib import Path

from ingest.errors import IngestError
from ingest.processes import drain_now
from ingest.spool import SpoolLocked, rotate, segment_path, segments, spools
from ingest.spool.disk import Disk
from models.settings import Settings

WAIT_SECONDS = 0.2
PATIENCE_SECONDS = 600.0


class StillSpooled(IngestError):
    """What was accepted does not get loaded."""


def clear(settings: Settings, url: str, pause: Callable[[float], None]) -> int:
    """
    Return when everything accepted before is loaded and its segments are gone; give how many there were.

    Raises: StillSpooled after ten minutes without an end; DatabaseError.
    """
    folders = spools(settings.spool_dir)
    waiting = {path for folder in folders for path in _segments(folder)}
    for folder in folders:
        rotate.ask(folder)
    left = PATIENCE_SECONDS
    while not all(rotate.is_done(folder) for folder in folders):
        left = _wait(left, pause)
    waiting -= {path for folder in folders for path in _segments(folder)[-1:]}  # begun just now, or never written to
    while any(path.exists() for path in waiting):
        try:
            drain_now(settings, url)
        except SpoolLocked:
            left = _wait(left, pause)
        else:
            if any(path.exists() for path in waiting):
                left = _wait(left, pause)
    return len(waiting)


def waiting_bytes(settings: Settings) -> int:
    """Give how many bytes the spools hold, loaded or not."""
    return sum(sum(segments(Disk(), folder).values()) for folder in spools(settings.spool_dir))


def _segments(folder: Path) -> list[Path]:
    return [segment_path(folder, number) for number in segments(Disk(), folder)]


def _wait(left: float, pause: Callable[[float], None]) -> float:
    if left <= 0:
        raise StillSpooled(
            "What was accepted before is not loaded after ten minutes; see `errhouse db status` and the service's log, "
            "then try again."
        )
    pause(WAIT_SECONDS)
    return left - WAIT_SECONDS
