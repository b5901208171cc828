"""
How far loading is, and what became of what was loaded: positions and tallies.

Both change in the transaction of their batch: so a crash at any instant finds a batch done, or not begun.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Engine, text
from sqlalchemy.dialects.postgresql import Insert, insert

from ingest.spool import Position
from models import LoadTally, SpoolPosition

READ_POSITIONS = text("select spool_id, segment, byte_offset from warehouse.spool_position")


class Tally(NamedTuple):
    """
    What became of a batch; `events = loaded + duplicates + refused`, always.

    `issue_changes`: those told, whether new or met again; they are no events. `conflicts` are among those refused.
    """

    payloads: int = 0
    events: int = 0
    loaded: int = 0
    duplicates: int = 0
    refused: int = 0
    set_aside: int = 0
    issue_changes: int = 0
    conflicts: int = 0

    def plus(self, other: "Tally") -> "Tally":
        """Add two tallies up."""
        return Tally(*(a + b for a, b in zip(self, other, strict=True)))


COUNTS = {
    "payload_count": "payloads",
    "event_count": "events",
    "loaded_count": "loaded",
    "duplicate_count": "duplicates",
    "refused_count": "refused",
    "set_aside_count": "set_aside",
    "issue_change_count": "issue_changes",
    "conflict_count": "conflicts",
}
"""The columns of a tally, and what each holds of one."""


def positions(engine: Engine) -> dict[str, Position]:
    """Read how far each spool, and each file, is loaded, by its id."""
    with engine.connect() as connection:
        return {str(found[0]): Position(*found) for found in connection.execute(READ_POSITIONS)}


def move_position(engine: Engine, position: Position, at: datetime) -> None:
    """Note how far a file is loaded, or that a spool's next segment has begun, once its rows are committed."""
    with engine.begin() as connection:
        moved(connection, position, at, 0)


def moved(connection: Connection, position: Position, at: datetime, record_count: int) -> None:
    """Move a position in this transaction, past so many records."""
    values = {"spool_id": position.spool, "segment": position.segment, "byte_offset": position.offset}
    connection.execute(MOVE_POSITION, {**values, "record_count": record_count, "updated_at": at})


def added(connection: Connection, origin: str, at: datetime, tally: Tally) -> None:
    """Add what became of a batch to the day's tally of its origin, in this transaction."""
    if tally.payloads:
        connection.execute(ADD_TALLY, _values(origin, at, tally))


def _values(origin: str, now: datetime, tally: Tally) -> dict[str, object]:
    counts = {column: getattr(tally, field) for column, field in COUNTS.items()}
    return {"origin": origin, "loaded_on": now.date(), **counts}


def _tally_statement() -> Insert:
    statement = insert(LoadTally)
    return statement.on_conflict_do_update(
        index_elements=["origin", "loaded_on"],
        set_={column: getattr(LoadTally, column) + statement.excluded[column] for column in COUNTS},
    )


def _position_statement() -> Insert:
    statement = insert(SpoolPosition)
    return statement.on_conflict_do_update(
        index_elements=["spool_id"],
        set_={
            **{name: statement.excluded[name] for name in ("segment", "byte_offset", "updated_at")},
            "record_count": SpoolPosition.record_count + statement.excluded.record_count,
        },
    )


ADD_TALLY = _tally_statement()
MOVE_POSITION = _position_statement()
