"""
Runs of schedules: who runs what, exactly once, whatever number of schedulers there are.

The row in report_run is the claim. A worker says every few seconds that it lives, by the database's clock; one that is
silent for twenty seconds has lost the run to whoever asks next. Who ends a run names the attempt it was given, so that
one who was taken over cannot: status and artifacts go in together, or not at all.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Connection, Engine

from models.clock import database_time
from reports import schedules
from reports.cron import Due, Schedule, due, period
from reports.delivery.message import Artifact
from reports.errors import ReportsError
from reports.patience import Patience
from reports.runs_sql import (
    AGAIN,
    BEAT,
    CLAIM,
    DROP_FORMER,
    DROP_OLD,
    END,
    KEEP_ARTIFACT,
    OUTCOME,
    READ,
    RELEASE,
    SILENT,
    STATUSES,
    TAKE_OVER,
)

LOST_AFTER = timedelta(seconds=20)  # so that with the time between two looks a killed worker is followed within 30
MOST_ATTEMPTS = 3
MISSED = "It was missed, and its schedule does not catch up with it; `errhouse schedule run-missed` does."
GIVEN_UP = f"It was begun {MOST_ATTEMPTS} times and never ended; the log of the service says more."

log = structlog.get_logger()


class Run(NamedTuple):
    """A run that is ours to do, by this attempt."""

    run_id: UUID
    name: str
    report: str
    scheduled_for: datetime
    zone: str
    attempt_count: int
    worker: str
    parameters: dict[str, Any]
    formats: list[str]
    targets: list[str]


class Outcome(NamedTuple):
    """How a run ended."""

    status: str
    error: str | None = None
    row_count: int | None = None
    memory_bytes: int | None = None
    code_version: str | None = None
    artifacts: Sequence[Artifact] = ()


def next_run(engine: Engine, worker: str, now: datetime | None = None, patience: Patience | None = None) -> Run | None:
    """
    Claim what is to be run next: one whose worker is silent, else the oldest that is due; None when nothing is.

    Takes: `now` in place of the database's clock, for what is due; who is silent is told by that clock alone;
           `patience`, which says what waits for the loader.
    """
    with engine.begin() as connection:
        if taken := _taken_over(connection, worker):
            return taken
        moment = now or database_time(connection)
        owed = []
        for each in schedules.listed(connection, only_enabled=True):
            try:
                found = due(each.schedule, each.since, moment)
                if found and not (patience and _is_held(patience, each.schedule, found, moment)):
                    owed.append((found[0].scheduled_for, each.schedule, found))
            except ReportsError as wrong:
                log.warning("a schedule cannot be followed", schedule=each.schedule.name, why=str(wrong))
        for _, schedule, found in sorted(owed, key=lambda each: (each[0], each[1].name)):
            for one in found:
                run = _claimed(connection, schedule, one.scheduled_for, worker if one.is_run else None)
                if run and one.is_run:
                    return run
    return None


def missed(connection: Connection, schedule: Schedule, since: datetime, wanted: Iterable[datetime]) -> list[datetime]:
    """Give those of the wanted instants, all after `since`, that have no run, or one that was skipped or failed."""
    rows = connection.execute(STATUSES, {"name": schedule.name, "since": since})
    settled = {row.scheduled_for for row in rows if row.status in {"done", "running"}}
    return [each for each in wanted if each not in settled]


def claim_missed(engine: Engine, schedule: Schedule, scheduled_for: datetime, worker: str) -> Run | None:
    """Claim one instant by hand, whether it has had a run that failed or none; None when somebody else is at it."""
    with engine.begin() as connection:
        if run := _claimed(connection, schedule, scheduled_for, worker):
            return run
        return _run(connection.execute(AGAIN, _row(schedule, scheduled_for, worker)).first())


def read(connection: Connection, run_id: UUID, attempt_count: int) -> Run | None:
    """Read a run, if it is still this attempt's."""
    return _run(connection.execute(READ, {"run_id": run_id, "attempt_count": attempt_count}).first())


def outcome(connection: Connection, run: Run) -> tuple[str, str | None]:
    """Read how a run stands: its status, and why."""
    row = connection.execute(OUTCOME, {"run_id": run.run_id}).one()
    return row.status, row.error


def beat(connection: Connection, run: Run) -> bool:
    """Say that the worker lives; give whether the run is still ours."""
    return connection.execute(BEAT, _attempt(run)).first() is not None


def release(connection: Connection, run: Run) -> None:
    """Leave a run to whoever asks next; its process must be gone."""
    connection.execute(RELEASE, _attempt(run))


def end(connection: Connection, run: Run, how: Outcome) -> bool:
    """Write down how the run ended, and what it made; give whether it was still ours. If not, nothing is written."""
    if connection.execute(END, {**_attempt(run), **_ended(how)}).first() is None:
        return False
    for each in how.artifacts:
        connection.execute(
            KEEP_ARTIFACT,
            {
                "run_id": run.run_id,
                "format": each.format,
                "sha256": hashlib.sha256(each.body).digest(),
                "body_bytes": len(each.body),
                "body": each.body,
            },
        )
    if how.artifacts:
        connection.execute(DROP_FORMER, {"run_id": run.run_id, "formats": [each.format for each in how.artifacts]})
    return True


def drop_old_artifacts(connection: Connection, now: datetime, days: int) -> int:
    """Remove what runs made that ended more than so many days ago; 0 keeps everything. The runs stay."""
    if not days:
        return 0
    return connection.execute(DROP_OLD, {"before": now - timedelta(days=days)}).rowcount


def _taken_over(connection: Connection, worker: str) -> Run | None:
    for silent in connection.execute(SILENT, {"lost_after": LOST_AFTER}).all():
        told = {"run_id": silent.run_id, "attempt_count": silent.attempt_count}
        if silent.attempt_count >= MOST_ATTEMPTS:
            connection.execute(END, {**told, **_ended(Outcome("failed", GIVEN_UP))})
            log.warning("a run was given up", run=str(silent.run_id), why=GIVEN_UP)
        elif run := _run(connection.execute(TAKE_OVER, {**told, "worker": worker, "lost_after": LOST_AFTER}).first()):
            return run
    return None


def _is_held(patience: Patience, schedule: Schedule, found: Sequence[Due], moment: datetime) -> bool:
    """Say whether the next of what is owed waits for the loader; what is only written down waits with it."""
    first = next((each.scheduled_for for each in found if each.is_run), None)
    if first is None:
        return False
    covered = period(schedule.report, first, schedule.zone, schedule.parameters)
    return patience.holds(schedule.name, covered.end, moment)


def _claimed(connection: Connection, schedule: Schedule, scheduled_for: datetime, worker: str | None) -> Run | None:
    """Insert a run, or without a worker one that is skipped; None when it was there."""
    is_run = worker is not None
    more = {
        "run_id": uuid4(),
        "attempt_count": int(is_run),
        "status": "running" if is_run else "skipped",
        "error": None if is_run else MISSED,
        "is_run": is_run,
    }
    return _run(connection.execute(CLAIM, {**_row(schedule, scheduled_for, worker), **more}).first())


def _row(schedule: Schedule, scheduled_for: datetime, worker: str | None) -> dict[str, Any]:
    covered = period(schedule.report, scheduled_for, schedule.zone, schedule.parameters)
    return {
        "name": schedule.name,
        "report": schedule.report,
        "scheduled_for": scheduled_for,
        "zone": schedule.zone,
        "worker": worker,
        "parameters": schedule.parameters,
        "formats": schedule.formats,
        "targets": schedule.targets,
        "period_start": covered.start,
        "period_end": covered.end,
    }


def _attempt(run: Run) -> Mapping[str, Any]:
    return {"run_id": run.run_id, "attempt_count": run.attempt_count}


def _ended(how: Outcome) -> dict[str, Any]:
    return {name: value for name, value in how._asdict().items() if name != "artifacts"}


def _run(row: Any) -> Run | None:
    return Run(*row) if row is not None else None
