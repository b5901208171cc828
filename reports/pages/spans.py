"""Two periods, one after the other, cut at UTC midnights: what rollups tell, and what only the events do (pure)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from models.clock import midnight
from reports.period import Period

SHORT = timedelta(days=3)


def cut(period: Period) -> dict[str, Any]:
    """Give the bounds of `frequency.OCCURRED`: the whole days of both periods, and the three spans around them."""
    start, end = period.start.astimezone(UTC), period.end.astimezone(UTC)
    before = start - (end - start)
    before_days, days = _whole(before, start), _whole(start, end)
    wholes = [(midnight(first), midnight(last)) for first, last in (before_days, days) if first < last]
    edges = [before, *(edge for whole in wholes for edge in whole), end]
    gaps = [*zip(edges[::2], edges[1::2], strict=True), (end, end), (end, end)]
    told: dict[str, Any] = {"start": start, "end": end, "before_start": before}
    told |= {"before_first_day": before_days[0], "before_end_day": before_days[1]}
    told |= {"first_day": days[0], "end_day": days[1]}
    for name, (since, until) in zip(("head", "middle", "tail"), gaps, strict=False):
        told |= {f"{name}_from": since, f"{name}_to": until}
    return told


def is_short(period: Period) -> bool:
    """Whether its bars are hours, not days."""
    return period.end - period.start <= SHORT


def _whole(start: datetime, end: datetime) -> tuple[date, date]:
    first = start.date() if start == midnight(start.date()) else start.date() + timedelta(days=1)
    return first, max(first, end.date())
