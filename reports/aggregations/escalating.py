"""Issues that become frequent right now."""

from datetime import datetime

import numpy as np
import pandas as pd

from reports.aggregation import ISSUE_HOURS, ISSUES, Aggregation
from reports.columns import CULPRIT, EVENTS, ISSUE_ID, LEVEL, PREVIOUS_EVENTS, PROJECT, RATIO, TITLE, Z
from reports.grouping import described, grouped, summed
from reports.hourly import end_number, hour_number, numbered, series
from reports.report import Column
from reports.statistics import SPIKE_EVENTS, ratio, spike_test

LAST_HOURS = 6
SPIKE_HOURS = 2
GROWTH = 3.0


def escalating(
    issue_hours: pd.DataFrame, issues: pd.DataFrame, start: datetime, end: datetime, before: datetime
) -> pd.DataFrame:
    """
    Find issues with spikes in two of the last six hours, or three times as many events as in the period before.

    Takes: `issue_hours`, five weeks or as many as are kept; the period from `start` to `end`, and `before`, where the
           one before it begins. An issue without events before is new, not growing.
    """
    groups = grouped(("project", "issue_id"), issue_hours)
    (number,), count = groups.numbers, len(groups.names)
    hours, events = numbered(issue_hours["hour"]), issue_hours["events"].to_numpy()
    last = end_number(end)
    is_now = (hours >= hour_number(start)) & (hours < last)
    is_before = (hours >= hour_number(before)) & (hours < hour_number(start))
    made = groups.names.assign(
        events=summed(number, events * is_now, count), previous_events=summed(number, events * is_before, count)
    )
    is_frequent = is_now & (hours >= last - LAST_HOURS) & (events >= SPIKE_EVENTS)
    wanted = np.flatnonzero(np.bincount(number[is_frequent], minlength=count) >= SPIKE_HOURS)
    spikes, peak = np.zeros(count, dtype=np.int64), np.full(count, np.nan)
    if len(wanted):
        spikes[wanted], peak[wanted] = _spikes(number, hours, events, wanted, last)
    is_growing = (
        (made["previous_events"] > 0)
        & (made["events"] >= SPIKE_EVENTS)
        & (made["events"] >= GROWTH * made["previous_events"])
    ).to_numpy()
    is_spiking = spikes >= SPIKE_HOURS
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
    takes={"issue_hours": ISSUE_HOURS, "issues": ISSUES},
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
