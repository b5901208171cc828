"""
What keeps the warehouse in order: `errhouse db maintain`, and the scheduler every hour.

Each step stands alone: one that fails is told and the others go on, and what was begun and not finished, because of a
lock, an outage or a kill, is found and finished by the next run. Two runs at once do no harm; the second leaves out
what the first is at.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta
from functools import partial
from typing import NamedTuple

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from models import closing, project_retention, retention
from models.audit import Scope, audit
from models.errors import ModelsError
from models.fold import FOLD_LOCK, LOCK, fold_all
from models.leaves import detached
from models.partitions import EVENTS, GROUP_HOURS, ROLLUPS, Parent, Partitions, ensure
from models.payload_training import train, train_first
from models.rebuild import PROJECTS, NothingToRebuildFrom, rebuild
from models.settings import Settings
from models.user_counts import count_users

BEHIND_DAYS = 30  # for which partitions are there before late events come
MAINTAIN_LOCK = 0x6572726D61696E74  # "errmaint"

TRY_CLAIM = text("select pg_try_advisory_xact_lock(:key)")
NEVER_IDLE_OUT = text("set local idle_in_transaction_session_timeout = 0")
DUE = text("select day from warehouse.rebuild_due order by day")
IS_DUE = text("select exists (select from warehouse.rebuild_due where day = :day)")
NOT_DUE = text("delete from warehouse.rebuild_due where day = :day")


class Step(NamedTuple):
    """What one step did, in a sentence; how long it took, whether it could do it, and whether there was a need."""

    name: str
    told: str
    seconds: float
    is_done: bool
    is_news: bool


class Unlike(ModelsError):
    """Numbers that should agree do not."""


class _Steps:
    """Runs steps one after the other, and keeps what they tell; one that did nothing tells an empty text."""

    def __init__(self) -> None:
        self.told: list[Step] = []

    def run(self, name: str, work: Callable[[], str]) -> None:
        begun = time.monotonic()
        try:
            said, is_done = work(), True
        except (SQLAlchemyError, ModelsError, OSError) as error:
            said, is_done = why(error), False
        seconds = round(time.monotonic() - begun, 3)
        self.told.append(Step(name, said or "There was nothing to do.", seconds, is_done, bool(said)))


def maintain(
    engine: Engine,
    settings: Settings,
    now: datetime,
    *,
    rebuild_seconds: float | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> list[Step]:
    """
    Do everything that is due, and tell it step by step; a step that fails does not stop the others.

    Takes: `rebuild_seconds`, after which no further day is rebuilt, None for no bound; `pause`, which waits so many
    seconds when somebody is in the way.
    """
    today = now.date()
    kept = retention.kept(settings, today)
    steps = _Steps()
    steps.run("partitions", lambda: make_partitions(engine, settings, today, kept))
    steps.run("fold", lambda: _fold(engine, settings, today))
    steps.run("rebuild", lambda: rebuild_due(engine, settings, today, rebuild_seconds))
    try:
        with claimed(engine) as is_ours:
            if is_ours:
                _exclusive(steps, engine, settings, now, kept, pause)
            else:
                steps.run("others", lambda: "Another run is at the rest, so it was left to that one.")
    except SQLAlchemyError as error:
        steps.told.append(Step("others", why(error), 0.0, is_done=False, is_news=True))
    return steps.told


def urgent(
    engine: Engine, settings: Settings, now: datetime, rebuild_seconds: float, *, may_train: bool = False
) -> list[Step]:
    """
    Do what should not wait for its hour: days whose rollups are not to be trusted, as far as the seconds go, and what a
    run that was killed has detached and not dropped.

    Takes: `may_train`, whether a first dictionary of payloads may be made too, if there is none.
    """
    steps = _Steps()
    steps.run("rebuild", lambda: rebuild_due(engine, settings, now.date(), rebuild_seconds))
    steps.run("left over", lambda: _drop_left_overs(engine, now))
    if may_train:
        steps.run("payload dictionary", lambda: _train(engine, now, is_first=True))
    return steps.told


def _exclusive(
    steps: "_Steps",
    engine: Engine,
    settings: Settings,
    now: datetime,
    kept: retention.Kept,
    pause: Callable[[float], None],
) -> None:
    """Run the steps that one run at a time does."""
    today = now.date()
    for name, parents, first in (
        ("event retention", (retention.EVENTS,), kept.events),
        ("payload retention", (retention.PAYLOADS,), kept.payloads),
        ("issue hour retention", (retention.GROUP_HOURS,), kept.group_hours),
        ("rollup retention", retention.ROLLUPS, kept.rollups),
    ):
        steps.run(name, partial(retention.remove_partitions, engine, parents, first, now, pause))
    steps.run("user day retention", lambda: retention.remove_users_of_days(engine, kept.rollups))
    steps.run("project retention", lambda: project_retention.remove_of_projects(engine, now))
    steps.run("closed partitions", lambda: closing.close(engine, today))
    steps.run("user counts", lambda: _count_users(engine, today))
    steps.run("statistics", lambda: closing.analyze(engine, now))
    steps.run("payload dictionary", lambda: _train(engine, now))
    steps.run("audit of yesterday", lambda: _audit(engine, settings, today, kept.rollups))


def make_partitions(engine: Engine, settings: Settings, today: date, kept: retention.Kept) -> str:
    """Make the partitions that events of today, of the days ahead and, late, of the days behind go to."""
    made = Partitions(engine, settings.PARTITION_DAYS).ensure_ahead(today, settings.PARTITIONS_AHEAD_DAYS)
    behind = [today - timedelta(days=days) for days in range(BEHIND_DAYS + 1)]
    month = (today.replace(day=1) + timedelta(days=31)).replace(day=1)
    wanted: list[tuple[tuple[Parent, ...], list[date]]] = [
        ((parent,), [day for day in behind if first is None or day >= first])
        for parent, first in zip(EVENTS, (kept.events, kept.payloads), strict=True)
    ]
    wanted += [(ROLLUPS, [today, month]), ((GROUP_HOURS,), [today, today + timedelta(days=7)])]
    for parents, days in wanted:
        with engine.begin() as connection:
            made += ensure(connection, parents, days, settings.PARTITION_DAYS)
    return f"{made} partitions were made." if made else ""


def rebuild_due(engine: Engine, settings: Settings, today: date, seconds: float | None = None) -> str:
    """
    Make the rollups again of the days that are due, oldest first, a project and day a transaction; say what was done.

    Takes: `seconds`, after which no further day is begun.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    with engine.connect() as connection:
        days = list(connection.execute(DUE).scalars())
    done = 0
    for day in days:
        if deadline is not None and time.monotonic() > deadline:
            break
        with engine.connect() as connection:
            projects = list(connection.execute(PROJECTS).scalars())
        for project_id in projects:
            with engine.begin() as connection, suppress(NothingToRebuildFrom):
                connection.execute(LOCK, {"key": FOLD_LOCK})
                if connection.execute(IS_DUE, {"day": day}).scalar():
                    rebuild(connection, day, today, settings.HOUR_GROUP_RETENTION_DAYS, [project_id])
        with engine.begin() as connection:
            connection.execute(NOT_DUE, {"day": day})
        done += 1
    return f"{done} of {len(days)} days that were due were rebuilt." if days else ""


@contextmanager
def claimed(engine: Engine) -> Iterator[bool]:
    """
    Hold the claim that keeps two runs from the same work; give whether it is ours.

    A transaction that holds nothing but an advisory lock: it goes with its connection, and nobody waits for it.
    """
    with engine.connect() as connection:
        is_ours = bool(connection.execute(TRY_CLAIM, {"key": MAINTAIN_LOCK}).scalar())
        # after the query, whose snapshot is held until the next statement: an index is not built while there is one
        connection.execute(NEVER_IDLE_OUT)
        yield is_ours


def why(error: Exception) -> str:
    """Say an error in one sentence without the values of any row."""
    if isinstance(error, ModelsError):
        return str(error)
    cause = getattr(error, "orig", None) or error
    message = getattr(getattr(cause, "diag", None), "message_primary", None)
    said = (message or str(cause)).strip().splitlines() or [type(cause).__name__]
    state = getattr(cause, "sqlstate", None)
    return f"It could not be done ({said[-1].rstrip('.')}{', ' + state if state else ''}); the next run tries again."


def _fold(engine: Engine, settings: Settings, today: date) -> str:
    moved = fold_all(engine, today, settings.HOUR_GROUP_RETENTION_DAYS)
    return f"{moved} batches were folded into the rollups." if moved else ""


def _drop_left_overs(engine: Engine, now: datetime) -> str:
    with engine.connect() as connection:
        if not detached(connection):
            return ""
    with claimed(engine) as is_ours:
        return retention.drop_left_overs(engine, now) if is_ours else ""


def _count_users(engine: Engine, today: date) -> str:
    counted = count_users(engine, today)
    return f"The users of {counted} rows of closed days were counted." if counted else ""


def _train(engine: Engine, now: datetime, *, is_first: bool = False) -> str:
    codec = train_first(engine, now) if is_first else train(engine, now)
    return f"Payloads have a new dictionary, codec {codec}." if codec is not None else ""


def _audit(engine: Engine, settings: Settings, today: date, rollups_first: date | None) -> str:
    """Compare yesterday's numbers; raises Unlike when some do not agree."""
    yesterday = today - timedelta(days=1)
    scope = Scope(today, settings.HOUR_GROUP_RETENTION_DAYS, yesterday, yesterday, rollups_first)
    if differences := audit(engine, scope).differences:
        raise Unlike(f"{len(differences)} numbers of {yesterday} do not agree; `errhouse db audit` shows them.")
    return ""
