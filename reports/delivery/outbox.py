"""
The outbox: what is to be sent lies here from the transaction that found the reason until it was sent or given up.

Who sends a message claims it for a while. One that is not heard of by then is sent again by whoever asks next, with
the same key. Of one target, one message is on its way at a time. Nobody here commits or reads the clock.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from sqlalchemy import Connection

from reports.delivery import outbox_sql as sql
from reports.delivery.message import Message, kept
from reports.delivery.outgoing import Sent
from reports.errors import DeliveryError

LEASE = timedelta(seconds=60)
MINUTE = timedelta(minutes=1)
RETRY_SECONDS = (5, 30, 120, 600, 3600)  # after the first attempt, the second …; then hourly
JITTER = 0.2
GIVE_UP_AFTER = timedelta(hours=72)
LEAST_ATTEMPTS = len(RETRY_SECONDS)  # however old a message is, such as after a long stop
BREAKER_FAILURES = 10  # in a row; then one message a minute is tried
PROBE_AFTER = timedelta(minutes=1)
DETAIL_BYTES = 2048
SCRIPT_RUN_DAYS = 400
KEYS = UUID("6f757462-6f78-4b65-8000-657272686f75")  # what ids of messages are made in: the same key, the same id
CLAIM_LOCK = 0x6572726F757462  # "erroutb": one at a time claims messages


class Claimed(NamedTuple):
    """A message that is ours to send, by this attempt."""

    message_id: UUID
    target: str
    message: Mapping[str, Any]
    run_id: UUID | None
    created_at: datetime
    attempt: int
    claimed_at: datetime


class Attempt(NamedTuple):
    """How one attempt went: what arrived, or why nothing did."""

    sent: Sent | None = None
    wrong: DeliveryError | None = None


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
    key = f"{message.key}:{target}"
    row: dict[str, Any] = {
        "message_id": uuid5(KEYS, key),
        "key": key,
        "target": target,
        "kind": message.kind,
        "rule": rule,
        "message": kept(message),
        "run_id": run_id,
        "now": now,
        "due_at": due_at or now,
    }
    made: UUID | None = connection.execute(sql.PUT, row).scalar()
    return made


def is_due(connection: Connection, now: datetime) -> bool:
    """Say whether there is anything to be sent; the cheapest question there is."""
    return bool(connection.execute(sql.IS_DUE, {"now": now}).scalar())


def claim(
    connection: Connection,
    now: datetime,
    room: int,
    most_per_minute: Callable[[Sequence[str]], Mapping[str, int]],
    target: str | None = None,
) -> list[Claimed]:
    """
    Claim what is due, the oldest first: of each target one message, none of a target that has its minute full.

    Takes: `room`, how many at most; `most_per_minute` of targets by their names; `target`, to ask for one alone.
    """
    if not connection.execute(sql.TURN, {"key": CLAIM_LOCK}).scalar():
        return []
    due = sorted(connection.execute(sql.NEXT, {"now": now, "target": target}), key=lambda row: row.due_at)
    if not due:
        return []
    lately: dict[str, int] = {row[0]: row[1] for row in connection.execute(sql.SENT_LATELY, {"since": now - MINUTE})}
    most = most_per_minute([row.target for row in due])
    wanted = [row.message_id for row in due if lately.get(row.target, 0) < most[row.target]][:room]
    if not wanted:
        return []
    claimed = connection.execute(sql.CLAIM, {"message_ids": wanted, "until": now + LEASE})
    return [Claimed._make((*row, now)) for row in claimed]


def renew(connection: Connection, message_ids: Sequence[UUID], now: datetime) -> None:
    """Go on claiming messages that are still being sent, such as to a script."""
    connection.execute(sql.RENEW, {"message_ids": list(message_ids), "until": now + LEASE})


def finish(connection: Connection, claimed: Claimed, how: Attempt, now: datetime, chance: float) -> str:
    """
    Write down how an attempt went: to its message, its target, and as a delivery; give its outcome.

    Takes: `chance`, from 0 to 1, by which the next attempt comes a little earlier or later.
    """
    wrong = how.wrong
    outcome = "delivered" if wrong is None else "permanent" if wrong.permanent else "temporary"
    told = {"message_id": claimed.message_id, "target": claimed.target, "attempt": claimed.attempt, "now": now}
    status, detail = (how.sent.status, how.sent.detail) if how.sent else (None, None)
    error = None
    if wrong is not None:
        error = cut(str(wrong))
        status, detail = wrong.status, cut(f"{error} {wrong.detail}" if wrong.detail else error)
    record = {**told, "started_at": claimed.claimed_at, "outcome": outcome, "status": status, "detail": cut(detail)}
    connection.execute(sql.RECORD, record)
    before = connection.execute(sql.FARES, {"target": claimed.target}).scalar() or 0
    fared: dict[str, Any] = {"target": claimed.target, "now": now, "failure_count": 0, "open_until": None}
    if wrong is None:
        connection.execute(sql.ARRIVED, told)
        connection.execute(sql.FARED, {**fared, "sent_at": now, "error": None})
        if before >= BREAKER_FAILURES:
            connection.execute(sql.HASTEN, told)
        return outcome
    due_at = None if wrong.permanent else retry_at(claimed, now, wrong.retry_after, chance)
    given_up = {"next": "failed", "due_at": None, "finished_at": now}
    again = {"next": "waiting", "due_at": due_at, "finished_at": None}
    connection.execute(sql.FAILED, {**told, **(again if due_at else given_up), "error": error})
    fared |= {"failure_count": before + 1, "open_until": _open_until(before + 1, now, wrong.retry_after)}
    connection.execute(sql.FARED, {**fared, "sent_at": None, "error": error})
    return outcome


def well_again(connection: Connection, target: str, now: datetime) -> None:
    """Write down that something arrived at a target, and let what failed before be tried at once."""
    told = {"target": target, "now": now}
    connection.execute(sql.FARED, {**told, "failure_count": 0, "open_until": None, "sent_at": now, "error": None})
    connection.execute(sql.HASTEN, told)


def resend(connection: Connection, target: str, now: datetime, since: datetime) -> int:
    """Have what was given up of a target sent after all, if its reason was found since then; give how many."""
    return connection.execute(sql.RESEND, {"target": target, "now": now, "since": since}).rowcount


def retry_at(claimed: Claimed, now: datetime, retry_after: float | None, chance: float) -> datetime | None:
    """Give when an attempt that failed is repeated, None when it is given up. As the receiver asks, at least."""
    if now - claimed.created_at >= GIVE_UP_AFTER and claimed.attempt >= LEAST_ATTEMPTS:
        return None
    pause = RETRY_SECONDS[min(claimed.attempt, len(RETRY_SECONDS)) - 1] * (1 + JITTER * (2 * chance - 1))
    return now + timedelta(seconds=max(pause, retry_after or 0.0))


def waiting(connection: Connection, now: datetime) -> tuple[int, datetime | None]:
    """Give how many messages are not sent yet, and since when the first of those waits that could have been."""
    count, oldest = connection.execute(sql.WAITING, {"now": now}).one()
    return count, oldest


def drop_old(connection: Connection, now: datetime, days: int) -> int:
    """Remove what was sent or given up more than so many days ago, 0 keeps it; and runs of scripts after 400 days."""
    gone = connection.execute(sql.DROP_SCRIPT_RUNS, {"before": now - timedelta(days=SCRIPT_RUN_DAYS)}).rowcount
    if not days:
        return gone
    told = {"before": now - timedelta(days=days), "now": now}
    return gone + sum(
        connection.execute(each, told).rowcount for each in (sql.DROP_DELIVERIES, sql.DROP_MESSAGES, sql.DROP_TOLD)
    )


def cut(words: str | None) -> str | None:
    """Give the first 2 KB of words for the record; NUL cannot be kept."""
    return None if words is None else words.replace("\0", "").encode()[:DETAIL_BYTES].decode("utf-8", "ignore")


def _open_until(failure_count: int, now: datetime, retry_after: float | None) -> datetime | None:
    asked = now + timedelta(seconds=retry_after) if retry_after else None
    probe = now + PROBE_AFTER if failure_count >= BREAKER_FAILURES else None
    return max((each for each in (asked, probe) if each), default=None)
