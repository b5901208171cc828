"""Templates, and how values are written in them. Everything is escaped unless a function here says it is ours."""

from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from reports import palette, wording
from reports.pages.bars import bars
from reports.sparkline import sparkline

HERE = Path(__file__).parent
LEAST_FOR_PERCENT = 20  # events; below it a percentage says nothing
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def style_sheet() -> bytes:
    """Give the style sheet: the colours of reports, and the console's own rules."""
    light, dark = palette.variables(is_dark=False), palette.variables(is_dark=True)
    colours = f":root{{{light};color-scheme:light dark}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
    printed = f"@media print{{:root{{{light}}}}}\n"
    return (colours + printed + (HERE / "static" / "console.css").read_text()).encode()


def templates() -> Environment:
    """Make the templates' environment."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        bars=lambda *told, **more: Markup(bars(*told, **more)),  # noqa: S704 - bars escapes what it is given
        spark=lambda values, label="": Markup(sparkline(values, label)),  # noqa: S704 - numbers, and a label of ours
        share_bar=share_bar,
        style_version=sha256(style_sheet()).hexdigest()[:12],
        address=address,
    )
    made.filters.update(
        count=lambda value: wording.number(int(value or 0), "count"),
        share=lambda value: wording.number(float(value or 0), "share"),
        instant=instant,
        day=day,
        ago=ago,
        bytes=size,
        say=say,
        lines=lines,
        short=lambda value, most=160: wording.shortened(str(value), most),
        segment=lambda value: quote(str(value), safe=""),
        literal=literal,
    )
    return made


def address(path: str, *parts: dict[str, Any]) -> str:
    """Give a path with a query; later parts replace earlier ones, what is empty is left out."""
    told: dict[str, Any] = {}
    for part in parts:
        told.update(part)
    kept = {name: value for name, value in told.items() if value not in (None, "", [], ())}
    return f"{path}?{urlencode(kept, doseq=True)}" if kept else path


def literal(value: Any) -> str:
    """Write a culprit or a release as the explorer's filter by it alone: there, a bare `*` stands for anything."""
    return str(value).replace("*", "\\*")


def say(value: Any) -> Markup:
    """Write a sender's words: all of them visible, in their own direction, as text."""
    return Markup("<bdi>{}</bdi>").format(wording.visible(str(value)))


def lines(value: Any) -> str:
    """Write a sender's lines: all of them visible, as text, with their breaks and indents."""
    return "\n".join(wording.visible(line.expandtabs(4)) for line in str(value).split("\n"))


def instant(value: datetime | None, *, is_exact: bool = False) -> Markup:
    """Write an instant in UTC; the exact one stands in its title."""
    if value is None:
        return escape(wording.NOTHING)
    told = value.astimezone(UTC)
    words = f"{told.day} {told:%b %Y %H:%M:%S}" if is_exact else f"{told.day} {told:%b %H:%M}"
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(told.isoformat(timespec="seconds"), words)


def day(value: date) -> str:
    """Write a day."""
    return f"{value:%a} {value.day} {value:%b}"


def ago(value: datetime | None, now: datetime) -> str:
    """Write how long ago an instant was."""
    if value is None:
        return "never"
    return f"{span((now - value).total_seconds())} ago"


def span(seconds: float) -> str:
    """Write a number of seconds in its largest unit."""
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def size(value: int) -> str:
    """Write a number of bytes."""
    if value >= 1024 * 1024:
        return f"{value / 1024 / 1024:,.1f} MiB"
    return f"{value / 1024:,.1f} KiB" if value >= 1024 else f"{value:,} bytes"


def changed(events: int, before: int) -> str:
    """Write a change against the period before, in percent where there is enough for one."""
    difference = events - before
    if before == 0:
        return "new" if events else wording.NOTHING
    if max(events, before) < LEAST_FOR_PERCENT:
        return f"{'+' if difference > 0 else wording.MINUS if difference < 0 else '±'}{abs(difference):,}"
    return wording.number(difference / before, "change")


def share_bar(value: float) -> Markup:
    """Draw a share as a small bar."""
    width = round(max(0.0, min(1.0, value)) * 100, 1)
    return Markup(
        '<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="rest" width="100" height="8"/><rect class="part" width="{}" height="8"/></svg>'
    ).format(width)
