"""How complete and how fresh the data is: what senders leave out, how late events load, and who fell silent."""

from datetime import date, timedelta

import pandas as pd

from models.clock import midnight
from reports import arrival, frames
from reports.aggregations import aggregation
from reports.built_in.asked import Asked
from reports.built_in.gathered import BY_ISSUE
from reports.built_in.headline import quality_figures
from reports.built_in.saying import are, counted, lasting, named, section, sentence
from reports.columns import EVENTS, LAST_SEEN_AT, PREVIOUS_EVENTS, PROJECT
from reports.filters import Filters
from reports.grouping import grouped, latest, summed
from reports.period import Period
from reports.reading import Reader
from reports.report import Chart, Column, Definition, Figure, Report, Section, span
from reports.statistics import parts
from reports.wording import number

DAY = Column("day", "Day", "day", "UTC day on which the events occurred.")
DELAY = Column("mean_delay_seconds", "Delay", "number", "Mean from accepting to loading.", "s")
SILENT_HOURS = Column("silent_hours", "Silent", "number", "From its last event to the end of the period.", "h")
ARRIVAL = (
    PROJECT,
    Column("events", "Events", "count", "Events of the last UTC day of the period that was over, counted one by one."),
    Column(
        "p50_seconds", "Median", "number", "Half of them were received no longer than this after they occurred.", "s"
    ),
    Column("p95_seconds", "95th percentile", "number", "19 in 20 were received no longer than this after.", "s"),
    Column("late_share", "Late", "share", "Part of them that was received more than an hour after they occurred."),
    Column("rolled_up_events", "Rolled up", "count", "The same events as rollups count them."),
    Column("agrees", "Agrees", "flag", "Whether both numbers are one; nothing where the events are not kept any more."),
)
LOADED = (
    Column("day", "Day", "day", "UTC day of loading."),
    Column("events", "Events", "count", "Events found in what came: loaded + duplicates + refused."),
    Column("loaded", "Loaded", "count", "Events that became a row."),
    Column("duplicates", "Duplicates", "count", "Events that had a row already, and were not counted again."),
    Column("refused", "Refused", "count", "Events that could not become a row."),
    Column("set_aside", "Set aside", "count", "Payloads set aside, whole or for one event."),
)
SET_ASIDE = (
    PROJECT,
    Column("reason", "Reason", "text", "Reason code; the glossary says what each means."),
    Column(
        "payloads", "Payloads", "count", "Distinct payloads that first came on days of the period, not loaded since."
    ),
    Column("times_seen", "Times seen", "count", "How often they came, together."),
)
DEFINITIONS = (
    Definition("without a release, environment, user", "Events whose sender did not tell it."),
    Definition("odd time", "The time an event says it occurred at was missing, too old, in the future, or drifted."),
    Definition("delay", "From the instant an event was accepted to the one it was in the warehouse."),
    Definition("arrival", "From the instant an event says it occurred at to the one it was accepted."),
    Definition(
        "agreement",
        "The events of one day, counted one by one, against the rollups that reports are made of; "
        "`errhouse db audit` compares all days.",
    ),
    Definition("rollup lag", "There is none to tell: what is not rolled up yet is counted in every number."),
    Definition("set aside", "Payloads that could not be read; they are kept, and can be loaded again after a cure."),
    Definition("silent", "A project that had events in the period before, and has none now."),
)


def make(reader: Reader, period: Period, asked: Asked) -> Report:
    """Make the report; of filters only the projects count."""
    filters = asked.filters._replace(environment=(), level=(), culprit=(), release=(), issue=())
    before = period.previous()
    quality = frames.quality(period, filters, reader).sort_values(["project", "day"], ignore_index=True)
    now, then = frames.compared(period, before, ("project",), filters, reader)
    fresh = _freshness(now, then, period)
    silent = fresh[fresh["events"] == 0]
    loads, aside = arrival.loads(period, reader), arrival.set_aside(period, filters, reader)
    day = arrival.last_whole_day(period.end)
    arrived = _arrived(arrival.arrival(day, filters, reader), day, filters, reader)
    return Report(
        name="health",
        title="Health report",
        period=span(period),
        previous=span(before),
        parameters={"project": list(filters.project), "top": asked.top},
        headline=[
            Figure("events", "Events", int(now["events"].sum()), previous=int(then["events"].sum())),
            Figure("projects", "Projects with events", len(now), previous=len(then)),
            Figure("silent_projects", "Silent projects", len(silent)),
            *_counts(loads, aside, arrived),
        ],
        sections=[
            _fresh(fresh, silent, asked.top),
            _by_project(quality, asked.top),
            _arrival(arrived, day, asked.top),
            _by_day(quality),
            _loads(loads),
            _set_aside(aside, asked.top),
        ],
        quality=quality_figures(quality),
        notes=[] if len(now) else ["No event occurred in the period."],
        definitions=list(DEFINITIONS),
    )


def _freshness(now: pd.DataFrame, then: pd.DataFrame, period: Period) -> pd.DataFrame:
    """Give when each project had its last event, those that are silent longest first."""
    groups = grouped(BY_ISSUE[:1], now, then)
    (here, there), count = groups.numbers, len(groups.names)
    last = latest(here, now["last_seen_at"], count).fillna(latest(there, then["last_seen_at"], count))
    made = groups.names.assign(
        events=summed(here, now["events"], count),
        previous_events=summed(there, then["events"], count),
        last_seen_at=last,
        silent_hours=((period.end - last) / pd.Timedelta(hours=1)).astype("float64").round(3),
    )
    return made.sort_values("silent_hours", ascending=False, kind="stable", ignore_index=True)


def _fresh(made: pd.DataFrame, silent: pd.DataFrame, top: int) -> Section:
    said = f"{counted(len(silent), 'project')} fell silent"
    if len(silent):
        said += f": {named(silent['project'].iloc[0], 'no project')} first"
    elif len(made):
        said += f"; the longest silence before the end is {lasting(3600 * float(made['silent_hours'].iloc[0]))}"
    columns = (PROJECT, EVENTS, PREVIOUS_EVENTS, LAST_SEEN_AT, SILENT_HOURS)
    return section("freshness", "Freshness", sentence(said), made, columns, top=top)


def _by_project(quality: pd.DataFrame, top: int) -> Section:
    wanted = aggregation("data_quality")
    made = wanted.run(quality=quality).sort_values("events", ascending=False, kind="stable", ignore_index=True)
    lacking = int((made["without_release_share"] > 0.5).sum())
    said = "no project had an event" if made.empty else "every project tells the release of most of its events"
    if lacking:
        tell = "tells" if lacking == 1 else "tell"
        said = f"{lacking:,} of {counted(len(made), 'project')} {tell} no release of most events"
    return section("completeness", "Completeness", sentence(said), made, wanted.gives, top=top)


def _by_day(quality: pd.DataFrame) -> Section:
    """Tell the delay of loading day by day."""
    weighed = quality.assign(delayed=quality["mean_delay_seconds"].fillna(0) * quality["events"])
    days = weighed.groupby("day", as_index=False, sort=True)[["events", "delayed"]].sum()
    made = days.assign(mean_delay_seconds=(days["delayed"] / days["events"].clip(lower=1)).astype("float64").round(3))
    said = "nothing was loaded"
    if len(made):
        worst = made.iloc[int(made["mean_delay_seconds"].to_numpy().argmax())]
        said = (
            f"loading was slowest on {worst['day'].isoformat()}, "
            f"{lasting(float(worst['mean_delay_seconds']))} after accepting in the mean"
        )
    chart = Chart("lines", "day", "mean_delay_seconds")
    return section("delay", "Delay of loading", sentence(said), made, (DAY, EVENTS, DELAY), chart=chart)


def _arrived(told: pd.DataFrame, day: date, filters: Filters, reader: Reader) -> pd.DataFrame:
    """Put the events of one day, counted one by one, beside what rollups say of it."""
    start = midnight(day)
    of_day = Period(start, start + timedelta(days=1), "UTC", "day")
    rolled = frames.quality(of_day, filters, reader)[["project", "events"]].rename(columns={"events": "rolled"})
    made = rolled.merge(told, on="project", how="outer", sort=False).sort_values("project", ignore_index=True)
    events = made["events"].fillna(0).astype("int64")
    rolled_up = made["rolled"].fillna(0).astype("int64")
    late = made["late_events"].fillna(0)
    return made.assign(
        events=events,
        p50_seconds=made["p50_seconds"].astype("float64").round(3),
        p95_seconds=made["p95_seconds"].astype("float64").round(3),
        late_share=parts(late, events),
        rolled_up_events=rolled_up,
        agrees=[None if not here else here == there for here, there in zip(events, rolled_up, strict=True)],
    )


def _counts(loads: pd.DataFrame, aside: pd.DataFrame, arrived: pd.DataFrame) -> list[Figure]:
    counted_ones = arrived[arrived["events"] > 0]
    unlike = int((counted_ones["agrees"] == False).sum())  # noqa: E712 - None is neither
    return [
        Figure("refused", "Refused events", int(loads["refused"].sum()) if len(loads) else None),
        Figure("set_aside", "Set aside", int(aside["payloads"].sum()), unit="payloads"),
        Figure("duplicates", "Met again", int(loads["duplicates"].sum()) if len(loads) else None),
        Figure("unlike_projects", "Projects whose numbers do not agree", unlike if len(counted_ones) else None),
    ]


def _arrival(made: pd.DataFrame, day: date, top: int) -> Section:
    there = made[made["events"] > 0]
    said = f"no event of {day.isoformat()} is kept to be counted"
    if len(there):
        late = there.sort_values("p95_seconds", ascending=False, kind="stable").iloc[0]
        unlike = int((~there["agrees"].astype(bool)).sum())
        said = (
            f"of the events of {day.isoformat()}, those of {named(late['project'], 'no project')} came latest, "
            f"19 in 20 within {lasting(float(late['p95_seconds']))}; "
        )
        said += "counted one by one, they are as many as the rollups say"
        if unlike:
            said += f", but not in {counted(unlike, 'project')}: `errhouse db audit` tells more"
    shown = made.sort_values(["p95_seconds", "project"], ascending=[False, True], ignore_index=True)
    return section("arrival", "Arrival", sentence(said), shown, ARRIVAL, top=top)


def _loads(made: pd.DataFrame) -> Section:
    said = "nothing was loaded, or who asks may not see all projects"
    if len(made):
        refused, duplicates = int(made["refused"].sum()), int(made["duplicates"].sum())
        said = (
            f"{counted(int(made['loaded'].sum()), 'event')} {'was' if made['loaded'].sum() == 1 else 'were'} loaded, "
            f"{number(duplicates, 'count') if duplicates else 'none'} met again and "
            f"{number(refused, 'count') if refused else 'none'} refused, of all projects"
        )
    chart = Chart("bars", "day", "events")
    return section("loads", "Loaded", sentence(said), made, LOADED, chart=chart)


def _set_aside(made: pd.DataFrame, top: int) -> Section:
    payloads = int(made["payloads"].sum())
    said = f"{counted(payloads, 'payload')} {are(payloads)} set aside"
    if len(made):
        said += f", most often as {named(made['reason'].iloc[0])}; `errhouse set-aside list` shows them"
    return section("set_aside", "Set aside", sentence(said), made, SET_ASIDE, top=top)
