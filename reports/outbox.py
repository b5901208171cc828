"""
The outbox: what is to be sent lies here from the transaction that found the reason until it was sent or given up.

Who sends a message claims it for a minute. One that is not heard of by then is sent again by whoever asks next, with
the same key. Of one target, one message is on its way at a time. Nobody here commits or reads the clock.
"""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from reports.message import Message, kept

# The same reason to the same target is one message, whoever finds it and however often.
PUT = text(
    """
    insert into warehouse.outbox (message_id, key, target, kind, rule, message, run_id, created_at, due_at, status,
        attempt_count)
    values (:message_id, :key, :target, :kind, :rule, :message, :run_id, :now, :due_at, 'waiting', 0)
    on conflict (key) do nothing returning message_id
    """
).bindparams(bindparam("message", type_=JSONB))


def put(
    connection: Connection,
    message: Message,
    target: str,
    now: datetime,
    *,
    rule: str | None = None,
    run_id: UUID | None = None,
    due_at: datetime | None = None,
) -> UUID | None:
    """Have a message sent once this transaction is committed, or when it is due; None when it was put before."""
    row: dict[str, Any] = {
        "message_id": uuid4(),
        "key": f"{message.key}:{target}",
        "target": target,
        "kind": message.kind,
        "rule": rule,
        "message": kept(message),
        "run_id": run_id,
        "now": now,
        "due_at": due_at or now,
    }
    made: UUID | None = connection.execute(PUT, row).scalar()
    return made
