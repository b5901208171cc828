"""Hours in which a project had far more events than it has at that hour of the week."""

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from reports.aggregation import HOURS, ISSUE_HOURS, ISSUES, Aggregation
from reports.columns import CULPRIT, EVENTS, ISSUE_ID, PROJECT, RATIO, TITLE, Z
from reports.grouping import Ints, described, grouped, ranking, summed
from reports.hourly import at, end_number, hour_number, numbered, series
from reports.report import Column
from reports.statistics import parts, spike_test


def spikes(
    hours: pd.DataFrame,
    issue_hours: pd.DataFrame,
    issues: pd.DataFrame,
    start: datetime,
    end: datetime,
    top: int | None = None,
) -> pd.DataFrame:
    """
    Find spikes of projects, the most certain first; those of less than two weeks of history come last.

    Takes: `hours` of the period and of the five weeks before it, or as many as are kept; `issue_hours` of the period,
           which tell what the spike was.
    """
    first, last = hour_number(start), end_number(end)
    groups = grouped(("project",), hours)
    numbers, count = numbered(hours["hour"]), groups.count
    origin = min(int(numbers.min()), first) if count else first
    counts = series(groups.numbers[0], numbers, hours["events"].to_numpy(), count, origin, last)
    tested = spike_test(counts, last - first, (counts > 0).argmax(axis=1) if count else np.zeros(0, dtype=np.int64))
    row, column = np.nonzero(tested.is_spike)
    is_first = np.ones(len(row), dtype=bool)
    is_first[1:] = (row[1:] != row[:-1]) | (column[1:] != column[:-1] + 1)
    begins, spike = np.flatnonzero(is_first), np.cumsum(is_first) - 1
    size = np.bincount(spike, minlength=len(begins))
    in_hour = counts[:, first - origin :][row, column].astype(np.int64)
    events = summed(spike, in_hour, len(begins))
    expected = np.round(np.bincount(spike, weights=tested.expected[row, column], minlength=len(begins)), 3)
    told_z = tested.z[row, column]
    z = np.fmax.reduceat(told_z, begins) if len(begins) else told_z
    ratio = (events + 0.5) / (expected + 0.5)
    order = ranking(ratio)
    order = order[ranking(z[order])][:top]
    peak = column[np.lexsort((-in_hour, spike))[begins[order]]]
    starts, chosen = (column + first)[begins[order]], row[begins[order]]
    ends = starts + size[order]
    issue, most = _explained(groups.told(chosen)["project"], starts, ends, issue_hours)
    made = pd.DataFrame(
        {
            **groups.told(chosen),
            "starts_at": at(starts),
            "ends_at": at(ends),
            "peak_at": at(peak + first),
            "events": events[order],
            "expected_events": expected[order],
            "ratio": ratio[order],
            "z": z[order],
            "is_low_confidence": tested.is_low_confidence[row, column][begins[order]],
            "issue_id": issue,
            "top_share": np.where(issue, parts(most, events[order]), np.nan),
        }
    )
    return described(made, issues, ("title", "culprit"))


def _explained(projects: Any, starts: Ints, ends: Ints, issue_hours: pd.DataFrame) -> tuple[Ints, Ints]:
    """Give the issue that has most of each spike's events, and how many; 0 where none is told."""
    hours = numbered(issue_hours["hour"])
    issue, most = np.zeros(len(starts), dtype=np.int64), np.zeros(len(starts), dtype=np.int64)
    for place, (project, first, end) in enumerate(zip(projects, starts, ends, strict=True)):
        inside = issue_hours[(hours >= first) & (hours < end)]
        inside = inside[(inside["project"] == project).to_numpy()]
        groups = grouped(("issue_id",), inside)
        events = summed(groups.numbers[0], inside["events"], groups.count)
        if len(events):
            issue[place], most[place] = groups.told(events.argmax())["issue_id"], events.max()
    return issue, most


AGGREGATION = Aggregation(
    name="spikes",
    title="Spikes",
    sentence="Hours in which a project had far more events than it has at that hour of the week, and what they were.",
    takes={"hours": HOURS, "issue_hours": ISSUE_HOURS, "issues": ISSUES},
    gives=(
        PROJECT,
        Column("starts_at", "Starts", "instant", "First instant of the first hour of the spike."),
        Column("ends_at", "Ends", "instant", "End of its last hour."),
        Column("peak_at", "Peak", "instant", "First instant of the hour with the most events."),
        EVENTS,
        Column("expected_events", "Expected", "number", "Mean of the same hours of the week in the weeks before."),
        RATIO,
        Z,
        Column(
            "is_low_confidence",
            "Low confidence",
            "flag",
            "There are less than two weeks to compare with: twice the median.",
        ),
        ISSUE_ID,
        TITLE,
        CULPRIT,
        Column("top_share", "Its share", "share", "Part of the spike's events that this issue has."),
    ),
    aggregate=spikes,
)
