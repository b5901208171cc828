"""
Renderings of a report: a module for each format, each from nothing but the report, the same to the byte each time.

A module loads what it needs when it renders, so that knowing the formats costs nothing.
"""

from collections.abc import Sequence
from typing import Protocol

from reports.errors import ReportsError
from reports.render import csv, html, json, markdown, parquet, png, svg, text, xlsx
from reports.report import Report


class Rendering(Protocol):
    """One format: its name in commands, how its files end (without the first dot), and what a browser calls it."""

    NAME: str
    EXTENSION: str
    MEDIA_TYPE: str

    def render(self, report: Report) -> bytes:
        """Give the report in this format."""


FORMATS: tuple[Rendering, ...] = (json, html, markdown, text, csv, xlsx, parquet, svg, png)


def rendering(name: str, formats: Sequence[Rendering] = FORMATS) -> Rendering:
    """Give a format by its name, or by how its files end. Raises ReportsError, one sentence."""
    for each in formats:
        if name.strip().lower() in {each.NAME, each.EXTENSION}:
            return each
    raise ReportsError(f"There is no format {name!r}; take one of: {', '.join(each.NAME for each in formats)}.")
