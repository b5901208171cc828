"""
When a schedule is due, and which period a run of it reports on (pure).

Cron as Debian's: what is set for a certain hour of the night runs once where clocks go back, and where they go forward
at the first instant after the gap. The period of a run follows from the instant it was scheduled for, so that one that
is late, or done again, tells the same.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from cronsim import CronSim, CronSimError

from reports.errors import BadPeriod, BadSchedule
from reports.period import Period, calendar, parsed, zone

CATCH_UPS = ("latest", "all", "skip")
MOST_OWED = 100  # of one schedule; what is older than so many runs is not owed any more
LONGEST_LATENESS = timedelta(days=31)
ON_TIME = timedelta(minutes=15)  # after it has settled; one report at a time is made, so others may be before it
MAX_LATENESS = timedelta(days=2)
SETTLE = timedelta(minutes=10)
CALENDAR = {"daily": "day", "weekly": "week", "monthly": "month"}
"""Reports on the day, week or month before; `--param period=week` makes any report one."""


class Schedule(NamedTuple):
    """One row of report_schedule."""

    name: str
    report: str
    cron: str
    zone: str
    starts_at: datetime
    parameters: dict[str, Any]
    formats: list[str]
    targets: list[str]
    catch_up: str = "latest"
    max_lateness: timedelta = MAX_LATENESS
    settle: timedelta = SETTLE
    is_enabled: bool = True


class Due(NamedTuple):
    """An instant of a schedule that has no run yet: to be run, or to be written down as skipped."""

    scheduled_for: datetime
    is_run: bool


def due(schedule: Schedule, since: datetime, now: datetime) -> list[Due]:
    """
    Give what is owed, oldest first: instants after `since` that have settled, as the schedule catches up.

    Takes: `since`, the last instant that has its run, or before which none is owed.
    """
    until = now - schedule.settle
    oldest = until - max(schedule.max_lateness, ON_TIME)
    owed = deque(instants(schedule.cron, schedule.zone, max(since, oldest), until), MOST_OWED)
    if not owed:
        return []
    is_last_run = schedule.catch_up != "skip" or until - owed[-1] <= ON_TIME
    return [Due(each, is_run=schedule.catch_up == "all" or (each == owed[-1] and is_last_run)) for each in owed]


def instants(cron: str, zone_name: str, since: datetime, until: datetime) -> Iterator[datetime]:
    """Give the instants of a schedule after `since`, up to and with `until`, in UTC."""
    if since >= until:
        return
    for each in after(cron, zone_name, since):
        if each > until:
            return
        yield each


def upcoming(cron: str, zone_name: str, since: datetime, count: int) -> list[datetime]:
    """Give the next instants of a schedule."""
    return list(islice(after(cron, zone_name, since), count))


def after(cron: str, zone_name: str, since: datetime) -> Iterator[datetime]:
    """Give every instant of a schedule after `since`, in UTC."""
    for each in CronSim(cron, since.astimezone(zone(zone_name))):
        moment: datetime = each.astimezone(UTC)
        # begun in the hour that comes twice, it names again what was in the first of the two
        if moment > since:
            since = moment
            yield moment


def check(cron: str, zone_name: str, now: datetime) -> None:
    """Raise BadSchedule or BadPeriod, one sentence, when this can never be due."""
    zone(zone_name)
    how = 'write five fields, such as "0 8 * * 1" for Mondays at 8'
    if len(cron.split()) != 5:
        raise BadSchedule(f"{cron!r} is not a time of cron; {how}.")
    try:
        found = upcoming(cron, zone_name, now, 1)
    except CronSimError as wrong:
        raise BadSchedule(f"{cron!r} is not a time of cron ({str(wrong).lower()}); {how}.") from None
    if not found:
        raise BadSchedule(f"{cron!r} never comes; {how}.")


def period(report: str, scheduled_for: datetime, zone_name: str, parameters: Mapping[str, Any]) -> Period:
    """
    Give the period of a run: the day, week or month before the instant it was scheduled for, else what rolls up to it.

    Raises: BadPeriod.
    """
    kind = parameters.get("period") or (None if "last" in parameters else CALENDAR.get(report))
    if kind is None:
        return parsed(scheduled_for, last=parameters.get("last"), zone_name=zone_name)
    if "last" in parameters:
        raise BadPeriod("A schedule has either --param period=week or --param last=7d, not both.")
    if kind not in CALENDAR.values():
        raise BadPeriod(f"{kind} is not a period of a schedule; write day, week or month, or --param last=7d.")
    return calendar(scheduled_for.astimezone(zone(zone_name)).date(), kind, zone_name).previous()


def told(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Give what of a schedule's parameters is the report's own, which its period is not."""
    return {name: value for name, value in parameters.items() if name not in {"period", "last"}}
