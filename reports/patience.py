"""
What was accepted and is not loaded yet: runs wait for it a while, and say so when they could not.

Rollups that are behind change no number, for what is not folded is counted all the same. What lies in the spools of
this service is in no table; a report of a period in which some of it was accepted would tell less than happened.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

if TYPE_CHECKING:
    from reports.making import Workshop
    from reports.period import Period
    from reports.reading import Reader
    from reports.report import Report

LONGEST_WAIT = timedelta(minutes=10)  # for the loader, after a run has settled; then it is run as it is
MINUTE = "%Y-%m-%d %H:%M UTC"

log = structlog.get_logger()

Waiting = Callable[[], datetime | None]
"""Gives when the oldest event was accepted that is not loaded; None when nothing waits."""


def nothing_waits() -> datetime | None:
    """Say that everything is loaded, where there are no spools to look at."""
    return None


class Patience:
    """How long each schedule has waited for the loader, by one scheduler's memory."""

    def __init__(self, waiting: Waiting = nothing_waits) -> None:
        self._waiting = waiting
        self._since: dict[str, datetime] = {}

    def holds(self, name: str, period_end: datetime, moment: datetime) -> bool:
        """Say whether a run of a period is to wait; once waited out, nothing of its name waits before all is well."""
        oldest = self._waiting()
        if oldest is None or oldest >= period_end:
            self._since.pop(name, None)
            return False
        if name not in self._since:
            self._since[name] = moment
            log.info("a report waits for the loader", schedule=name, accepted_at=oldest.isoformat())
        return moment - self._since[name] < LONGEST_WAIT


def flagged(shop: "Workshop", oldest: datetime | None) -> "Workshop":
    """
    Have reports say that they are partial, when their period was not over as the oldest waiting event was accepted.

    Takes: `oldest`, read before the report's snapshot is taken.
    """

    def make(name: str, reader: "Reader", period: "Period", parameters: Mapping[str, Any]) -> "Report":
        made = shop.make(name, reader, period, parameters)
        if oldest is None or oldest >= period.end:
            return made
        since = oldest.strftime(MINUTE)
        note = f"Partial: events accepted since {since} were not loaded yet; made again, it tells more."
        return msgspec.structs.replace(made, is_partial=True, notes=[note, *made.notes])

    return shop._replace(make=make)
