"""
Proof that nothing the spools ever took is missing: what they received is loaded, or waits in them, to the unit.

The folder and the database are not read at one instant while a service runs. Received records are counted before and
after the others: what is loaded and what waits must lie between the two, and is equal to both when nothing comes in.
A position that moves meanwhile is read again.
"""

from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Engine, text

from ingest.spool import Position, identify, spools
from ingest.spool.disk import Disk
from ingest.spool.received import is_whole, received, waiting
from models.audit import Difference

ATTEMPTS = 20

# How far a spool is loaded, and how many payloads were read of it, by one statement and so at one instant.
LOADED = text(
    """
    select p.segment, p.byte_offset, p.record_count,
        (select coalesce(sum(t.payload_count), 0)::bigint from warehouse.load_tally t where t.origin = p.spool_id::text)
    from warehouse.spool_position p where p.spool_id = :spool_id
    """
)


class SpoolAudit(NamedTuple):
    """
    What was compared of the spools, and what does not agree.

    `uncounted`: spools that are older than their counting, of which only what they hold now is known.
    """

    record_count: int
    waiting_count: int
    spool_count: int
    uncounted: list[str]
    differences: list[Difference]


def audit_spools(engine: Engine, root: Path) -> SpoolAudit:
    """Compare every spool below this folder with what the database says of it."""
    records = waits = count = 0
    uncounted: list[str] = []
    differences: list[Difference] = []
    for folder in spools(root):
        spool = identify(Disk(), folder)
        if spool is None:
            continue
        count += 1
        if not is_whole(folder):
            uncounted.append(folder.name)
            continue
        total, waited, found = _compared(engine, folder, spool)
        records, waits = records + total, waits + waited
        differences += found
    return SpoolAudit(records, waits, count, uncounted, differences)


def _compared(engine: Engine, folder: Path, spool: UUID) -> tuple[int, int, list[Difference]]:
    name = f"spool {folder.name}"
    for _ in range(ATTEMPTS):
        before = received(folder)
        with engine.connect() as connection:
            row = connection.execute(LOADED, {"spool_id": spool}).one_or_none()
        position = Position(spool, row[0], row[1]) if row else None
        waited = waiting(folder, position)
        if waited is None:
            continue
        loaded, payloads = (row[2], row[3]) if row else (0, 0)
        after = received(folder)
        found = []
        if not before <= loaded + waited <= after:
            told = f"{name}: records loaded and waiting, against received"
            found.append(Difference(None, None, told, before, loaded + waited))
        if loaded != payloads:
            found.append(Difference(None, None, f"{name}: payloads read, against records loaded", loaded, payloads))
        return after, waited, found
    told = f"{name}: its position is not in it"
    return before, 0, [Difference(None, None, told, before, 0)]
