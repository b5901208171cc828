"""How long episodes of an issue last, and how long it takes to resolve one."""

from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.aggregation import ISSUE_HOURS, ISSUES, Aggregation
from reports.columns import PROJECT
from reports.grouping import MICROSECOND, Ints, grouped, microseconds
from reports.hourly import EPOCH, hour_fraction, numbered
from reports.report import Column
from reports.statistics import Floats

GAP_HOURS = 24


def time_to_silence(
    issue_hours: pd.DataFrame, issues: pd.DataFrame, start: datetime, end: datetime, gap_hours: int = GAP_HOURS
) -> pd.DataFrame:
    """
    Measure the episodes that ended in a period, and the issues that were resolved in it, by project.

    An episode is a run of hours with events, none more than `gap_hours` after the one before. It ends when that long
    nothing came, so that each ends in one period only. It lasts from its first hour to its last: 0 for a single one.
    Takes: `issue_hours`, from as long before the period as episodes may last.
    """
    ended = _episodes(issue_hours, start, end, gap_hours)
    resolved_at = microseconds(issues["resolved_at"])
    first, last = ((moment - EPOCH) // MICROSECOND for moment in (start, end))
    rows = np.flatnonzero((resolved_at > first) & (resolved_at <= last))
    resolved = issues[["project", "first_seen_at", "resolved_at"]].take(rows)
    took = ((resolved["resolved_at"] - resolved["first_seen_at"]) / timedelta(hours=1)).to_numpy()
    groups = grouped(("project",), ended, resolved)
    (of_ended, of_resolved), count = groups.numbers, groups.count
    lasted, resolving = _ordered(ended["hours"].to_numpy(), of_ended, count), _ordered(took, of_resolved, count)
    return pd.DataFrame(
        {
            **groups.told(np.arange(count)),
            "episodes": np.bincount(of_ended, minlength=count).astype(np.int64),
            "median_hours": _median(lasted),
            "p90_hours": _quantile(lasted, 0.9),
            "longest_hours": _quantile(lasted, 1),
            "resolved_issues": np.bincount(of_resolved, minlength=count).astype(np.int64),
            "median_resolve_hours": _median(resolving),
        }
    )


class _Lengths(NamedTuple):
    """Lengths in the order of groups and of themselves; where each group begins, and how many it has."""

    values: Floats
    begins: Ints
    sizes: Ints

    def at(self, places: Ints) -> Floats:
        """Give for each group the length at a place in it; NaN where it has none."""
        return np.append(self.values, np.nan)[np.where(self.sizes > 0, self.begins + places, len(self.values))]


def _ordered(lengths: Floats, numbers: Ints, count: int) -> _Lengths:
    is_told = ~np.isnan(lengths)
    lengths, numbers = lengths[is_told], numbers[is_told]
    sizes = np.bincount(numbers, minlength=count)
    return _Lengths(lengths[np.lexsort((lengths, numbers))], np.cumsum(sizes) - sizes, sizes)


def _median(told: _Lengths) -> Floats:
    """Give the one in the middle, or the mean of the two there."""
    return (told.at((told.sizes - 1) // 2) + told.at(told.sizes // 2)) / 2


def _quantile(told: _Lengths, part: float) -> Floats:
    """Give the one that a part of them is not above, in proportion between two."""
    place = part * (told.sizes - 1)
    lower = told.at(np.floor(place).astype(np.int64))
    return lower + (told.at(np.ceil(place).astype(np.int64)) - lower) * (place % 1)


def _episodes(issue_hours: pd.DataFrame, start: datetime, end: datetime, gap_hours: int) -> pd.DataFrame:
    """Give project and length of each episode that ended in the period."""
    groups = grouped(("project", "issue_id"), issue_hours)
    issue, hour = groups.numbers[0], numbered(issue_hours["hour"])
    order = np.lexsort((hour, issue))
    issue, hour = issue[order], hour[order]
    begins = np.ones(len(hour), dtype=bool)
    begins[1:] = (issue[1:] != issue[:-1]) | (hour[1:] - hour[:-1] > gap_hours)
    first = np.flatnonzero(begins)
    last = np.append(first[1:] - 1, len(hour) - 1)[: len(first)]
    ended = hour[last] + 1 + gap_hours
    chosen = (ended > hour_fraction(start)) & (ended <= hour_fraction(end))
    return pd.DataFrame(
        {
            "project": groups.told(issue[first][chosen])["project"],
            "hours": (hour[last] - hour[first])[chosen].astype(np.float64),
        }
    )


AGGREGATION = Aggregation(
    name="time_to_silence",
    title="Time to silence",
    sentence="How long episodes of an issue last until 24 hours pass without an event, and how long resolving takes.",
    takes={"issue_hours": ISSUE_HOURS, "issues": ISSUES},
    gives=(
        PROJECT,
        Column("episodes", "Episodes", "count", "Runs of hours with events, with gaps of 24 h or less, that ended."),
        Column("median_hours", "Median", "number", "Half of the episodes lasted no longer.", "h"),
        Column("p90_hours", "90th percentile", "number", "Nine in ten lasted no longer.", "h"),
        Column("longest_hours", "Longest", "number", "The longest one.", "h"),
        Column("resolved_issues", "Resolved", "count", "Issues that were resolved, and still are."),
        Column("median_resolve_hours", "Median to resolve", "number", "From first seen to resolved.", "h"),
    ),
    aggregate=time_to_silence,
)
