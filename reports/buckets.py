"""Days and instants as places on an axis: where each begins and ends, and which of them are named (pure)."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from reports.report import Kind

DAY = 86400
HOUR = 3600
MOST_NAMES = 12
EPOCH = date(1970, 1, 1)


class Bucket(NamedTuple):
    """A span of an axis, in seconds."""

    start: int
    end: int


def buckets(values: Iterable[str], kind: Kind) -> dict[str, Bucket]:
    """Give each day or instant its span: up to the next one, or as long as the shortest when the next is far."""
    starts = {value: _second(value, kind) for value in values}
    order = sorted(set(starts.values()))
    usual = min((after - before for before, after in pairwise(order)), default=None)
    width = usual or (DAY if kind == "day" else HOUR)
    ends = (
        {
            before: after if after - before <= width * 1.1 else before + width
            for before, after in zip(order, [*order[1:], order[-1] + width], strict=True)
        }
        if order
        else {}
    )
    return {value: Bucket(start, ends[start]) for value, start in starts.items()}


def ticks(spans: Sequence[Bucket], kind: Kind, zone: str) -> dict[int, str]:
    """Give the names on an axis, by where they stand: the middles of days, or the local hours and midnights."""
    order = sorted(set(spans))
    if not order:
        return {}
    if kind == "day" or order[0].end - order[0].start >= 20 * HOUR:
        step = 1 if len(order) <= MOST_NAMES + 4 else -(-len(order) // MOST_NAMES)
        style = "%a" if step == 1 else "%b"
        return {(span.start + span.end) // 2: _named(_moment(span.start, kind, zone), style) for span in order[::step]}
    first, last = order[0].start, order[-1].end
    if last - first <= 50 * HOUR:
        every = 3 if last - first <= 26 * HOUR else 6
        hours = [at for at in range(first, last + 1, HOUR) if _moment(at, kind, zone).hour % every == 0]
        return {at: f"{_moment(at, kind, zone):%H:%M}" for at in hours}
    midnights = _midnights(first, last, zone)
    step = -(-len(midnights) // MOST_NAMES)
    return {at: _named(_moment(at, kind, zone), "%a" if len(midnights) <= 16 else "%b") for at in midnights[::step]}


def _midnights(first: int, last: int, zone: str) -> list[int]:
    here = ZoneInfo(zone)
    day = datetime.fromtimestamp(first, here).date()
    made: list[int] = []
    while True:
        at = int(datetime(day.year, day.month, day.day, tzinfo=here).timestamp())
        if at > last:
            return made
        if at >= first:
            made.append(at)
        day += timedelta(days=1)


def _second(value: str, kind: Kind) -> int:
    if kind == "day":
        return (date.fromisoformat(value) - EPOCH).days * DAY
    return int(datetime.fromisoformat(value).timestamp())


def _moment(at: int, kind: Kind, zone: str) -> datetime:
    return datetime.fromtimestamp(at, UTC if kind == "day" else ZoneInfo(zone))


def _named(day: datetime, style: str) -> str:
    return f"{day:%a} {day.day}" if style == "%a" else f"{day.day} {day:%b}"
