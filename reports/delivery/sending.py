"""
The sender: takes what is due from the outbox, in threads, so that a target that hangs delays no other.

A message is claimed in one transaction and its attempt written down in another, with the sending between: after a
crash it is sent again, with the same key, rather than never.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextvars import copy_context
from datetime import datetime
from random import SystemRandom
from threading import Condition, Thread

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from models import failpoints
from models.clock import database_time
from models.errors import ModelsError
from reports.channels import CHANNELS, Channel, check
from reports.delivery import letters, outbox
from reports.delivery.masking import masked_error, masked_sent
from reports.delivery.outgoing import Outgoing
from reports.delivery.targets import Target
from reports.delivery.targets_kept import Targets
from reports.errors import BadTarget, DeliveryError

MOST_AT_ONCE = 8
COUNT_SECONDS = 5.0
RENEW_SECONDS = 15.0
LONGEST_SECONDS = 360.0  # more than any channel takes, scripts included; nobody waits for who takes longer
AGAIN_SECONDS = 1.0  # between attempts to write down how it went

log = structlog.get_logger()


class Sender:
    """
    Sends what is due, whenever it is asked to.

    Takes: `clock` in place of the database's, for tests; `own`, for what goes on while `engine` is halted.
    """

    def __init__(
        self,
        engine: Engine,
        targets: Targets,
        out: Outgoing,
        channels: Sequence[Channel] = CHANNELS,
        clock: Callable[[Connection], datetime] = database_time,
        own: Engine | None = None,
    ) -> None:
        self._engine = engine
        self._own = own or engine
        self._targets = targets
        self._out = out
        self._channels = channels
        self._clock = clock
        self._busy: dict[object, tuple[outbox.Claimed, float]] = {}
        self._renewed_at = 0.0
        self._changed = Condition()
        self._is_stopping = False
        self._counted_at = 0.0
        self.outcomes: Counter[str] = Counter()
        self.waiting = 0
        self.oldest_at: datetime | None = None

    def tick(self) -> None:
        """Begin to send what is due, as far as there is room; return at once. Raises SQLAlchemyError."""
        with self._changed:
            late = time.monotonic() - LONGEST_SECONDS
            self._busy = {token: one for token, one in self._busy.items() if one[1] > late}
            room = 0 if self._is_stopping else MOST_AT_ONCE - len(self._busy)
        self._renew()
        for claimed in self._claim(self._engine, room):
            token = object()
            with self._changed:
                self._busy[token] = claimed, time.monotonic()
            thread = Thread(target=copy_context().run, args=(self._go_on, token, claimed), name="send", daemon=True)
            thread.start()

    def settle(self, seconds: float) -> bool:
        """Wait until nothing is being sent, so long at most; say whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._busy, seconds)

    def stop(self, seconds: float) -> bool:
        """Begin nothing more, and let what is being sent be written down; say whether it was."""
        self._is_stopping = True
        return self.settle(seconds)

    def send(self, claimed: outbox.Claimed) -> outbox.Attempt:
        """Send a message that was claimed, and write nothing down."""
        target: Target | None = None
        try:
            with self._own.connect() as connection:
                message = letters.whole(connection, claimed)
                target = self._targets.find(connection, claimed.target)
            sent = check(target, self._channels).send(target, message, self._out)
            return outbox.Attempt(sent=masked_sent(sent, target))
        except DeliveryError as wrong:
            return outbox.Attempt(wrong=masked_error(wrong, target))
        except (BadTarget, ModelsError) as wrong:  # a person can mend that while it waits
            return outbox.Attempt(wrong=DeliveryError(str(wrong), permanent=False))
        except SQLAlchemyError:
            return outbox.Attempt(wrong=DeliveryError("The database went away meanwhile.", permanent=False))
        except Exception as fault:  # noqa: BLE001 - whatever a channel does, the others go on
            # what the error says may hold secrets, so it is told by its kind and place alone
            trace = fault.__traceback__
            while trace and trace.tb_next:
                trace = trace.tb_next
            where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
            kind = type(fault).__name__
            log.error("a channel failed by a fault of this program", target=claimed.target, kind=kind, where=where)  # noqa: TRY400
            return outbox.Attempt(
                wrong=DeliveryError(f"It failed by a fault of this program ({kind}).", permanent=False)
            )

    def _renew(self) -> None:
        with self._changed:
            since = time.monotonic() - RENEW_SECONDS
            wanted = [claimed.message_id for claimed, begun in self._busy.values() if begun < since]
        if wanted and self._renewed_at < since:
            with self._engine.begin() as connection:
                outbox.renew(connection, wanted, self._clock(connection))
            self._renewed_at = time.monotonic()

    def _claim(self, engine: Engine, room: int, target: str | None = None) -> list[outbox.Claimed]:
        if room <= 0:
            return []
        with engine.begin() as connection:
            moment = self._clock(connection)
            if time.monotonic() - self._counted_at > COUNT_SECONDS:
                self.waiting, self.oldest_at = outbox.waiting(connection, moment)
                self._counted_at = time.monotonic()
            if not outbox.is_due(connection, moment):
                return []
            return outbox.claim(
                connection, moment, room, lambda names: self._targets.most_per_minute(connection, names), target
            )

    def _go_on(self, token: object, claimed: outbox.Claimed) -> None:
        """Send a message, and what else is due of its target, one after the other."""
        try:
            following: list[outbox.Claimed] = [claimed]
            while following:
                (one,) = following
                failpoints.passed(failpoints.OUTBOX_READ)
                how = self.send(one)
                failpoints.passed(failpoints.ACTION_SENT)
                self._mark(one, how)
                failpoints.passed(failpoints.ACTION_MARKED)
                with self._changed:
                    if token not in self._busy or self._is_stopping:
                        return
                following = self._claim(self._own, 1, one.target)
                with self._changed:
                    for each in following:
                        self._busy[token] = each, time.monotonic()
        except SQLAlchemyError:
            log.warning("messages wait for the database", target=claimed.target)
        finally:
            with self._changed:
                self._busy.pop(token, None)
                self._changed.notify_all()

    def _mark(self, claimed: outbox.Claimed, how: outbox.Attempt) -> None:
        """Write down how it went; while the database is away, try again until somebody else may be at it."""
        deadline = time.monotonic() + outbox.LEASE.total_seconds() / 2
        chance = SystemRandom().random()
        while True:
            try:
                with self._own.begin() as connection:
                    outcome = outbox.finish(connection, claimed, how, self._clock(connection), chance)
                break
            except SQLAlchemyError:
                if self._is_stopping or time.monotonic() > deadline:
                    raise
                time.sleep(AGAIN_SECONDS)
        self.outcomes[outcome] += 1
        if how.wrong is not None:
            about = {"target": claimed.target, "attempt": claimed.attempt, "outcome": outcome}
            log.warning("a message did not arrive", why=str(how.wrong), **about)
