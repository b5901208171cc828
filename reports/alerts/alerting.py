"""
Alert rules are evaluated here, by the scheduler: on what was loaded, and by the clock. Never on the way of an event.

What was loaded is taken, evaluated and put into the outbox in one transaction that one scheduler at a time has: a crash
at any instant repeats all of it or nothing. A rule that fails is told of in its row, and the others go on.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from models import failpoints
from models.clock import database_time
from models.maintain import why
from reports.alerts import alert_asked, alert_counts, alert_desk, alert_feed, rules_kept
from reports.alerts.alert_desk import Desk, Limits
from reports.alerts.matching import is_matched
from reports.alerts.rule import Given, Rule, Sighting
from reports.errors import ReportsError
from reports.halt import Halted
from reports.rules import RuleKind, kind_of

LOCK = 0x657272616C727473  # "erralrts": one at a time evaluates what was loaded, and puts into the outbox
FIRING_SECONDS = 10.0  # between two looks whether what was over a threshold still is, while nothing is loaded
TIDY_SECONDS = 60.0
BEHIND_SECONDS = 60.0  # so long events wait, nobody can say that a project is silent

TRY_TURN = text("select pg_try_advisory_xact_lock(:key)")
TURN = text("select pg_advisory_xact_lock(:key)")
TRY_RULE = text("select pg_try_advisory_xact_lock(hashtextextended(:name, :key))")

Figures = Callable[[datetime], Mapping[str, float]]
"""Gives how this service fares, as in `Given.figures`."""

log = structlog.get_logger()


class Alerting:
    """
    Evaluates the rules of a warehouse over one engine.

    Takes: `public_url`, under which people reach the console; `limits`, how much targets are sent; `clock`, in place of
    the database's, for tests.
    """

    def __init__(
        self,
        engine: Engine,
        public_url: str,
        limits: Limits,
        figures: Figures,
        clock: Callable[[Connection], datetime] = database_time,
    ) -> None:
        self._engine = engine
        self._public_url = public_url
        self._limits = limits
        self._figures = figures
        self._clock = clock
        self._looked_at = self._tidied_at = float("-inf")
        self.has_rules = False
        """Whether a rule was enabled when it was last looked: then what is loaded is folded more often."""

    def loaded(self) -> int:
        """Evaluate rules on what was loaded since the last time; return how many findings were news."""
        with self._engine.connect() as connection:
            found = alert_feed.pending(connection)
        self.has_rules = found.has_rules
        is_due = found.is_firing and monotonic() - self._looked_at > FIRING_SECONDS
        news = 0
        if found.is_fed or found.is_changed or is_due:
            self._looked_at = monotonic()
            is_more = True
            while is_more:
                told, is_more = self._step()
                news += told
        return news

    def asked(self) -> int:
        """Evaluate the rules that are due by the clock; return how many findings were news."""
        with self._engine.connect() as connection:
            now = self._clock(connection)
            due = [each for each in rules_kept.listed(connection, only_enabled=True) if _is_due(each, now)]
        news, trouble = 0, None
        for rule in due:
            try:
                news += self._ask(rule.name)
            except OperationalError as error:  # the database's, not the rule's: the others are asked all the same
                trouble = error
        if monotonic() - self._tidied_at > TIDY_SECONDS:
            self._tidied_at = monotonic()
            self._tidy()
        if trouble is not None:
            raise trouble
        return news

    def _step(self) -> tuple[int, bool]:
        """Take as much as one transaction should, and evaluate every rule on it; say whether there may be more."""
        with self._engine.begin() as connection:
            if not connection.execute(TRY_TURN, {"key": LOCK}).scalar():
                return 0, False
            now = self._clock(connection)
            rules = rules_kept.listed(connection, only_enabled=True)
            changes = alert_feed.tell_changes(connection, now)
            if not rules:
                alert_feed.drop(connection)
                return 0, len(changes) >= alert_feed.MOST_CHANGES
            loaded = alert_feed.take(connection)
            desk = Desk(connection, now, self._public_url, self._limits)
            news = sum(self._evaluated(connection, desk, rule, [*loaded, *changes], now) for rule in rules)
            desk.close()
            failpoints.passed(failpoints.ALERTS_PUT)
        failpoints.passed(failpoints.ALERTS_COMMITTED)
        return news, len(loaded) >= alert_feed.MOST_ROWS or len(changes) >= alert_feed.MOST_CHANGES

    def _evaluated(
        self, connection: Connection, desk: Desk, rule: Rule, sightings: list[Sighting], now: datetime
    ) -> int:
        try:
            kind = kind_of(rule.kind)
            if kind.EVERY_SECONDS:
                return 0
            with connection.begin_nested():
                given = self._given(connection, desk, rule, kind, met(connection, rule, sightings), now)
                news = desk.tell(rule, kind.found(rule.parameters, given))
        except (Halted, OperationalError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a rule does, the others go on
            rules_kept.note(connection, rule.name, _told(rule, error))
            return 0
        if rule.error is not None:
            rules_kept.note(connection, rule.name, None)
        return news

    def _ask(self, name: str) -> int:
        """Evaluate a rule that is due by the clock, unless somebody else has done so or is at it."""
        try:
            with self._engine.begin() as connection:
                if not connection.execute(TRY_RULE, {"name": name, "key": LOCK}).scalar():
                    return 0
                now = self._clock(connection)
                rule = rules_kept.named(connection, name)
                if not rule.is_enabled or not _is_due(rule, now):
                    return 0
                kind = kind_of(rule.kind)
                figures = self._figures(now)
                is_blind = kind.NEEDS == "silences" and figures.get("loader_lag_seconds", 0.0) > BEHIND_SECONDS
                given = alert_asked.given(self._engine, connection, rule, kind.NEEDS, figures, now)
                connection.execute(TURN, {"key": LOCK})
                desk = Desk(connection, now, self._public_url, self._limits)
                news = 0 if is_blind else desk.tell(rule, kind.found(rule.parameters, given))
                desk.close()
                rules_kept.evaluated(connection, name, now)
                failpoints.passed(failpoints.ALERTS_PUT)
                return news
        except (Halted, OperationalError):
            raise
        except Exception as error:  # noqa: BLE001 - as above
            with self._engine.begin() as connection:
                rules_kept.evaluated(connection, name, self._clock(connection), _told(rule, error))
            return 0

    def _given(
        self,
        connection: Connection,
        desk: Desk,
        rule: Rule,
        kind: RuleKind,
        sightings: list[Sighting],
        now: datetime,
    ) -> Given:
        if kind.NEEDS != "counts":
            return Given(now, sightings=tuple(sightings))
        last = alert_counts.add(connection, rule, sightings)
        return Given(now, counts=alert_counts.counted(connection, rule, last, desk.firing(rule), now))

    def _tidy(self) -> None:
        """Remove what no rule asks any more."""
        with self._engine.begin() as connection:
            now = self._clock(connection)
            for rule in rules_kept.listed(connection):
                if "window" in rule.parameters:
                    alert_counts.forget(connection, rule, now)
            alert_desk.tidy(connection, now)


def met(connection: Connection, rule: Rule, sightings: list[Sighting]) -> list[Sighting]:
    """Give what a rule is about, of what came after it was added."""
    since = rule.starts_at
    found = [
        each
        for each in sightings
        if is_matched(each, rule.matches) and (since is None or each.seen_at is None or each.seen_at >= since)
    ]
    wanted: dict[str, Any] | None = rule.matches.get("tag")
    return alert_feed.tagged(connection, found, wanted) if wanted else found


def _is_due(rule: Rule, now: datetime) -> bool:
    try:
        every = rule.parameters.get("every") or kind_of(rule.kind).EVERY_SECONDS
    except ReportsError:
        every = TIDY_SECONDS  # of a later version; the row says so once a minute
    return bool(every) and (rule.evaluated_at is None or now - rule.evaluated_at >= timedelta(seconds=every))


def _told(rule: Rule, error: Exception) -> str:
    """Say in one sentence why a rule cannot be evaluated, without the values of any row."""
    if isinstance(error, ReportsError):
        return str(error)
    if isinstance(error, SQLAlchemyError):
        return why(error)
    log.error("a rule failed by a fault of this program", rule=rule.name, kind=type(error).__name__, exc_info=error)
    return f"It failed by a fault of this program ({type(error).__name__}); the log of the service says more."
