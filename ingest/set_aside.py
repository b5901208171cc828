"""What could not become a row, kept with its reason, and loaded again once the cause is gone."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import zstandard
from sqlalchemy import Connection, func, text
from sqlalchemy.dialects.postgresql import insert

from ingest.interpret import EPOCH, Aside
from ingest.records import Payload
from models import SetAside
from models.keys import content_key, positive

MAX_DETAIL = 500

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Payload).decode

# What is too much: the oldest records, once all together pass the limit.
TRIM = text(
    """
    with kept as (
        select set_aside_key, sum(octet_length(body)) over (order by last_received_at desc, set_aside_key) as total
        from warehouse.set_aside
    )
    delete from warehouse.set_aside s using kept
    where kept.set_aside_key = s.set_aside_key and kept.total > :max_bytes
    """
)
LIST = text(
    """
    select set_aside_key, reason, detail, door, project_id, first_received_at, last_received_at, seen_count, body_bytes
    from warehouse.set_aside
    where (cast(:reason as text) is null or reason = :reason)
    order by last_received_at desc, set_aside_key limit :top
    """
)
READ = text("select reason, detail, seen_count, body from warehouse.set_aside where set_aside_key = :key")
SEEN = text("select seen_count from warehouse.set_aside where set_aside_key = :key")
KEYS = text(
    """
    select set_aside_key from warehouse.set_aside
    where (cast(:reason as text) is null or reason = :reason) order by first_received_at, set_aside_key
    """
)
NOT_SEEN = text(
    "update warehouse.set_aside set seen_count = greatest(seen_count - :times, 1) where set_aside_key = :key"
)
REMOVE = text("delete from warehouse.set_aside where set_aside_key = :key")


def keep(connection: Connection, asides: Sequence[Aside]) -> None:
    """Write down what is set aside; the same bytes for the same reason are one row that counts arrivals."""
    if not asides:
        return
    values = {
        (aside.payload.received_at_us, each["set_aside_key"]): each for aside in asides for each in [_values(aside)]
    }
    connection.execute(_KEEP, [values[which] for which in sorted(values, key=lambda which: which[1])])


def trim(connection: Connection, max_bytes: int) -> int:
    """Remove the oldest records beyond the limit; return how many went."""
    return connection.execute(TRIM, {"max_bytes": max_bytes}).rowcount


def listed(connection: Connection, reason: str | None, top: int) -> list[dict[str, Any]]:
    """List what is set aside, latest first."""
    return [dict(found._mapping) for found in connection.execute(LIST, {"reason": reason, "top": top})]  # noqa: SLF001


def payload_of(connection: Connection, key: int) -> tuple[str, str, Payload] | None:
    """Give one record's reason, detail and payload; None when there is no such record."""
    found = connection.execute(READ, {"key": key}).one_or_none()
    if found is None:
        return None
    body = zstandard.ZstdDecompressor().decompress(found.body)
    return found.reason, found.detail, _unpack(body)


def seen_count(connection: Connection, key: int) -> int:
    """Tell how often the bytes of a record came; 0 when there is no such record."""
    return connection.execute(SEEN, {"key": key}).scalar() or 0


def keys(connection: Connection, reason: str | None) -> list[int]:
    """Give the keys of what is set aside, oldest first."""
    return list(connection.execute(KEYS, {"reason": reason}).scalars())


def not_seen(connection: Connection, key: int, times: int) -> None:
    """Take back so many counts: the bytes did not come again, they were only tried again."""
    connection.execute(NOT_SEEN, {"key": key, "times": times})


def remove(connection: Connection, key: int) -> None:
    """Forget one record: its events have rows now, or it is set aside anew."""
    connection.execute(REMOVE, {"key": key})


def _values(aside: Aside) -> dict[str, Any]:
    payload = aside.payload
    at = EPOCH + timedelta(microseconds=payload.received_at_us)
    whose = (payload.door.encode(), str(payload.project_id).encode(), aside.reason.encode())
    key = positive(content_key(*whose, payload.body))  # people type it
    return {
        "set_aside_key": key,
        "reason": str(aside.reason),
        "detail": _storable(aside.detail)[:MAX_DETAIL],
        "door": str(payload.door),
        "project_id": payload.project_id,
        "headers": {_storable(name): _storable(value) for name, value in payload.headers.items()},
        "first_received_at": at,
        "last_received_at": at,
        "seen_count": 1,
        "body_bytes": len(payload.body),
        "body": zstandard.ZstdCompressor(level=3).compress(_pack(payload)),
    }


def _storable(told: str) -> str:
    return told.replace("\x00", "").encode("utf-8", "replace").decode()


def _keep_statement() -> Any:
    statement = insert(SetAside)
    return statement.on_conflict_do_update(
        index_elements=["set_aside_key"],
        set_={
            "seen_count": SetAside.seen_count + statement.excluded.seen_count,
            "first_received_at": func.least(SetAside.first_received_at, statement.excluded.first_received_at),
            "last_received_at": func.greatest(SetAside.last_received_at, statement.excluded.last_received_at),
            "detail": statement.excluded.detail,
        },
    )


_KEEP = _keep_statement()
