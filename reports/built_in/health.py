"""How complete and how fresh the data is: what senders leave out, how late events load, and who fell silent."""

import pandas as pd

from reports import frames
from reports.aggregations import aggregation
from reports.built_in.asked import Asked
from reports.built_in.gathered import BY_ISSUE
from reports.built_in.headline import quality_figures
from reports.built_in.saying import counted, named, section, sentence
from reports.columns import EVENTS, LAST_SEEN_AT, PREVIOUS_EVENTS, PROJECT
from reports.grouping import grouped, latest, summed
from reports.period import Period
from reports.reading import Reader
from reports.report import Chart, Column, Definition, Figure, Report, Section, span
from reports.wording import number

DAY = Column("day", "Day", "day", "UTC day on which the events occurred.")
DELAY = Column("mean_delay_seconds", "Delay", "number", "Mean from accepting to loading.", "s")
SILENT_HOURS = Column("silent_hours", "Silent", "number", "From its last event to the end of the period.", "h")
DEFINITIONS = (
    Definition("without a release, environment, user", "Events whose sender did not tell it."),
    Definition("odd time", "The time an event says it occurred at was missing, too old, in the future, or drifted."),
    Definition("delay", "From the instant an event was accepted to the one it was in the warehouse."),
    Definition("silent", "A project that had events in the period before, and has none now."),
)


def make(reader: Reader, period: Period, asked: Asked) -> Report:
    """Make the report; of filters only the projects count."""
    filters = asked.filters._replace(environment=(), level=(), culprit=(), release=(), issue=())
    before = period.previous()
    quality = frames.quality(period, filters, reader).sort_values(["project", "day"], ignore_index=True)
    now = frames.frequency(period, ("project",), filters, reader, counts_users=False)
    then = frames.frequency(before, ("project",), filters, reader, counts_users=False)
    fresh = _freshness(now, then, period)
    silent = fresh[fresh["events"] == 0]
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
            *quality_figures(quality),
        ],
        sections=[_fresh(fresh, silent, asked.top), _by_project(quality, asked.top), _by_day(quality)],
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
        hours = number(round(float(made["silent_hours"].iloc[0]), 1), "number")
        said += f"; the longest silence before the end is {hours} hours"
    columns = (PROJECT, EVENTS, PREVIOUS_EVENTS, LAST_SEEN_AT, SILENT_HOURS)
    return section("freshness", "Freshness", sentence(said), made, columns, top=top)


def _by_project(quality: pd.DataFrame, top: int) -> Section:
    wanted = aggregation("data_quality")
    made = wanted.run(quality=quality).sort_values("events", ascending=False, kind="stable", ignore_index=True)
    lacking = int((made["without_release_share"] > 0.5).sum())
    said = (
        f"{counted(lacking, 'project')} of {len(made):,} {'tells' if lacking < 2 else 'tell'} no release of most events"
    )
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
            f"{number(float(worst['mean_delay_seconds']), 'number')} seconds after accepting in the mean"
        )
    chart = Chart("lines", "day", "mean_delay_seconds")
    return section("delay", "Delay of loading", sentence(said), made, (DAY, EVENTS, DELAY), chart=chart)
