"""What the warehouse remembers of scripts that were run: a row when one begins or is refused, and when it has ended."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from reports.automation.script_apart import GUARD_SECONDS, Ended
from reports.automation.script_options import Asked
from reports.delivery.outgoing import Sent
from reports.errors import DeliveryError

TARGET_SPACE = 0x65727273  # "errs"

# One that starts a script for a target waits for another, so that a cooldown holds.
TAKE_TURN = text("select pg_advisory_xact_lock(:space, hashtext(:target))")
MESSAGE_ID = text("select message_id from warehouse.outbox where key = :key")
# The last that was begun for a message.
OF_MESSAGE = text(
    """
    select run_id, started_at, outcome, error from warehouse.script_run
    where message_id = :message_id and outcome <> 'refused' order by started_at desc limit 1
    """
)
# When the last was begun for a target.
OF_TARGET = text(
    """
    select max(started_at) from warehouse.script_run
    where target = :target and outcome <> 'refused' and not is_dry_run
    """
)
BEGIN = text(
    """
    insert into warehouse.script_run (run_id, target, message_id, script, sha256, is_dry_run, started_at, outcome)
    values (:run_id, :target, :message_id, :script, :sha256, :is_dry_run, :now, 'begun')
    """
)
END = text(
    """
    update warehouse.script_run
    set ended_at = :now, outcome = :outcome, exit_code = :exit_code, error = :error, output = :output
    where run_id = :run_id and ended_at is null
    """
)
LAST_RUNS = text(
    """
    select distinct on (script) script, run_id, target, is_dry_run, started_at, ended_at, outcome, exit_code, error
    from warehouse.script_run order by script, started_at desc
    """
)


class Run(NamedTuple):
    """One run: for which target and message, and of what."""

    run_id: UUID
    target: str | None
    message_id: UUID | None
    script: str
    sha256: bytes
    is_dry_run: bool


def message_id(connection: Connection, key: str) -> UUID | None:
    """Give the id of a message of the outbox, by its key; None for one that was never put there."""
    found: UUID | None = connection.execute(MESSAGE_ID, {"key": key}).scalar()
    return found


def begin(connection: Connection, run: Run, now: datetime) -> None:
    """Write down that it begins."""
    connection.execute(BEGIN, {**run._asdict(), "now": now})


def end(connection: Connection, run: Run, ended: Ended, now: datetime) -> None:
    """Write down how it ended, once."""
    outcome = "done" if ended.exit_code == 0 or run.is_dry_run else "failed"
    _end(connection, run, ended, outcome, now)


def refuse(connection: Connection, run: Run, why: str, now: datetime) -> None:
    """Write down that it was not run, and why."""
    begin(connection, run, now)
    _end(connection, run, Ended(None, why, ""), "refused", now)


def before(connection: Connection, run: Run, asked: Asked, now: datetime) -> Sent | None:
    """
    Look whether it may begin, and keep others of the target from it until the end of the transaction.

    Gives: what was sent when it was run for this message before, None when it is to be run.
    Raises: DeliveryError when it must not be: it failed, was cut off, runs still, or another ran a moment ago.
    """
    connection.execute(TAKE_TURN, {"space": TARGET_SPACE, "target": run.target})
    if run.message_id is not None and (told := _of_message(connection, run.message_id, asked, now)):
        return told
    last = connection.execute(OF_TARGET, {"target": run.target}).scalar()
    if last is not None and now - last < timedelta(seconds=asked.cooldown_seconds):
        raise DeliveryError(
            f"It was started {(now - last).total_seconds():.0f} s ago, and the cooldown of {run.target} is "
            f"{asked.cooldown_seconds} s.",
            permanent=True,
        )
    return None


def last_runs(connection: Connection) -> dict[str, dict[str, Any]]:
    """Give the last run of each script."""
    return {row.script: dict(row._mapping) for row in connection.execute(LAST_RUNS)}  # noqa: SLF001 - public


def _of_message(connection: Connection, message_id: UUID, asked: Asked, now: datetime) -> Sent | None:
    found = connection.execute(OF_MESSAGE, {"message_id": message_id}).one_or_none()
    if found is None:
        return None
    if found.outcome == "done":
        return Sent(detail=f"It was run for this message before, as {found.run_id}.")
    if found.outcome == "failed":
        raise DeliveryError(f"It was run for this message before, and failed: {found.error}", permanent=True)
    if now - found.started_at < timedelta(seconds=asked.seconds + GUARD_SECONDS):
        raise DeliveryError(
            f"It may still be running for this message, as {found.run_id}.", permanent=False, retry_after=GUARD_SECONDS
        )
    if asked.is_run_again:
        return None
    raise DeliveryError(
        f"errhouse was cut off while it ran for this message, as {found.run_id}; it is not run twice unless the target "
        "says again_after_crash=true.",
        permanent=True,
    )


def _end(connection: Connection, run: Run, ended: Ended, outcome: str, now: datetime) -> None:
    connection.execute(END, {**ended._asdict(), "run_id": run.run_id, "outcome": outcome, "now": now})
