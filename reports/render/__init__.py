"""
Renderings of a report: a module for each format, each from nothing but the report, the same to the byte each time.

A format is imported when it is asked for, so that who wants JSON does not wait for the templates of pages.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from reports.errors import ReportsError
from reports.file_kinds import FILE_KINDS

if TYPE_CHECKING:
    from reports.render import csv, html, json, markdown, parquet, png, svg, text, xlsx
    from reports.report import Report

    FORMATS: "tuple[Rendering, ...]" = (json, html, markdown, text, csv, xlsx, parquet, svg, png)

NAMES = ("json", "html", "markdown", "text", "csv", "xlsx", "parquet", "svg", "png")


class Rendering(Protocol):
    """One format: its name in commands, how its files end (without the first dot), and what a browser calls it."""

    NAME: str
    EXTENSION: str
    MEDIA_TYPE: str

    def render(self, report: "Report") -> bytes:
        """Give the report in this format."""


def rendering(name: str) -> Rendering:
    """Give a format by its name, or by how its files end. Raises ReportsError, one sentence."""
    wanted = name.strip().lower()
    for each in NAMES:
        if wanted in {each, FILE_KINDS[each][0]}:
            return _module(each)
    raise ReportsError(f"There is no format {name!r}; take one of: {', '.join(NAMES)}.")


def __getattr__(name: str) -> Any:
    if name == "FORMATS":
        return tuple(map(_module, NAMES))
    raise AttributeError(name)


def _module(name: str) -> Rendering:
    made: Rendering = import_module(f"reports.render.{name}")
    return made
