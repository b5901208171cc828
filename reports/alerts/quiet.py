"""Quiet hours: from when to when nothing is sent, by the clock of a time zone (pure)."""

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from reports.errors import BadRule

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


def hours(quiet: str) -> tuple[time, time]:
    """Read `22:00-07:00`. Raises BadRule."""
    found = _HOURS.fullmatch(quiet.strip())
    if found is None:
        raise BadRule(f"--quiet {quiet!r} cannot be used; write it as 22:00-07:00.")
    first, last = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
    if first == last:
        raise BadRule("--quiet begins when it ends, so nothing would ever be sent; `errhouse rule pause` does that.")
    return first, last


def quiet_until(now: datetime, quiet: str | None, zone: str) -> datetime | None:
    """Give when the quiet hours end in which an instant lies; None when it lies in none."""
    if quiet is None:
        return None
    first, last = hours(quiet)
    local = now.astimezone(ZoneInfo(zone))
    at = local.time().replace(tzinfo=None)
    if not (first <= at < last if first < last else at >= first or at < last):
        return None
    day = local.date() + (timedelta(days=1) if at >= last else timedelta(0))
    ends = datetime.combine(day, last, ZoneInfo(zone)).astimezone(UTC)
    # where clocks are put back the same hour comes twice: the end that is still to come counts
    return ends if ends > now else datetime.combine(day, last, ZoneInfo(zone)).replace(fold=1).astimezone(UTC)
