"""
What an aggregation is: a pure function from frames to a frame, with every column on both sides declared.

One file each in reports/aggregations/, one entry in its list, one case folder in tests. A report is made of
their results; so is a notebook.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import pandas as pd

from reports.errors import MissingColumn
from reports.filters import GROUPINGS
from reports.report import Column

INSTANT = "datetime64[us, UTC]"

COUNTS: Mapping[str, str] = {
    "project": "str",
    "level": "str",
    "culprit": "str",
    "environment": "str",
    "release": "str",
    "issue": "int64",
    "events": "int64",
    "weighted_events": "float64",
    "unhandled_events": "int64",
    "users": "int64",
    "first_seen_at": INSTANT,
    "last_seen_at": INSTANT,
}
"""reports.frames.frequency by everything; fewer groupings have fewer of the first six columns."""

HOURS: Mapping[str, str] = {
    "project": "str",
    "hour": INSTANT,
    "level": "str",
    "environment": "str",
    "events": "int64",
    "weighted_events": "float64",
    "unhandled_events": "int64",
}
"""reports.frames.hours."""

ISSUES: Mapping[str, str] = {
    "project": "str",
    "issue_id": "int64",
    "title": "str",
    "culprit": "str",
    "level": "str",
    "status": "str",
    "first_seen_at": INSTANT,
    "last_seen_at": INSTANT,
    "first_release": "str",
    "resolved_at": INSTANT,
}
"""reports.frames.issues."""

ISSUE_HOURS: Mapping[str, str] = {"project": "str", "issue_id": "int64", "hour": INSTANT, "events": "int64"}
"""reports.frames.issue_hours."""

RELEASES: Mapping[str, str] = {
    "project": "str",
    "release": "str",
    "package": "str",
    "version_sort": "str",
    "first_seen_at": INSTANT,
    "last_seen_at": INSTANT,
}
"""reports.frames.releases; a release has one row for each distribution."""

RELEASE_HOURS: Mapping[str, str] = {
    "project": "str",
    "release": "str",
    "issue_id": "int64",
    "hour": INSTANT,
    "events": "int64",
}
"""reports.frames.release_hours."""

RELEASE_DAYS: Mapping[str, str] = {"project": "str", "release": "str", "day": "object", "events": "int64"}
"""reports.frames.release_days."""

QUALITY: Mapping[str, str] = {
    "project": "str",
    "day": "object",
    "events": "int64",
    "without_release": "int64",
    "without_environment": "int64",
    "without_user": "int64",
    "odd_time": "int64",
    "mean_delay_seconds": "float64",
}
"""reports.frames.quality."""

DTYPES = {
    "text": ("str", "object"),
    "count": ("int64", "Int64"),
    "id": ("int64",),
    "number": ("float64",),
    "share": ("float64",),
    "change": ("float64",),
    "instant": (INSTANT,),
    "day": ("object",),
    "sparkline": ("object",),
    "flag": ("bool",),
}
"""What a column of each kind may be in a frame; the first is the usual one."""


TEXTS = ("object", "category")
"""What text may come as, too: numbered, where it is grouped by many times (reports.grouping.coded)."""


class Aggregation(NamedTuple):
    """
    One named way to put events together.

    `takes`: frames by the name of the function's argument, each with its columns and dtypes; the function's other
    arguments are plain values. `gives`: the columns of its result, in order; a result has those of `some_of` that were
    asked for.
    """

    name: str
    title: str
    sentence: str
    takes: Mapping[str, Mapping[str, str]]
    gives: tuple[Column, ...]
    aggregate: Callable[..., pd.DataFrame]
    some_of: tuple[str, ...] = ()

    def run(self, **told: Any) -> pd.DataFrame:
        """
        Aggregate, and hold both sides to what is declared.

        Raises: MissingColumn.
        """
        for name, columns in self.takes.items():
            _check(f"{self.name} was given {name}", told[name], columns)
        made = self.aggregate(**told)
        given = self.columns(made)
        dtypes = _dtypes(made)
        if missing := [column.name for column in given if column.name not in dtypes]:
            raise MissingColumn(f"{self.name} gives no {', '.join(missing)}.")
        for column in given:
            if dtypes[column.name] not in DTYPES[column.kind] and len(made):
                raise MissingColumn(f"{self.name} gives {column.name} as {dtypes[column.name]}, not {column.kind}.")
        names = [column.name for column in given]
        return made if list(made.columns) == names else made[names]

    def columns(self, made: pd.DataFrame) -> tuple[Column, ...]:
        """Give the columns that a result of it has, to make a table of it."""
        return tuple(each for each in self.gives if each.name in made.columns or each.name not in self.some_of)


def counts(*groupings: str) -> Mapping[str, str]:
    """Give the columns of COUNTS grouped by these words: what an aggregation that needs no others takes."""
    return {name: dtype for name, dtype in COUNTS.items() if name in groupings or name not in GROUPINGS}


def empty(columns: Mapping[str, str]) -> pd.DataFrame:
    """Give a frame without rows, as a question without an answer does."""
    return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in columns.items()})


def _check(what: str, frame: pd.DataFrame, columns: Mapping[str, str]) -> None:
    dtypes = _dtypes(frame)
    if missing := [name for name in columns if name not in dtypes]:
        raise MissingColumn(f"{what} without {', '.join(missing)}.")
    for name, dtype in columns.items():
        found = dtypes[name]
        if found != dtype and len(frame) and not (dtype == "str" and found in TEXTS):
            raise MissingColumn(f"{what} with {name} as {found}, not {dtype}.")


def _dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {name: _word(dtype) for name, dtype in zip(frame.columns, frame.dtypes, strict=True)}


@lru_cache(maxsize=64)
def _word(dtype: Any) -> str:
    return str(dtype)
