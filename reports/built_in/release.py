"""One release against its predecessor, both in as many hours after each was first seen."""

from datetime import timedelta

import pandas as pd

from reports import frames
from reports.aggregation import RELEASE_HOURS, empty
from reports.aggregations import aggregation
from reports.aggregations.release_comparison import WEEK_HOURS
from reports.built_in.asked import Asked
from reports.built_in.headline import DEFINITIONS
from reports.built_in.saying import counted, named, only, section, sentence
from reports.filters import Filters
from reports.hourly import dispersion_of
from reports.period import BASELINE_WEEKS, Period
from reports.reading import Reader
from reports.release_order import pairs
from reports.report import Chart, Definition, Figure, Report, Section, span
from reports.wording import number

ADOPTED = 5
MORE = (
    Definition(
        "predecessor", "The next lower version of the same package; where versions do not sort, the one before."
    ),
    Definition("same age", "Both are counted in as many hours after each was first seen, 168 at most."),
    Definition("active hours", "Hours in which the release had an event: rates are told per active hour."),
)


def make(reader: Reader, period: Period, asked: Asked) -> Report:
    """Make the report of the release that was asked for, else of the one first seen last before the period ends."""
    within = asked.filters._replace(release=())
    known = frames.releases(Filters(project=within.project), reader)
    known = known[known["first_seen_at"] < period.end].sort_values(["first_seen_at", "release"])
    name = asked.filters.release[0] if asked.filters.release else str(known["release"].iloc[-1]) if len(known) else ""
    found = pairs(known, name)
    hours = _hours(found, within, period, reader)
    now = hours[hours["release"] == name]
    history = frames.history(period, period.start - timedelta(weeks=BASELINE_WEEKS), within, reader)
    issues = _issues(found, within, period, reader)
    told = {
        "hours": hours,
        "releases": known,
        "issues": issues,
        "end": period.end,
        "release": name,
        "dispersion": dispersion_of(history, period.end),
    }
    compared = aggregation("release_comparison").run(**told)
    regressions = aggregation("release_regressions").run(**told, top=asked.top)
    of_projects = within._replace(project=tuple(found["project"])) if len(found) else within
    days = (
        frames.release_days(period, of_projects, reader) if len(found) else frames.release_days(period, within, reader)
    )
    return Report(
        name="release",
        title=f"Release {named(name, 'report')}",
        period=span(period),
        previous=None,
        parameters={**asked.told("top"), "release": [name] if name else []},
        headline=_headline(compared),
        sections=[
            _comparison(compared, name),
            _regressions(regressions),
            _new_issues(now, issues, name, asked.top),
            _adoption(days),
        ],
        quality=[],
        notes=[]
        if len(found)
        else [f"No release {named(name, '')} was seen before the period ended.".replace("  ", " ")],
        definitions=[*DEFINITIONS[:3], *MORE],
    )


def _hours(found: pd.DataFrame, within: Filters, period: Period, reader: Reader) -> pd.DataFrame:
    """Ask for the hours of a release and of its predecessor, each from when it was first seen."""
    read = []
    for name, since in (("release", "first_seen_at"), ("predecessor", "previous_first_seen_at")):
        there = found[found[since].notna()]
        names = tuple(sorted(set(there[name]) - {""}))
        if not names:
            continue
        start = there[since].min().to_pydatetime()
        end = min(there[since].max().to_pydatetime() + timedelta(hours=WEEK_HOURS + 1), period.end)
        filters = within._replace(release=names, project=tuple(there["project"]))
        if start < end:
            read.append(frames.release_hours(Period(start, end, period.zone, "span"), filters, reader))
    if not read:
        return empty(RELEASE_HOURS)
    return pd.concat(read, ignore_index=True).sort_values(["project", "release", "issue_id", "hour"], ignore_index=True)


def _issues(found: pd.DataFrame, within: Filters, period: Period, reader: Reader) -> pd.DataFrame:
    since = found["first_seen_at"].min() if len(found) else pd.Timestamp(period.start)
    issues = frames.issues(min(since.to_pydatetime(), period.start), within, reader)
    issues = issues[issues["first_seen_at"] < period.end]
    return issues.sort_values(["project", "issue_id"], ignore_index=True)


def _headline(compared: pd.DataFrame) -> list[Figure]:
    now, then = int(compared["events"].sum()), int(compared["previous_events"].sum())
    has = len(compared) > 0 and bool((compared["predecessor"] != "").any())
    return [
        Figure(
            "events",
            "Events at the same age",
            now,
            previous=then if has else None,
            change=now / then - 1 if has and then >= 20 else None,
            is_significant=bool(compared["is_significant"].any()),
        ),
        Figure("new_issues", "New issues", int(compared["new_issues"].sum())),
        Figure("gone_issues", "Issues of the predecessor it does not have", int(compared["gone_issues"].sum())),
        Figure(
            "compared_hours", "Compared", int(compared["compared_hours"].max()) if len(compared) else None, unit="h"
        ),
    ]


def _comparison(made: pd.DataFrame, name: str) -> Section:
    wanted = aggregation("release_comparison")
    said = "no release had an event"
    if len(made):
        first = made.iloc[made["events"].to_numpy().argmax()]
        said = (
            f"release {named(name)} of {named(first['project'], 'no project')} has {counted(first['events'], 'event')}"
        )
        if first["predecessor"]:
            said += (
                f" in its first {counted(first['compared_hours'], 'hour')}, {named(first['predecessor'])} had "
                f"{number(int(first['previous_events']), 'count')} at that age"
            )
            said += ": more than chance" if first["is_significant"] else ": no more than chance"
    return section("comparison", "Against its predecessor", sentence(said), made, wanted.gives)


def _regressions(made: pd.DataFrame) -> Section:
    wanted = aggregation("release_regressions")
    said = f"{counted(len(made), 'issue')} {'is' if len(made) < 2 else 'are'} at least twice as frequent, beyond chance"
    return section("regressions", "Regressions", sentence(said), made, wanted.gives)


def _new_issues(now: pd.DataFrame, issues: pd.DataFrame, name: str, top: int) -> Section:
    """Tell the issues whose first event was of the release."""
    new = issues[(issues["first_release"] == name) & (name != "")]
    events = now.groupby(["project", "issue_id"], as_index=False)["events"].sum()
    made = new.drop(columns="events").merge(events, on=["project", "issue_id"], how="left", sort=False)
    made = made.assign(events=made["events"].fillna(0).astype("int64"))
    made = made.sort_values(["events", "project", "issue_id"], ascending=[False, True, True], ignore_index=True)
    columns = only(
        aggregation("issue_movement").gives,
        "project",
        "issue_id",
        "title",
        "culprit",
        "level",
        "events",
        "first_seen_at",
    )
    said = f"{counted(len(made), 'issue')} came with this release"
    return section("new_issues", "New issues", sentence(said), made, columns, top=top)


def _adoption(days: pd.DataFrame) -> Section:
    wanted = aggregation("release_adoption")
    made = wanted.run(days=days.sort_values(["project", "release", "day"], ignore_index=True), top=ADOPTED)
    said = f"{counted(days.loc[days['release'] != '', 'release'].nunique(), 'release')} had events in the period"
    chart = Chart("lines", "day", "share", "release")
    return section("adoption", "Adoption", sentence(said), made, wanted.gives, chart=chart)
