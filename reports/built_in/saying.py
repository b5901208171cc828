"""Sections, and the words that their sentences are made of (pure)."""

import pandas as pd

from reports.report import Chart, Column, Section, table
from reports.wording import number, shortened, visible

NAME_CHARACTERS = 80
UNITS = ((86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))


def section(
    name: str,
    title: str,
    sentence: str,
    frame: pd.DataFrame,
    columns: tuple[Column, ...],
    *,
    chart: Chart | None = None,
    top: int | None = None,
) -> Section:
    """Make a section of a frame; its chart is left out when there is nothing to draw."""
    made = table(frame, columns, top=top)
    return Section(name, title, sentence, made, chart if made.rows else None)


def counted(count: float, word: str, plural: str | None = None) -> str:
    """Write a number with its word: `1 event`, `2,001 events`, `no event`."""
    if not count:
        return f"no {word}"
    return f"{number(count, 'count')} {word if count == 1 else plural or word + 's'}"


def percent(part: float) -> str:
    """Write a part of 1."""
    return "100 %" if part == 1 else number(part, "share")


def rough(value: float) -> str:
    """Write a number as one says it: `1,204`, `4.7`, `3`, `less than 0.1`."""
    if 0 < value < 0.05:
        return "less than 0.1"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")


def lasting(seconds: float) -> str:
    """Write a length of time as one says it: `2.5 hours`."""
    size, word = next(((size, word) for size, word in UNITS if abs(seconds) >= 2 * size), UNITS[-1])
    return f"{rough(seconds / size)} {word}" if seconds >= 0 else f"{rough(-seconds / size)} {word} early"


def named(words: str, nothing: str = "no culprit") -> str:
    """Give a sender's words as a part of a sentence."""
    return shortened(visible(words), NAME_CHARACTERS) or nothing


def are(count: int) -> str:
    """Give the verb that goes with a number."""
    return "is" if count < 2 else "are"


def sentence(text: str) -> str:
    """Begin with a capital, and end with a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def only(columns: tuple[Column, ...], *names: str) -> tuple[Column, ...]:
    """Give columns by their names, in the order of the names."""
    known = {column.name: column for column in columns}
    return tuple(known[name] for name in names)
