"""What a scheduler does about reports: claim the next run, have it made apart, and write down what went wrong."""

import os
import socket
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from models.engine import engine_for
from models.settings import PREFIX, Settings
from reports import runs
from reports.apart import Limits, run_apart
from reports.halt import Halted
from reports.patience import Patience

PROGRAM = (sys.executable, "-c", "from ingest.cli import main; main()", "_report")

log = structlog.get_logger()


def worker_name() -> str:
    """Tell this process from every other that may run reports."""
    return f"{socket.gethostname()}:{os.getpid()}"


def limits(settings: Settings) -> Limits:
    """Give what one report may need."""
    return Limits(settings.REPORT_MEMORY_BYTES, settings.REPORT_TIME_LIMIT_SECONDS)


def run_next(
    engine: Engine,
    do: Callable[[runs.Run], None],
    now: datetime | None = None,
    patience: Patience | None = None,
) -> bool:
    """Do one run, if one is owed; say whether there was one. `now` and `patience` as for runs.next_run."""
    run = runs.next_run(engine, worker_name(), now, patience)
    if run is None:
        return False
    do(run)
    return True


def do(
    engine: Engine,
    run: runs.Run,
    url: str,
    limit: Limits,
    is_stopped: Callable[[], bool] = lambda: False,
    program: Sequence[str] = PROGRAM,
) -> None:
    """
    Have a run made in a process of its own, and see to it that it ends.

    Raises: Halted when the service stops; the run is left to whoever asks next.
    """
    environment = {**os.environ, PREFIX + "DATABASE_URL": url}
    command = [*program, str(run.run_id), str(run.attempt_count)]
    about = {"schedule": run.name, "scheduled_for": run.scheduled_for.isoformat(), "attempt": run.attempt_count}
    log.info("a report is begun", **about)
    try:
        ended = run_apart(command, environment, limit, partial(_beat, engine, run), is_stopped)
    except Halted:
        _release(url, run)
        raise
    if ended.error is None:
        log.info("a report is done", **about)
        return
    with engine.begin() as connection:
        runs.end(connection, run, runs.Outcome("failed", ended.error, memory_bytes=ended.memory_bytes))
    log.warning("a report failed", why=ended.error, **about)


def _release(url: str, run: runs.Run) -> None:
    engine = engine_for(url, pool_size=1)  # the one of a service that stops takes no further statement
    try:
        with engine.begin() as connection:
            runs.release(connection, run)
    except SQLAlchemyError:
        log.warning("a run could not be released; it is taken over later", run=str(run.run_id))
    finally:
        engine.dispose()


def _beat(engine: Engine, run: runs.Run) -> bool:
    try:
        with engine.begin() as connection:
            return runs.beat(connection, run)
    except SQLAlchemyError:
        return True  # while the database is away nobody can take it over either
