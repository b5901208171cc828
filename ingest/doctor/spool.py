"""The spool: where events wait on disk until they are loaded."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from statistics import median
from time import perf_counter

from ingest.doctor.finding import Context, Finding, Skip, ok, warning, worst, wrong
from ingest.health import SPOOL_NEARLY_FULL
from ingest.spool import segments, spools
from ingest.spool.disk import Disk
from models.settings import MIB

LEAST_FREE_BYTES = 256 * MIB
HALF_FULL = 0.5
SYNCS = 5
SLOW_SYNC_SECONDS = 0.1
IN_MEMORY = frozenset({"tmpfs", "ramfs"})


def room(context: Context) -> Finding:
    """See that the spool has room for what comes while the database is away."""
    settings = context.settings
    folder = _folder(context)
    free = shutil.disk_usage(folder).free
    found, held_bytes = [], 0
    for each in spools(folder):
        held = sum(segments(Disk(), each).values())
        held_bytes += held
        part = held / settings.SPOOL_MAX_BYTES
        said = f"Spool {each.name} is at {part:.0%} of ERRHOUSE_SPOOL_MAX_BYTES."
        cure = (
            "See the checks of the loader and of the database: what is loaded leaves the spool. Until then a larger "
            "ERRHOUSE_SPOOL_MAX_BYTES takes more."
        )
        if part > SPOOL_NEARLY_FULL:
            found.append(wrong(f"{said} When it is full senders are refused.", cure))
        else:
            found.append(warning(said, cure) if part > HALF_FULL else ok(said))
    wanted = settings.SPOOL_MAX_BYTES * settings.WORKERS - held_bytes
    free_said = f"The disk of {folder} has {free // MIB:,} MiB free."
    cure = "Make room on it, set ERRHOUSE_SPOOL_MAX_BYTES to what there is, or ERRHOUSE_DATA_DIR to a larger disk."
    if free < LEAST_FREE_BYTES:
        found.append(wrong(free_said, cure))
    elif free < wanted:
        found.append(warning(f"{free_said} The spools may come to need {wanted // MIB:,} MiB more.", cure))
    else:
        found.append(ok(free_said))
    return worst(found)


def disk(context: Context) -> Finding:
    """See that the disk of the spool makes bytes durable, and fast enough for a sender to wait for it."""
    folder = _folder(context)
    kind = _kind(folder)
    if kind in IN_MEMORY:
        return wrong(
            f"{folder} is in memory ({kind}): what is accepted does not survive the machine.",
            "Set ERRHOUSE_DATA_DIR to a folder on a disk.",
        )
    took = _syncs(folder, context)
    if took > SLOW_SYNC_SECONDS:
        return warning(
            f"The disk of {folder} takes {took * 1000:,.0f} ms to make bytes durable; Sentry waits for 1 s.",
            "Set ERRHOUSE_DATA_DIR to a local disk, best an SSD, that nothing else keeps busy.",
        )
    return ok(f"The disk of {folder} makes bytes durable in {took * 1000:.1f} ms.")


def _folder(context: Context) -> Path:
    folder = context.settings.spool_dir
    if not folder.is_dir():
        raise Skip(f"There is no spool in {folder} yet; `errhouse serve` makes it.")
    return folder


def _syncs(folder: Path, context: Context) -> float:
    handle, path = tempfile.mkstemp(prefix=".doctor-", dir=folder)
    try:
        took = []
        for _ in range(SYNCS):
            os.write(handle, bytes(4096))
            begun = perf_counter()
            context.sync(handle)
            took.append(perf_counter() - begun)
        return median(took)
    finally:
        os.close(handle)
        Path(path).unlink(missing_ok=True)


def _kind(folder: Path) -> str:
    """Give the kind of the file system of a folder, "" where the system does not tell."""
    found, longest = "", -1
    with suppress(OSError):
        place = folder.resolve()
        for line in Path("/proc/self/mounts").read_text().splitlines():
            _, at, kind, *_ = line.split(" ")
            at = at.encode().decode("unicode_escape")
            if place.is_relative_to(at) and len(at) >= longest:
                found, longest = kind, len(at)
    return found
