"""The book of what was removed on purpose: the audit adds it to what is there, and a rebuild keeps off its days."""

from datetime import date, datetime
from uuid import UUID, uuid4, uuid5

from sqlalchemy import Connection, text

REMOVALS = UUID("6d0f9a52-8a0e-4a54-9f1b-0b3f6c2f7d11")  # names of removals that add up are made in this space

# What has one id adds up in one row, whatever number of transactions it takes.
NOTE = text(
    """
    insert into warehouse.removal as r
        (removal_id, removed_at, reason, project_id, first_on, end_on, event_count, payload_count)
    values (:removal_id, :removed_at, :reason, :project_id, :first_on, :end_on, :event_count, :payload_count)
    on conflict (removal_id) do update set removed_at = excluded.removed_at,
        event_count = r.event_count + excluded.event_count, payload_count = r.payload_count + excluded.payload_count
    """
)


def note(
    connection: Connection,
    reason: str,
    project_id: int | None,
    days: tuple[date, date],
    counts: tuple[int, int],
    at: datetime,
    key: str | None = None,
) -> None:
    """
    Write down what is removed in this transaction; what has the same `key` adds up, without one it stands alone.

    Takes: the first day and the one after the last; how many events and payloads.
    """
    told = {"removal_id": uuid5(REMOVALS, key) if key else uuid4(), "removed_at": at, "reason": reason}
    told |= {"project_id": project_id, "first_on": days[0], "end_on": days[1]}
    told |= {"event_count": counts[0], "payload_count": counts[1]}
    connection.execute(NOTE, told)
