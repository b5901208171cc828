"""
The scheduler: what is to be done every few seconds or every hour, each in its own time, patient with the database.

Every job may run beside the same job of another service on the same database: who does it is settled there.
"""

import gc
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from time import monotonic

import structlog
from sqlalchemy import Engine

from models.answers import answers_of_day
from models.clock import database_time, now
from models.engine import engine_for
from models.fold import fold_all
from models.maintain import Step, maintain, urgent
from models.roles import cancel_overlong
from models.schedule_state import ScheduleState, schedule_state
from models.settings import Settings
from models.watch import PATIENCE
from reports import runs, worker
from reports.alerts.alerting import Alerting
from reports.delivery import outbox
from reports.delivery.doors import doors
from reports.delivery.sending import Sender
from reports.delivery.targets_kept import Targets
from reports.halt import Halt
from reports.jobs import TICK_SECONDS, Job, Scheduler
from reports.patience import Patience, Waiting, nothing_waits

FIRST_MAINTAIN_SECONDS = 60.0
URGENT_SECONDS = 60.0
FIRST_URGENT_SECONDS = 5.0
REBUILD_SECONDS = 30.0  # of each run; the rest of the days is left to the next
ANALYSTS_SECONDS = 5.0
ANALYST_QUERY = timedelta(seconds=35)  # a little more than the limit that an analyst's session begins with
REPORTS_SECONDS = 5.0
ALERTS_SECONDS = 1.0
ASKED_SECONDS = 2.0
MOST_OF_FOLDING = 5.0  # a fold takes a fifth of the time between two at most, when they follow each other quickly
FOLD_FOR_RULES_SECONDS = 1.0  # alert rules are evaluated on what is folded, so that is most of an alert's delay
MESSAGES_SECONDS = 0.5
MESSAGES_STOP_SECONDS = 2.0
CONNECTIONS = 2  # that are kept: one for short jobs, which do not meet, and one for a job that takes longer
MORE_CONNECTIONS = 10  # for when many take longer: the maintenance has a claim beside, rules by the clock a query
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger()


class Work:
    """The jobs of a service over one engine, and what they tell."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        clock: Callable[[], datetime],
        halt: Halt,
        waiting: Waiting = nothing_waits,
        sender: Sender | None = None,
    ) -> None:
        self._engine = engine
        self.sender = sender or Sender(engine, Targets(settings), doors(engine, settings))
        self._patience = Patience(waiting)
        self._settings = settings
        self._clock = clock
        self._halt = halt
        self._run_dir = settings.DATA_DIR / "run"
        self._urgent_runs = 0
        self._waiting = waiting
        self._folded_at = float("-inf")
        self._fold_pause = 0.0
        self._alerting = Alerting(engine, settings.public_url, Targets(settings).most_per_minute, self.figures)
        said = schedule_state(self._run_dir)
        self.state = ScheduleState(0, last_fold_us=said.last_fold_us if said else 0)

    def jobs(self) -> list[Job]:
        """Give what there is to do."""
        settings = self._settings
        first = min(FIRST_MAINTAIN_SECONDS, settings.MAINTAIN_SECONDS)
        return [
            Job("fold", min(settings.FOLD_SECONDS, FOLD_FOR_RULES_SECONDS), self.fold_in_time),
            Job("analysts", ANALYSTS_SECONDS, self.analysts),
            Job("urgent", URGENT_SECONDS, self.urgent, FIRST_URGENT_SECONDS),
            Job("maintain", settings.MAINTAIN_SECONDS, self.maintain, first),
            Job("reports", REPORTS_SECONDS, self.reports),
            Job("alerts", ALERTS_SECONDS, self.alerts),
            Job("asked rules", ASKED_SECONDS, self.asked_rules),
            Job("messages", MESSAGES_SECONDS, self.messages),
            Job("artifacts", settings.MAINTAIN_SECONDS, self.artifacts, first),
        ]

    def fold_in_time(self) -> None:
        """Fold when it is time: every FOLD_SECONDS, more often while there are alert rules."""
        begun = monotonic()
        often = self._settings.FOLD_SECONDS
        distance = min(often, self._fold_pause) if self._alerting.has_rules else often
        if begun - self._folded_at > distance - TICK_SECONDS:
            self.fold()
            self._folded_at = begun
            self._fold_pause = MOST_OF_FOLDING * (monotonic() - begun)

    def fold(self) -> None:
        """Move what was loaded into the rollups."""
        began = self._clock()
        moved = fold_all(self._engine, self._database_time().date(), self._settings.HOUR_GROUP_RETENTION_DAYS)
        self.state.last_fold_us = _us(began)
        self.state.folded_total += moved

    def analysts(self) -> None:
        """End what analysts have been at for longer than they may."""
        with self._engine.begin() as connection:
            ended = cancel_overlong(connection, ANALYST_QUERY)
        if ended:
            log.info("queries of analysts took too long and were ended", count=ended)

    def urgent(self) -> None:
        """Do of the maintenance what should not wait for its hour."""
        self._urgent_runs += 1
        # a training that kept nothing is not repeated every minute: the first, second, fourth, eighth time
        may_train = self._urgent_runs & (self._urgent_runs - 1) == 0
        _log(urgent(self._engine, self._settings, self._database_time(), REBUILD_SECONDS, may_train=may_train))

    def maintain(self) -> None:
        """Do all of the maintenance."""
        began = monotonic()
        steps = maintain(
            self._engine,
            self._settings,
            self._database_time(),
            rebuild_seconds=REBUILD_SECONDS,
            pause=self._halt.pause,
        )
        _log(steps)
        self.state.maintain_seconds = round(monotonic() - began, 3)
        self.state.last_maintain_us = _us(self._clock())
        self.state.failures = [step.name for step in steps if not step.is_done]

    def reports(self) -> None:
        """Make the reports that are due, one after the other."""
        url = self._settings.DATABASE_URL or ""
        limits = worker.limits(self._settings)
        is_stopped = self._halt.is_asked.is_set

        def do(run: runs.Run) -> None:
            worker.do(self._engine, run, url, limits, is_stopped)

        while worker.run_next(self._engine, do, patience=self._patience):
            continue

    def alerts(self) -> None:
        """Evaluate alert rules on what was loaded."""
        if told := self._alerting.loaded():
            log.info("alert rules found something", findings=told)

    def asked_rules(self) -> None:
        """Evaluate the alert rules that are due by the clock."""
        if told := self._alerting.asked():
            log.info("alert rules found something by the clock", findings=told)

    def figures(self, moment: datetime) -> dict[str, float]:
        """Give how this service fares, for alert rules; what is not known is not there."""
        oldest = self._waiting()
        found = {"loader_lag_seconds": max(0.0, (moment - oldest).total_seconds()) if oldest else 0.0}
        if self.state.last_fold_us:
            found["rollup_lag_seconds"] = max(0.0, (_us(moment) - self.state.last_fold_us) / 1e6)
        found["slow_answers"] = answers_of_day(self._settings.DATA_DIR, moment).webhook_late_count
        return found

    def messages(self) -> None:
        """Begin to send what is due."""
        self.sender.tick()

    def artifacts(self) -> None:
        """Remove what reports made too long ago, and messages that were sent too long ago."""
        moment = self._database_time()
        with self._engine.begin() as connection:
            dropped = runs.drop_old_artifacts(connection, moment, self._settings.REPORT_RETENTION_DAYS)
        if dropped:
            log.info("files of reports were removed after their time", count=dropped)
        with self._engine.begin() as connection:
            gone = outbox.drop_old(connection, moment, self._settings.MESSAGE_RETENTION_DAYS)
        if gone:
            log.info("messages and their deliveries were removed after their time", count=gone)

    def _database_time(self) -> datetime:
        """Tell by whose clock things are old: not by one that may be wrong, of one service of many."""
        with self._engine.connect() as connection:
            return database_time(connection)

    def tell(self, trouble: str | None) -> None:
        """Write down how everything fares."""
        self.state.heartbeat_us = _us(self._clock())
        self.state.database = trouble or "ok"
        self.state.messages_waiting = self.sender.waiting
        self.state.oldest_message_us = _us(self.sender.oldest_at) if self.sender.oldest_at else 0
        self.state.delivery_failures = self.sender.outcomes["temporary"] + self.sender.outcomes["permanent"]
        try:
            self.state.write(self._run_dir)
        except OSError as error:
            log.warning("how the scheduler fares cannot be told", why=str(error))


def run(settings: Settings, should_stop: Callable[[], bool], waiting: Waiting = nothing_waits) -> None:
    """Run the scheduler in this process until told to stop."""
    url = settings.DATABASE_URL or ""
    engine = engine_for(
        url,
        application="errhouse schedule",
        pool_size=CONNECTIONS,
        overflow=MORE_CONNECTIONS,
        is_patient=True,
        tries=PATIENCE,
    )
    halt = Halt(engine)
    # what is being sent is written down when the other jobs are ended: it has connections of its own
    own = engine_for(url, application="errhouse send", overflow=1, is_patient=True, tries=PATIENCE)
    sender = Sender(engine, Targets(settings), doors(own, settings), own=own)
    work = Work(engine, settings, now, halt, waiting, sender)
    Scheduler(work.jobs(), halt, work.tell).run(should_stop)
    work.sender.stop(MESSAGES_STOP_SECONDS)
    own.dispose()
    engine.dispose()
    gc.freeze()  # the interpreter looks for cycles when it ends: for longer than anybody waits


def _log(steps: Iterable[Step]) -> None:
    for step in steps:
        if not step.is_done:
            log.warning("a step of the maintenance could not be done", step=step.name, why=step.told)
        elif step.is_news:
            log.info(step.told, step=step.name, seconds=step.seconds)


def _us(moment: datetime) -> int:
    return int((moment - EPOCH).total_seconds() * 1e6)
