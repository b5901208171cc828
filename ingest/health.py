"""
Live and ready: what the loader tells through `DATA_DIR/run/loader.json`, and what the spools say themselves.

The loader writes the file after each commit; so how much is not loaded is known exactly, from the files alone, even
while loader and database are down.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from shutil import disk_usage
from uuid import UUID

import msgspec

from ingest.in_hand import InHand
from ingest.spool import Position, spools
from ingest.spool.backlog import Backlog, BacklogCounter
from ingest.spool.disk import Disk

LOADER_FILE = "loader.json"
LOADER_DEAD_SECONDS = 15.0
SPOOL_NEARLY_FULL = 0.9
LEAST_FREE_BYTES = 256 * 1024 * 1024  # on the disk of the spool, or a tenth of a small disk


class LoaderState(msgspec.Struct):
    """What the loader says of itself, after each step, and of a batch before it is read."""

    heartbeat_us: int
    database: str = "starting"
    loaded_total: int = 0
    duplicate_total: int = 0
    set_aside_total: int = 0
    positions: dict[str, tuple[str, int, int]] = {}
    in_hand: dict[str, InHand] = {}

    def write(self, run_dir: Path) -> None:
        """Replace the file in one step; it need not survive a power cut."""
        draft = run_dir / f"{LOADER_FILE}.tmp"
        draft.write_bytes(msgspec.json.encode(self))
        draft.replace(run_dir / LOADER_FILE)


def loader_state(run_dir: Path) -> LoaderState | None:
    """Read what the loader said last, None when it has not said anything yet."""
    try:
        return msgspec.json.decode((run_dir / LOADER_FILE).read_bytes(), type=LoaderState)
    except (OSError, msgspec.MsgspecError):
        return None


class Readiness(msgspec.Struct):
    """The body of `/readyz`."""

    ready: bool
    reasons: list[str]
    spool_events: int
    oldest_seconds: float
    loaded_total: int
    duplicate_total: int
    set_aside_total: int
    database: str


def _is_nearly_full(folder: Path) -> bool:
    try:
        disk = disk_usage(folder)
    except OSError:
        return False  # it is not made yet
    return disk.free < min(LEAST_FREE_BYTES, (1 - SPOOL_NEARLY_FULL) * disk.total)


def _oldest_us(backlogs: Mapping[str, Backlog]) -> int | None:
    told = (each.oldest_written_at_us for each in backlogs.values() if each.events)
    return min((each for each in told if each is not None), default=None)


class Health:
    """Looks at spools and loader from a receiver's side; keeps count between looks, so that a look stays cheap."""

    def __init__(self, spool_dir: Path, run_dir: Path, max_lag_seconds: float, spool_max_bytes: int) -> None:
        self._spool_dir = spool_dir
        self._run_dir = run_dir
        self._max_lag_seconds = max_lag_seconds
        self._spool_max_bytes = spool_max_bytes
        self._counters: dict[str, BacklogCounter] = {}

    def readiness(self, now_us: int) -> Readiness:
        """Say whether senders and operators may rely on this service now, and if not, why."""
        state = loader_state(self._run_dir) or LoaderState(0)
        backlogs = self._backlogs(state)
        full = [name for name, each in backlogs.items() if each.bytes > SPOOL_NEARLY_FULL * self._spool_max_bytes]
        reasons = [f"spool {name} is nearly full" for name in full]
        if _is_nearly_full(self._spool_dir):
            reasons.append("the disk of the spool is nearly full")
        oldest_us = _oldest_us(backlogs)
        oldest_seconds = max(0.0, (now_us - oldest_us) / 1e6) if oldest_us is not None else 0.0
        if oldest_seconds > self._max_lag_seconds:
            reasons.append(f"the oldest unloaded event waits for {oldest_seconds:.0f} s")
        if now_us - state.heartbeat_us > LOADER_DEAD_SECONDS * 1e6:
            reasons.append("the loader does not answer")
        return Readiness(
            ready=not reasons,
            reasons=reasons,
            spool_events=sum(each.events for each in backlogs.values()),
            oldest_seconds=round(oldest_seconds, 3),
            loaded_total=state.loaded_total,
            duplicate_total=state.duplicate_total,
            set_aside_total=state.set_aside_total,
            database=state.database,
        )

    def waiting_since(self) -> datetime | None:
        """Give when the oldest event that is not loaded was accepted; None when nothing waits."""
        oldest_us = _oldest_us(self._backlogs(loader_state(self._run_dir) or LoaderState(0)))
        return None if oldest_us is None else datetime.fromtimestamp(oldest_us / 1e6, UTC)

    def _backlogs(self, state: LoaderState) -> dict[str, Backlog]:
        """Count what each spool holds beyond the loader's position."""
        found = {}
        for folder in spools(self._spool_dir):
            counter = self._counters.setdefault(folder.name, BacklogCounter(folder, Disk()))
            told = state.positions.get(folder.name)
            found[folder.name] = counter.look(Position(UUID(told[0]), told[1], told[2]) if told else None)
        return found
