"""Jobs done every so many seconds, each in a thread of its own, patient with what is away."""

from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from threading import Thread
from time import monotonic, sleep

import structlog
from sqlalchemy.exc import SQLAlchemyError

from models.errors import ModelsError
from models.maintain import why
from reports.halt import Halt, Halted

TICK_SECONDS = 0.1
HEARTBEAT_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 5.0  # between attempts while the database is away
HALT_SECONDS = 2.0

log = structlog.get_logger()


@dataclass(frozen=True)
class Job:
    """Something done every so many seconds, the first time `first_seconds` after the start."""

    name: str
    every_seconds: float
    run: Callable[[], None]
    first_seconds: float = 0.0


@dataclass
class Turn:
    """When a job is due next, and whether it is being done."""

    job: Job
    due_at: float
    is_running: bool = False
    failures: int = 0


def due(at: float, turns: Iterable[Turn]) -> list[Turn]:
    """Give the jobs whose time has come, longest overdue first; one that is being done waits for its end."""
    return sorted((turn for turn in turns if turn.due_at <= at and not turn.is_running), key=lambda turn: turn.due_at)


def done(turn: Turn, began_at: float, ended_at: float, *, is_failed: bool) -> None:
    """
    Set the time at which a job is due again: its distance from its beginning, or soon after a failure.

    What took longer than its distance is not caught up with.
    """
    turn.is_running = False
    turn.failures = turn.failures + 1 if is_failed else 0
    if is_failed:
        pause = min(0.5 * 2.0 ** min(turn.failures - 1, 10), LONGEST_PAUSE_SECONDS)
        turn.due_at = ended_at + min(pause, turn.job.every_seconds)
    else:
        turn.due_at = max(began_at + turn.job.every_seconds, ended_at)


class Scheduler:
    """Runs jobs, each in a thread of its own while it is due, until told to stop; `tell` hears how each ended."""

    def __init__(self, jobs: Sequence[Job], halt: Halt, tell: Callable[[str | None], None]) -> None:
        begun = monotonic()
        self._turns = [Turn(job, begun + job.first_seconds) for job in jobs]
        self._threads: list[Thread] = []
        self._halt = halt
        self._tell = tell
        self._trouble: dict[str, str] = {}

    def step(self) -> None:
        """Begin the job that is longest overdue: one at a time, so that short ones share a connection."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        for turn in due(monotonic(), self._turns)[:1]:
            turn.is_running = True
            # within our context, in which every line of the log is told its role
            thread = Thread(target=copy_context().run, args=(self._do, turn), name=turn.job.name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Go on until told to stop; then end what is being done, the hard way if need be."""
        heartbeat = 0.0
        while not should_stop():
            self.step()
            if monotonic() > heartbeat:
                heartbeat = monotonic() + HEARTBEAT_SECONDS
                self._tell(next(iter(list(self._trouble.values())), None))
            sleep(TICK_SECONDS)
        deadline = monotonic() + HALT_SECONDS
        while any(thread.is_alive() for thread in self._threads) and monotonic() < deadline:
            self._halt()
            sleep(TICK_SECONDS)

    def _do(self, turn: Turn) -> None:
        began_at, is_failed = monotonic(), False
        try:
            turn.job.run()
        except Halted:
            return
        except (SQLAlchemyError, ModelsError, OSError) as error:
            is_failed = True
            if not self._halt.is_asked.is_set() and turn.job.name not in self._trouble:
                log.warning("a job cannot be done; it is tried again", job=turn.job.name, why=why(error))
            self._trouble[turn.job.name] = why(error)
        except Exception:
            log.exception("a job failed by a fault of this program; it is tried again", job=turn.job.name)
            is_failed = True
        else:
            if self._trouble.pop(turn.job.name, None):
                log.info("a job can be done again", job=turn.job.name)
        done(turn, began_at, monotonic(), is_failed=is_failed)
