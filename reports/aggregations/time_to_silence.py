"""How long episodes of an issue last, and how long it takes to resolve one."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from reports.aggregation import ISSUE_HOURS, ISSUES, Aggregation
from reports.columns import PROJECT
from reports.grouping import grouped
from reports.hourly import hour_fraction, numbered
from reports.report import Column

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
    resolved = issues[(issues["resolved_at"] > start) & (issues["resolved_at"] <= end)]
    took = (resolved["resolved_at"] - resolved["first_seen_at"]) / timedelta(hours=1)
    groups = grouped(("project",), ended, resolved)
    count = len(groups.names)
    episodes = ended["hours"].groupby(groups.numbers[0])
    resolving = took.reset_index(drop=True).groupby(groups.numbers[1])
    every = np.arange(count)
    return groups.names.assign(
        episodes=np.bincount(groups.numbers[0], minlength=count).astype(np.int64),
        median_hours=episodes.median().reindex(every).astype("float64"),
        p90_hours=episodes.quantile(0.9).reindex(every).astype("float64"),
        longest_hours=episodes.max().reindex(every).astype("float64"),
        resolved_issues=np.bincount(groups.numbers[1], minlength=count).astype(np.int64),
        median_resolve_hours=resolving.median().reindex(every).astype("float64"),
    )


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
            "project": groups.names["project"].take(issue[first][chosen]).reset_index(drop=True),
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
