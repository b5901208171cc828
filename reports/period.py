"""
Periods: half-open spans of time in a time zone, how people write them, and the one before each (pure).

A calendar period (a day, a week, a month) has the length its time zone gives it: a week with a clock change has 167 or
169 hours. A rolling period (`--last 7d`) has the length that was asked for.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from reports.errors import BadPeriod

LONGEST = timedelta(days=3660)
BASELINE_WEEKS = 5  # before a period, whose same hours it is compared with
HOW = "write it as --last 7d, --period 2026-W45, --period 2026-11, --period 2026-11-24, or --from and --to"

_ROLLING = re.compile(r"([1-9]\d{0,4})(h|d|w)", re.ASCII)
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_WEEK = re.compile(r"(\d{4})-W(\d{2})", re.ASCII)
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


class Period(NamedTuple):
    """From `start` up to and without `end`, both aware; `kind` is rolling, day, week, month or span."""

    start: datetime
    end: datetime
    zone: str
    kind: str

    @property
    def hours(self) -> float:
        """Return its real length, which rates are divided by."""
        return (self.end - self.start).total_seconds() / 3600

    @property
    def label(self) -> str:
        """Return its name for people."""
        here = ZoneInfo(self.zone)
        first, last = self.start.astimezone(here), self.end.astimezone(here)
        if self.kind == "day":
            return f"{first:%Y-%m-%d}"
        if self.kind == "week":
            year, week, _ = first.isocalendar()
            return f"{year}-W{week:02d}"
        if self.kind == "month":
            return f"{first:%Y-%m}"
        return f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"

    def previous(self) -> "Period":
        """Return the equal period before: the calendar's where it is one of the calendar, else as long as this."""
        here = ZoneInfo(self.zone)
        first = self.start.astimezone(here).date()
        if self.kind == "day":
            return calendar(first - timedelta(days=1), "day", self.zone)
        if self.kind == "week":
            return calendar(first - timedelta(days=7), "week", self.zone)
        if self.kind == "month":
            return calendar((first - timedelta(days=1)).replace(day=1), "month", self.zone)
        return Period(self.start - (self.end - self.start), self.start, self.zone, self.kind)


def zone(name: str) -> ZoneInfo:
    """Give a time zone by its IANA name. Raises BadPeriod."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadPeriod(f"There is no time zone {name!r}; write one such as UTC or Europe/Berlin.") from None


def calendar(first: date, kind: str, zone_name: str) -> Period:
    """Give the day, week or month that begins with a day; a week begins on Monday."""
    if kind == "month":
        first = first.replace(day=1)
        end = (first + timedelta(days=31)).replace(day=1)
    elif kind == "week":
        first -= timedelta(days=first.weekday())
        end = first + timedelta(days=7)
    else:
        end = first + timedelta(days=1)
    return Period(midnight(first, zone_name), midnight(end, zone_name), zone_name, kind)


def midnight(day: date, zone_name: str) -> datetime:
    """Give the first instant of a day in a time zone, as UTC; a skipped midnight is the first one there is."""
    return datetime(day.year, day.month, day.day, tzinfo=zone(zone_name)).astimezone(UTC)


def parsed(
    now: datetime,
    *,
    last: str | None = None,
    period: str | None = None,
    since: str | None = None,
    until: str | None = None,
    zone_name: str = "UTC",
    default: str = "7d",
) -> Period:
    """
    Read a period as the command line, a URL or a schedule tells it; `default` is the rolling one when nothing is told.

    Raises: BadPeriod, one sentence.
    """
    here = zone(zone_name)
    if sum(each is not None for each in (last, period, since or until)) > 1:
        raise BadPeriod(f"More than one period was given; {HOW}.")
    try:
        if period is not None:
            made = _named(period.strip(), now.astimezone(here).date(), zone_name)
        elif since is not None or until is not None:
            if since is None:
                raise BadPeriod("--to needs --from, the first instant of the period.")
            end = _instant(until, zone_name) if until is not None else now
            made = Period(_instant(since, zone_name), end, zone_name, "span")
        else:
            made = _rolling(last or default, now, zone_name)
    except (ValueError, OverflowError):
        raise BadPeriod(f"{last or period or since} is not a period; {HOW}.") from None
    if made.start >= made.end:
        raise BadPeriod("The period ends before it begins; give --to a later instant than --from.")
    if made.end - made.start > LONGEST:
        raise BadPeriod("The period is longer than ten years; ask for a shorter one.")
    return made


def _rolling(text: str, now: datetime, zone_name: str) -> Period:
    found = _ROLLING.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    return Period((now - int(found[1]) * _UNITS[found[2]]).astimezone(UTC), now.astimezone(UTC), zone_name, "rolling")


def _named(text: str, today: date, zone_name: str) -> Period:
    if text in {"today", "yesterday"}:
        return calendar(today - timedelta(days=text == "yesterday"), "day", zone_name)
    if found := _DAY.fullmatch(text):
        return calendar(date(int(found[1]), int(found[2]), int(found[3])), "day", zone_name)
    if found := _WEEK.fullmatch(text):
        return calendar(date.fromisocalendar(int(found[1]), int(found[2]), 1), "week", zone_name)
    if found := _MONTH.fullmatch(text):
        return calendar(date(int(found[1]), int(found[2]), 1), "month", zone_name)
    raise ValueError(text)


def _instant(text: str, zone_name: str) -> datetime:
    told = datetime.fromisoformat(text.strip())
    return (told if told.tzinfo else told.replace(tzinfo=zone(zone_name))).astimezone(UTC)
