"""
What is told of what was found: not what was told already, not too much to one target in a minute, and not at night.

A target is sent its most_per_minute at most; what is more is told in one digest when the minute is over, by its number
and first ten. A minute is the one in which messages are due, so the end of quiet hours brings no flood either.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from reports.alerts.alert_counts import minute
from reports.alerts.alert_message import LISTED, line, message, together
from reports.alerts.quiet import quiet_until
from reports.alerts.rule import Finding, Rule
from reports.delivery import outbox
from reports.delivery.message import Fact, Message, kept

MINUTE = timedelta(minutes=1)
FIRST_MINUTES = 10  # a digest that is on its way already is followed by one of a later minute
HELD = "Held back"

STATES = text(
    """
    select subject, told_at, is_firing from warehouse.alert_state
    where rule = :rule and (is_firing or subject = any(:subjects))
    """
)
REMEMBER = text(
    """
    insert into warehouse.alert_state (rule, subject, told_at, is_firing)
    select :rule, unnest(cast(:subjects as text[])), :now, :is_firing
    on conflict (rule, subject) do update set told_at = excluded.told_at, is_firing = excluded.is_firing
    """
)
END = text("update warehouse.alert_state set is_firing = false where rule = :rule and subject = any(:subjects)")
# What targets are sent is counted under no rule, by the minute in which it is due.
USED = text("select event_count from warehouse.alert_count where rule = '' and subject = :target and minute = :minute")
USE = text(
    """
    insert into warehouse.alert_count (rule, subject, minute, event_count) values ('', :target, :minute, :count)
    on conflict (rule, subject, minute) do update set event_count = excluded.event_count
    """
)
FORGET_USED = text("delete from warehouse.alert_count where rule = '' and minute < :now - interval '1 hour'")
DIGEST = text("select message from warehouse.outbox where key = :key and status = 'waiting' and attempt_count = 0")
DIGEST_AGAIN = text(
    "update warehouse.outbox set message = :message where key = :key and status = 'waiting' and attempt_count = 0 "
    "returning message_id"
).bindparams(bindparam("message", type_=JSONB))

Slot = tuple[str, datetime]
"""A target, and the minute in which messages are due."""
Limits = Callable[[Connection, Sequence[str]], Mapping[str, int]]
"""Gives how many messages targets are sent in a minute at most, by their names."""


class State(NamedTuple):
    """What was told of a subject: when, and whether its condition still held when it was last evaluated."""

    told_at: datetime
    is_firing: bool


class Desk:
    """What is told within one transaction, whose owner holds the lock of alerting."""

    def __init__(self, connection: Connection, now: datetime, public_url: str, limits: Limits) -> None:
        self._connection = connection
        self._now = now
        self._public_url = public_url
        self._limits = limits
        self._most: dict[str, int] = {}
        self._used: dict[Slot, int] = {}
        self._held: dict[Slot, tuple[int, list[str]]] = {}

    def firing(self, rule: Rule) -> list[str]:
        """Give the subjects of a rule whose condition held when it was last evaluated."""
        found = self._connection.execute(STATES, {"rule": rule.name, "subjects": []})
        return [each.subject.rpartition(":")[0] for each in found]

    def tell(self, rule: Rule, findings: Sequence[Finding]) -> int:
        """Put what is news into the outbox, for every target of the rule; return how many findings were news."""
        grouped = together(list(findings), rule.group_by)
        asked = {"rule": rule.name, "subjects": [each.state for each in grouped]}
        found = self._connection.execute(STATES, asked)
        states = {each.subject: State(each.told_at, each.is_firing) for each in found}
        news = [each for each in grouped if is_news(each, states.get(each.state), rule, self._now)]
        remembered: dict[bool, list[str]] = {True: [], False: []}
        for each in news:
            is_told = self._put(rule, each)
            if is_told or each.says != "once":  # an issue is new by itself only once
                remembered[each.says == "lasting"].append(each.state)
        for is_firing, subjects in remembered.items():
            if subjects:
                told = {"rule": rule.name, "subjects": subjects, "now": self._now, "is_firing": is_firing}
                self._connection.execute(REMEMBER, told)
        holding = {each.state for each in grouped}
        if gone := [name for name, each in states.items() if each.is_firing and name not in holding]:
            self._connection.execute(END, {"rule": rule.name, "subjects": gone})
        return len(news)

    def close(self) -> None:
        """Note what each target is sent, and put the digests of what was held back."""
        for (target, at), count in self._used.items():
            self._connection.execute(USE, {"target": target, "minute": at, "count": count})
        for (target, at), (count, titles) in self._held.items():
            self._digest(target, at, count, titles)

    def _put(self, rule: Rule, finding: Finding) -> bool:
        """Put one finding for every target that has room; say whether one had."""
        due_at = quiet_until(self._now, rule.quiet, rule.zone) or self._now
        at, made, is_told = minute(due_at), None, False
        for target in rule.targets:
            slot = target, at
            if self._count(slot) >= self._limit(target):
                count, titles = self._held.setdefault(slot, (0, []))
                titles += [line(finding.title)] if len(titles) < LISTED else []
                self._held[slot] = count + 1, titles
                continue
            made = made or message(self._connection, rule, finding, self._now, self._public_url)
            if outbox.put(self._connection, made, target, self._now, rule=rule.name, due_at=due_at) is not None:
                self._used[slot] += 1
            is_told = True
        return is_told

    def _digest(self, target: str, at: datetime, count: int, titles: list[str]) -> None:
        for later in range(FIRST_MINUTES):
            due_at = at + (1 + later) * MINUTE
            key = f"digest:{at + later * MINUTE:%Y-%m-%dT%H:%MZ}"
            if outbox.put(self._connection, digest(key, count, titles, self._now), target, self._now, due_at=due_at):
                return
            named = f"{key}:{target}"
            before: dict[str, Any] | None = self._connection.execute(DIGEST, {"key": named}).scalar()
            if before is None:
                continue
            was = msgspec.convert(before, Message)
            lines = [*was.text.splitlines(), *titles][:LISTED]
            again = digest(key, count + _held(was), lines, self._now)
            if self._connection.execute(DIGEST_AGAIN, {"key": named, "message": kept(again)}).first():
                return

    def _count(self, slot: Slot) -> int:
        if slot not in self._used:
            told = {"target": slot[0], "minute": slot[1]}
            self._used[slot] = self._connection.execute(USED, told).scalar() or 0
        return self._used[slot]

    def _limit(self, target: str) -> int:
        if target not in self._most:
            self._most.update(self._limits(self._connection, [target]))
        return self._most[target]


def digest(key: str, count: int, titles: Sequence[str], now: datetime) -> Message:
    """Make the message that tells what was held back."""
    return Message(
        key=key,
        kind="digest",
        title=f"{count:,} more {'alert was' if count == 1 else 'alerts were'} held back",
        text="\n".join(titles[:LISTED]),
        facts=(Fact(HELD, str(count)),),
        made_at=now,
    )


def is_news(finding: Finding, state: State | None, rule: Rule, now: datetime) -> bool:
    """Say whether a finding is to be told, after what was told of it before."""
    if state is None:
        return True
    if finding.says == "once" or (finding.says == "lasting" and state.is_firing):
        return False
    if finding.since is not None and state.told_at >= finding.since:
        return False
    return now - state.told_at >= timedelta(seconds=rule.cooldown_seconds)


def tidy(connection: Connection, now: datetime) -> None:
    """Remove what targets were sent in minutes that are over."""
    connection.execute(FORGET_USED, {"now": now})


def _held(message: Message) -> int:
    return next((int(each.value) for each in message.facts if each.name == HELD and each.value.isdigit()), 0)
