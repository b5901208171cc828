"""Bars over time, written by hand: stacked by level, stretched to their room, with their words beside them as HTML."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from html import escape
from typing import NamedTuple

from models.views.view import LEVELS

HEIGHT = 100
BAR = 10
GAP = 1.6
MOST_TICKS = 5
MOST_NAMED = 8  # all of them, where there are so few
_STEPS = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)


class Bar(NamedTuple):
    """One bucket: when it begins, how often each level, and whether the period holds only a part of it."""

    start: datetime
    counts: dict[str, int]
    is_partial: bool = False

    @property
    def total(self) -> int:
        """Return how often, all levels together."""
        return sum(self.counts.values())


def filled(counts: Sequence[tuple[datetime, str, int]], start: datetime, end: datetime, step: timedelta) -> list[Bar]:
    """Give every bucket of a period, those without events too; the buckets begin where UTC days or hours do."""
    first = start.replace(minute=0, second=0, microsecond=0)
    if step >= timedelta(days=1):
        first = first.replace(hour=0)
    by_start: dict[datetime, dict[str, int]] = {}
    for moment, level, count in counts:
        by_start.setdefault(moment, {})[level] = count
    made = []
    while first < end:
        made.append(Bar(first, by_start.get(first, {}), is_partial=first < start or first + step > end))
        first += step
    return made


def bars(buckets: Sequence[Bar], *, is_hourly: bool, label: str) -> str:
    """Draw the buckets; the label is ours. Every word is written by itself, so that none is stretched."""
    most = _round_up(max((bar.total for bar in buckets), default=0))
    width = max(len(buckets), 1) * BAR
    lines = "".join(
        f'<line class="grid" x1="0" x2="{width}" y1="{y}" y2="{y}" vector-effect="non-scaling-stroke"/>'
        for y in (0, HEIGHT // 2, HEIGHT)
    )
    drawn = "".join(_bar(bar, number, most, is_hourly=is_hourly) for number, bar in enumerate(buckets))
    levels = [level for level in LEVELS if any(bar.counts.get(level) for bar in buckets)]
    legend = "".join(f'<li><span class="key level-{level}"></span>{level}</li>' for level in levels)
    if any(bar.is_partial and bar.total for bar in buckets):
        legend += f"<li>paler: a part of the {'hour' if is_hourly else 'day'}</li>"
    return (
        f'<div class="plot"><svg viewBox="0 0 {width} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}">{lines}{drawn}</svg>'
        f'<span class="most">{most:,}</span><span class="half">{_half(most)}</span></div>'
        f'<div class="ticks" aria-hidden="true">{_ticks(buckets, is_hourly=is_hourly)}</div>'
        f'<ul class="legend">{legend}</ul>'
    )


def _bar(bar: Bar, number: int, most: int, *, is_hourly: bool) -> str:
    told = f"{_named(bar.start, is_hourly=is_hourly)}: {bar.total:,}"
    left = number * BAR
    parts, y = [], float(HEIGHT)
    for level in LEVELS:
        if not (count := bar.counts.get(level, 0)):
            continue
        height = count / most * HEIGHT
        y -= height
        parts.append(
            f'<rect class="level-{level}" x="{left + GAP / 2}" y="{y:.2f}" '
            f'width="{BAR - GAP}" height="{max(height, 0.4):.2f}"/>'
        )
        told += f", {level} {count:,}"
    partial = ' class="partial"' if bar.is_partial else ""
    room = f'<rect class="room" x="{left}" y="0" width="{BAR}" height="{HEIGHT}"/>'
    return f"<g{partial}><title>{told}</title>{room}{''.join(parts)}</g>"


def _ticks(buckets: Sequence[Bar], *, is_hourly: bool) -> str:
    """Give a span for each bucket, of which some are named: each name stands under the middle of its bar."""
    count = len(buckets)
    step = 1 if count <= MOST_NAMED else -(-count // MOST_TICKS)
    named = {number for number in range(step // 2, count, step) if count - number > step // 4}
    return "".join(
        f"<span>{_named(bar.start, is_hourly=is_hourly) if number in named else ''}</span>"
        for number, bar in enumerate(buckets)
    )


def _named(moment: datetime, *, is_hourly: bool) -> str:
    return f"{moment:%a %H:%M}" if is_hourly else f"{moment.day} {moment:%b}"


def _half(most: int) -> str:
    return f"{most // 2:,}" if most % 2 == 0 else ""  # there is no half event


def _round_up(most: int) -> int:
    """Give the next number that reads well on an axis."""
    if most <= 4:
        return max(most, 1) if most != 3 else 4
    size: int = 10 ** (len(str(most)) - 1)
    return next(int(step * size) for step in _STEPS if step * size >= most and step * size == int(step * size))
