"""Hours in which a project had far more events than it has at that hour of the week."""

from datetime import datetime

import numpy as np
import pandas as pd

from reports.aggregation import HOURS, ISSUE_HOURS, ISSUES, Aggregation
from reports.columns import CULPRIT, EVENTS, ISSUE_ID, PROJECT, RATIO, TITLE, Z
from reports.grouping import described, grouped, ranked, summed
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
    numbers, count = numbered(hours["hour"]), len(groups.names)
    origin = min(int(numbers.min()), first) if count else first
    counts = series(groups.numbers[0], numbers, hours["events"].to_numpy(), count, origin, last)
    tested = spike_test(counts, last - first, (counts > 0).argmax(axis=1) if count else np.zeros(0, dtype=np.int64))
    row, column = np.nonzero(tested.is_spike)
    is_first = np.ones(len(row), dtype=bool)
    is_first[1:] = (row[1:] != row[:-1]) | (column[1:] != column[:-1] + 1)
    cells = pd.DataFrame(
        {
            "spike": np.cumsum(is_first) - 1,
            "project": groups.names["project"].take(row).reset_index(drop=True),
            "hour": column + first,
            "events": counts[:, first - origin :][row, column].astype(np.int64),
            "expected": tested.expected[row, column],
            "z": tested.z[row, column],
            "is_low_confidence": tested.is_low_confidence[row, column],
        }
    )
    made = _joined(cells)
    made = ranked(made, made["ratio"])
    made = ranked(made, made["z"])
    made = made if top is None else made.head(top)
    return _explained(made, issue_hours, issues)


def _joined(cells: pd.DataFrame) -> pd.DataFrame:
    """Make one row of each run of hours."""
    spike = cells["spike"].to_numpy()
    count = int(spike[-1]) + 1 if len(spike) else 0
    by_peak = ranked(cells, cells["events"]).drop_duplicates("spike").sort_values("spike")
    begins = cells.drop_duplicates("spike")
    size = np.bincount(spike, minlength=count)
    first = begins["hour"].to_numpy()
    z = cells.groupby("spike")["z"].max().reindex(np.arange(count)).to_numpy()
    made = pd.DataFrame(
        {
            "project": begins["project"].reset_index(drop=True),
            "starts_at": at(first),
            "ends_at": at(first + size),
            "peak_at": at(by_peak["hour"].to_numpy()),
            "events": summed(spike, cells["events"], count),
            "expected_events": np.round(np.bincount(spike, weights=cells["expected"], minlength=count), 3),
            "z": z,
            "is_low_confidence": begins["is_low_confidence"].to_numpy(dtype=bool),
            "first_hour": first,
            "end_hour": first + size,
        }
    )
    return made.assign(ratio=(made["events"] + 0.5) / (made["expected_events"] + 0.5))


def _explained(made: pd.DataFrame, issue_hours: pd.DataFrame, issues: pd.DataFrame) -> pd.DataFrame:
    """Add the issue that has most of each spike's events; 0 and "" where none is told."""
    hours = numbered(issue_hours["hour"])
    top_issue, top_events = np.zeros(len(made), dtype=np.int64), np.zeros(len(made), dtype=np.int64)
    for place, (project, first, end) in enumerate(
        zip(made["project"], made["first_hour"], made["end_hour"], strict=True)
    ):
        inside = issue_hours[(hours >= first) & (hours < end) & (issue_hours["project"] == project).to_numpy()]
        groups = grouped(("issue_id",), inside)
        events = summed(groups.numbers[0], inside["events"], len(groups.names))
        if len(events):
            top_issue[place], top_events[place] = groups.names["issue_id"].iloc[events.argmax()], events.max()
    made = made.assign(issue_id=top_issue, top_share=np.where(top_issue, parts(top_events, made["events"]), np.nan))
    return described(made, issues, ("title", "culprit"))


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
