"""Issues that become frequent right now."""

from datetime import datetime

import numpy as np
import pandas as pd

from reports.aggregation import ISSUE_HOURS, ISSUES, Aggregation, counts
from reports.columns import CULPRIT, EVENTS, ISSUE_ID, LEVEL, PREVIOUS_EVENTS, PROJECT, RATIO, TITLE, Z
from reports.grouping import Ints, described, grouped, summed
from reports.hourly import end_number, numbered, series
from reports.report import Column
from reports.statistics import SPIKE_EVENTS, Floats, ratio, spike_test

LAST_HOURS = 6
SPIKE_HOURS = 2
GROWTH = 3.0


def escalating(
    now: pd.DataFrame, before: pd.DataFrame, issue_hours: pd.DataFrame, issues: pd.DataFrame, end: datetime
) -> pd.DataFrame:
    """
    Find issues with spikes in two of the last six hours, or three times as many events as in the period before.

    Takes: `issue_hours`, five weeks or as many as are kept, of the issues that may have spikes; `end` of the period.
           An issue without events before is new, not growing.
    """
    last = end_number(end)
    hourly = _frequent_lately(issue_hours, last)
    groups = grouped(("project", "issue"), now, before, hourly)
    (here, there, number), count = groups.numbers, groups.count
    events, was = summed(here, now["events"], count), summed(there, before["events"], count)
    spikes, peak = _spikes(number, hourly, count, last)
    is_growing = (was > 0) & (events >= SPIKE_EVENTS) & (events >= GROWTH * was)
    is_spiking = (spikes >= SPIKE_HOURS) & (events > 0)
    order = np.lexsort((-events, ~is_spiking))
    order = order[(is_spiking | is_growing)[order]]
    made = pd.DataFrame(groups.told(order)).rename(columns={"issue": "issue_id"})
    made = made.assign(
        reason=pd.Series(np.where(is_spiking[order], "spikes", "growth"), dtype="str"),
        events=events[order],
        previous_events=was[order],
        ratio=ratio(events[order], was[order]),
        spike_hours=spikes[order],
        z=peak[order],
    )
    return described(made, issues, ("title", "culprit", "level"))


def _frequent_lately(issue_hours: pd.DataFrame, last: int) -> pd.DataFrame:
    """Give the hours of issues, by id, that have many events in some of the last hours; others cannot spike."""
    hours, issue = numbered(issue_hours["hour"]), issue_hours["issue_id"].to_numpy()
    is_frequent = (hours >= last - LAST_HOURS) & (hours < last) & (issue_hours["events"] >= SPIKE_EVENTS).to_numpy()
    ids, rows = np.unique(issue[is_frequent], return_counts=True)
    chosen = issue_hours[np.isin(issue, ids[rows >= SPIKE_HOURS])]
    return chosen.rename(columns={"issue_id": "issue"})


def _spikes(number: Ints, hourly: pd.DataFrame, count: int, last: int) -> tuple[Ints, Floats]:
    """Give for each issue in how many of the last hours it spiked, and how far at most."""
    hours, events = numbered(hourly["hour"]), hourly["events"].to_numpy()
    is_frequent = (hours >= last - LAST_HOURS) & (hours < last) & (events >= SPIKE_EVENTS)
    wanted = np.flatnonzero(np.bincount(number[is_frequent], minlength=count) >= SPIKE_HOURS)
    spikes, peak = np.zeros(count, dtype=np.int64), np.full(count, np.nan)
    if len(wanted):
        spikes[wanted], peak[wanted] = _tested(number, hours, events, wanted, last)
    return spikes, peak


def _tested(number: Ints, hours: Ints, events: Ints, wanted: Ints, last: int) -> tuple[Ints, Floats]:
    """Give for the wanted issues in how many of the last hours they spiked, and how far at most."""
    chosen = np.isin(number, wanted)
    place = np.searchsorted(wanted, number[chosen])
    first = min(int(hours[chosen].min()), last - LAST_HOURS)
    counts = series(place, hours[chosen], events[chosen], len(wanted), first, last)
    tested = spike_test(counts, LAST_HOURS, (counts > 0).argmax(axis=1))
    z = np.where(tested.is_spike & ~tested.is_low_confidence, tested.z, -np.inf).max(axis=1)
    return tested.is_spike.sum(axis=1), np.where(np.isfinite(z), z, np.nan)


AGGREGATION = Aggregation(
    name="escalating",
    title="Escalating issues",
    sentence="Issues with spikes in the last hours, or three times as many events as in the period before.",
    takes={
        "now": counts("project", "issue"),
        "before": counts("project", "issue"),
        "issue_hours": ISSUE_HOURS,
        "issues": ISSUES,
    },
    gives=(
        PROJECT,
        ISSUE_ID,
        TITLE,
        CULPRIT,
        LEVEL,
        Column("reason", "Why", "text", "spikes: in two of the last six hours or more. growth: three times as many."),
        EVENTS,
        PREVIOUS_EVENTS,
        RATIO,
        Column("spike_hours", "Hours of spikes", "count", "How many of the last six hours were spikes."),
        Z,
    ),
    aggregate=escalating,
)
