"""Issues that become frequent right now."""

from datetime import datetime

import numpy as np
import pandas as pd

from reports.aggregation import ISSUE_HOURS, ISSUES, Aggregation, counts
from reports.columns import CULPRIT, EVENTS, ISSUE_ID, LEVEL, PREVIOUS_EVENTS, PROJECT, RATIO, TITLE, Z
from reports.grouping import described, grouped, summed
from reports.hourly import end_number, numbered, series
from reports.report import Column
from reports.statistics import SPIKE_EVENTS, ratio, spike_test

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
    hourly = issue_hours.rename(columns={"issue_id": "issue"})
    groups = grouped(("project", "issue"), now, before, hourly)
    (here, there, number), count = groups.numbers, len(groups.names)
    made = groups.names.rename(columns={"issue": "issue_id"}).assign(
        events=summed(here, now["events"], count), previous_events=summed(there, before["events"], count)
    )
    hours, events, last = numbered(issue_hours["hour"]), issue_hours["events"].to_numpy(), end_number(end)
    is_frequent = (hours >= last - LAST_HOURS) & (hours < last) & (events >= SPIKE_EVENTS)
    wanted = np.flatnonzero(np.bincount(number[is_frequent], minlength=count) >= SPIKE_HOURS)
    spikes, peak = np.zeros(count, dtype=np.int64), np.full(count, np.nan)
    if len(wanted):
        spikes[wanted], peak[wanted] = _spikes(number, hours, events, wanted, last)
    is_growing = (
        (made["previous_events"] > 0)
        & (made["events"] >= SPIKE_EVENTS)
        & (made["events"] >= GROWTH * made["previous_events"])
    ).to_numpy()
    is_spiking = (spikes >= SPIKE_HOURS) & (made["events"] > 0).to_numpy()
    made = made.assign(
        reason=pd.Series(np.where(is_spiking, "spikes", "growth"), dtype="str"),
        spike_hours=spikes,
        z=peak,
        ratio=ratio(made["events"], made["previous_events"]),
    )
    made = made[is_spiking | is_growing]
    order = np.lexsort((-made["events"].to_numpy(), made["reason"].to_numpy() != "spikes"))
    return described(made.iloc[order].reset_index(drop=True), issues, ("title", "culprit", "level"))


def _spikes(
    number: np.ndarray, hours: np.ndarray, events: np.ndarray, wanted: np.ndarray, last: int
) -> tuple[np.ndarray, np.ndarray]:
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
