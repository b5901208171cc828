"""The plain table: how often, by whatever was asked for."""

from reports import frames
from reports.aggregations import aggregation
from reports.built_in.asked import Asked
from reports.built_in.headline import DEFINITIONS
from reports.built_in.saying import counted, only, section, sentence
from reports.counting import words
from reports.period import Period
from reports.reading import Reader
from reports.report import Chart, Figure, Report, span
from reports.statistics import LEAST_FOR_PERCENT, REAL_Z, significance

PROMISED = ("events", "users", "share", "change", "first_seen_at", "last_seen_at")


def make(reader: Reader, period: Period, asked: Asked) -> Report:
    """Make the report; its table has the groupings and what is promised of them, and only groups that have events."""
    by, top = words(asked.by), asked.frequent
    before = period.previous()
    now = frames.frequency(period, by, asked.filters, reader)
    then = frames.frequency(before, by, asked.filters, reader, counts_users=False)
    wanted = aggregation("frequency")
    made = wanted.run(now=now, before=then, hours=period.hours, by=by, only_now=True)
    events, was = int(now["events"].sum()), int(then["events"].sum())
    shown = int(made["events"].head(top).sum())
    said = f"{counted(events, 'event')} in {counted(len(made), 'row')} by {', '.join(by)}"
    if len(made) > top:
        said += f", of which the first {top:,} have {counted(shown, 'event')}"
    chart = Chart("bars", by[-1], "events") if by[-1] != "issue" else None
    z = float(significance(events, was, 1.0, period.hours / before.hours))
    columns = only(wanted.gives, *by, *PROMISED)
    return Report(
        name="frequency",
        title="Frequency",
        period=span(period),
        previous=span(before),
        parameters={**asked.told("by"), "top": top},
        headline=[
            Figure(
                "events",
                "Events",
                events,
                previous=was,
                change=events / was - 1 if was >= LEAST_FOR_PERCENT else None,
                is_significant=abs(z) > REAL_Z,
            ),
            Figure("events_per_hour", "Rate", round(events / period.hours, 3), "number", "events/h"),
        ],
        sections=[section("frequency", "Frequency", sentence(said), made, columns, chart=chart, top=top)],
        quality=[],
        notes=[] if events else ["No event occurred in the period."],
        definitions=[each for each in DEFINITIONS if each.word in {"event", "issue", "culprit", "users", "change"}],
    )
