"""Levels, hours and spikes: how events lie in time."""

import numpy as np
import pandas as pd

from reports import frames
from reports.aggregation import ISSUE_HOURS, empty
from reports.aggregations import aggregation
from reports.aggregations.level_mix import SEVERE
from reports.built_in.gathered import Gathered
from reports.built_in.saying import counted, named, only, percent, rough, section, sentence
from reports.hourly import Size
from reports.period import Period
from reports.report import Chart, Column, Section
from reports.wording import local, number

SPIKES = 10
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MOST_HOURS = 8 * 24
IS_SPIKE = Column("is_spike", "Spike", "flag", "A project had far more events than at that hour of the weeks before.")


def size(period: Period, most_hours: int) -> Size:
    """Give buckets that a period has not too many of."""
    if period.hours <= most_hours:
        return "hour"
    return "day" if period.hours <= 100 * 24 else "week"


def levels(found: Gathered, hours: pd.DataFrame) -> Section:
    """Tell how many events of each level there were when."""
    period, wanted = found.period, aggregation("level_mix")
    made = wanted.run(hours=hours, start=period.start, end=period.end, zone=period.zone, size=size(period, 49))
    of_level = made.groupby("level", sort=False)["events"].sum()
    made = made[made["level"].isin(of_level.index[of_level > 0])]
    events = int(hours["events"].sum())
    severe = int(of_level.reindex(list(SEVERE)).sum())
    said = f"{percent(severe / events)} of the events are fatal or error" if events else "no event occurred"
    chart = Chart("stacked", "starts_at", "events", "level", partial="is_partial")
    return section("levels", "Levels", sentence(said), made, wanted.gives, chart=chart)


def unhandled(found: Gathered) -> Section:
    """Tell which part of the events programs did not catch, by project."""
    wanted = aggregation("unhandled_rate")
    made = wanted.run(now=found.now, before=found.compared_by("project"), by="project")
    made = made[made["events"] > 0]
    events, missed = int(made["events"].sum()), int(made["unhandled_events"].sum())
    said = "no event occurred"
    if events:
        said = "no event tells that its program did not catch it"
    if missed:
        said = f"{percent(missed / events)} of the events were not caught by their program"
    if missed and len(made) > 1:
        first = made.iloc[0]
        said += (
            f"; most of them, {number(int(first['unhandled_events']), 'count')}, are of "
            f"{named(first['project'], 'no project')}"
        )
    return section("unhandled", "Unhandled", sentence(said), made, wanted.columns(made), top=found.asked.top)


def spikes(found: Gathered) -> pd.DataFrame:
    """Find spikes, and what they were as far as hours of issues are kept."""
    told = {"hours": found.history, "issues": found.issues, "start": found.period.start, "end": found.period.end}
    wanted = aggregation("spikes")
    made = wanted.run(issue_hours=empty(ISSUE_HOURS), top=SPIKES, **told)
    if made.empty:
        return made
    span = Period(
        made["starts_at"].min().to_pydatetime(), made["ends_at"].max().to_pydatetime(), found.period.zone, "span"
    )
    projects = sorted(made["project"].unique())
    issue_hours = frames.issue_hours(span, found.asked.filters._replace(project=tuple(projects)), found.reader)
    told["hours"] = found.history[found.history["project"].isin(projects)]  # each project is tested by itself
    return wanted.run(issue_hours=issue_hours, top=SPIKES, **told)


def spike_list(made: pd.DataFrame, zone: str) -> Section:
    """Tell the hours that stood out."""
    said = "no hour stood out from those of the weeks before"
    if len(made):
        first = made.iloc[0]
        began = local(first["starts_at"].isoformat(), zone)
        said = (
            f"{counted(len(made), 'spike')}; the clearest, in {named(first['project'], 'no project')}, began on "
            f"{began:%a} {began.day} {began:%b} at {began:%H:%M} with {counted(first['events'], 'event')} "
            f"where {rough(first['expected_events'])} were expected"
        )
    return section("spikes", "Spikes", sentence(said), made, aggregation("spikes").gives)


def timeline(found: Gathered, hours: pd.DataFrame, spiking: pd.DataFrame) -> Section:
    """Tell how many events there were when, with spikes marked."""
    period, wanted = found.period, aggregation("timeline")
    chosen = size(period, MOST_HOURS)
    made = wanted.run(hours=hours, start=period.start, end=period.end, zone=period.zone, size=chosen, by="environment")
    begins = made["starts_at"]
    ends = begins.shift(-1).fillna(pd.Timestamp(period.end))
    is_spike = np.zeros(len(made), dtype=bool)
    for start, end in zip(spiking["starts_at"], spiking["ends_at"], strict=True):
        is_spike |= ((begins < end) & (ends > start)).to_numpy()
    made = made.assign(is_spike=is_spike)
    said = "no event occurred"
    if len(made):
        busiest = made.iloc[int(made["events"].to_numpy().argmax())]
        began = local(busiest["starts_at"].isoformat(), period.zone)
        at = f" {began:%H:%M}" if chosen == "hour" else ""
        said = (
            f"the busiest {chosen} began on {began:%a} {began.day} {began:%b}{at}, with "
            f"{counted(busiest['events'], 'event')}; the mean is {rough(made['events'].mean())}"
        )
    columns = (*only(wanted.gives, "starts_at", "events", "is_partial"), IS_SPIKE)
    chart = Chart("lines", "starts_at", "events", mark="is_spike", partial="is_partial")
    return section("timeline", "Timeline", sentence(said), made, columns, chart=chart)


def heatmap(found: Gathered, hours: pd.DataFrame) -> Section:
    """Tell in which hours of the week events occur."""
    period, wanted = found.period, aggregation("heatmap")
    made = wanted.run(hours=hours, start=period.start, end=period.end, zone=period.zone)
    said = "no event occurred"
    if len(made):
        most = made.iloc[int(np.nanargmax(made["mean_events"].to_numpy()))]
        said = (
            f"{WEEKDAYS[int(most['weekday']) - 1]} {int(most['hour']):02d}:00 is the busiest hour of the week, with "
            f"{rough(most['ratio'])} times the mean"
        )
    shown = made.assign(
        weekday=made["weekday"].map(lambda day: WEEKDAYS[day - 1]), hour=made["hour"].map("{:02d}".format)
    )
    told = {column.name: column for column in wanted.gives}
    columns = (
        Column("weekday", "Weekday", "text", "Day of the week in the report's time zone."),
        Column("hour", "Hour", "text", "00 to 23, in the report's time zone."),
        *(told[name] for name in ("events", "hours", "mean_events", "ratio")),
    )
    chart = Chart("heatmap", "hour", "weekday", "mean_events")
    return section("heatmap", "Hours of the week", sentence(said), shown, columns, chart=chart)
