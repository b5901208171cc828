"""What changed, which issues moved, and the top culprits."""

from datetime import timedelta

import pandas as pd

from reports import frames
from reports.aggregations import aggregation
from reports.aggregations.issue_movement import GONE_QUIET, NEW, RECURRING, REGRESSED, RETURNED
from reports.built_in.chosen import BY_CULPRIT, sparks
from reports.built_in.gathered import Gathered, recent
from reports.built_in.saying import are, counted, named, only, percent, section, sentence
from reports.columns import CUMULATIVE_SHARE
from reports.filters import Filters
from reports.grouping import matches
from reports.period import Period
from reports.reading import Reader
from reports.report import Chart, Column, Section
from reports.statistics import parts

CHANGES = 10
QUIET = 10
CHURNED = 20
TREND = Column("trend", "By day", "sparkline", "Events of each UTC day, up to the last one of the period.")


def what_changed(found: Gathered) -> Section:
    """Tell which culprits explain the change of the total."""
    wanted = aggregation("contribution")
    made = wanted.run(
        now=found.now,
        before=found.compared_by(*BY_CULPRIT),
        by=BY_CULPRIT,
        dispersion=found.dispersion,
        top=CHANGES,
    )
    difference = int(made["difference"].sum())
    made = made[made["difference"] != 0]
    said = "there were as many events as before"
    if difference:
        were = "was" if abs(difference) == 1 else "were"
        said = f"there {were} {counted(abs(difference), 'event')} {'more' if difference > 0 else 'fewer'} than before"
        with_it = made[(made["contribution"] > 0) & ~made["is_other"]]
        if len(with_it):
            first = with_it.iloc[0]
            said += (
                f"; {named(first['culprit'])} of {named(first['project'], 'no project')} "
                f"alone makes {percent(first['contribution'])} of that"
            )
    columns = only(
        wanted.gives,
        *("project", "culprit", "events", "previous_events", "difference", "change", "contribution"),
        *("is_significant", "is_new"),
    )
    chart = Chart("bars", "culprit", "difference", mark="is_significant")
    return section("what_changed", "What changed", sentence(said), made, columns, chart=chart)


def moved(found: Gathered) -> pd.DataFrame:
    """Give what became of each issue."""
    return aggregation("issue_movement").run(
        now=found.now,
        before=found.then,
        recent=recent(found),
        issues=found.issues,
        start=found.period.start,
        end=found.period.end,
    )


def new_and_regressed(movement: pd.DataFrame, top: int) -> Section:
    """Tell which issues are new, or came back."""
    count = {word: int((movement["movement"] == word).sum()) for word in (NEW, REGRESSED, RETURNED, RECURRING)}
    said = (
        f"{counted(count[NEW], 'issue')} {are(count[NEW])} new, {counted(count[REGRESSED], 'issue')} regressed, "
        f"{counted(count[RETURNED], 'issue')} returned and {counted(count[RECURRING], 'issue')} went on"
    )
    shown = movement[movement["movement"].isin([NEW, REGRESSED, RETURNED])]
    columns = only(
        aggregation("issue_movement").gives,
        *("movement", "project", "issue_id", "title", "culprit", "level", "events", "first_seen_at", "last_seen_at"),
        *("age_days", "first_release"),
    )
    return section("new_and_regressed", "New and regressed issues", sentence(said), shown, columns, top=top)


def gone_quiet(movement: pd.DataFrame) -> Section:
    """Tell which issues had events before and have none now: perhaps they are mended."""
    shown = movement[movement["movement"] == GONE_QUIET]
    said = f"{counted(len(shown), 'issue')} had events before and {'has' if len(shown) < 2 else 'have'} none now"
    columns = only(
        aggregation("issue_movement").gives,
        *("project", "issue_id", "title", "culprit", "level", "previous_events", "last_seen_at", "age_days"),
    )
    return section("gone_quiet", "Gone quiet", sentence(said), shown, columns, top=QUIET)


def churn(found: Gathered) -> pd.DataFrame:
    """Tell how much the list of the most frequent culprits changed; no row where there is nothing to compare."""
    made = aggregation("churn").run(now=found.now, before=found.then, by=BY_CULPRIT, top=CHURNED)
    return made if len(found.then) else made.iloc[:0]


def top_culprits(found: Gathered, churned: pd.DataFrame) -> Section:
    """Tell the most frequent culprits, each with its days and what it and those above make, the others in one row."""
    period, top = found.period, found.asked.top
    wanted = aggregation("by_culprit")
    made = wanted.run(
        now=found.now,
        before=found.compared_by(*BY_CULPRIT),
        hours=period.hours,
        dispersion=found.dispersion,
        top=top,
        only_now=True,
    )
    cumulated = parts(made["events"].cumsum(), made["events"].sum())
    concentrated = aggregation("concentration").run(now=found.now, by=BY_CULPRIT)
    said = "no event occurred"
    if len(concentrated):
        row = concentrated.iloc[0]
        makes = "makes" if row["vital_groups"] == 1 else "make"
        said = f"{row['vital_groups']:,.0f} of {counted(row['groups'], 'culprit')} {makes} 80 % of the events"
        said = "all events are of one culprit" if row["groups"] == 1 else said
    if len(churned) and len(concentrated):
        entered, most = int(churned["entered"].iloc[0]), int(churned["kept"].iloc[0] + churned["entered"].iloc[0])
        if most > 1:
            said += f"; {entered} of the {most} most frequent" if entered else f"; all of the {most} most frequent"
            said += f" {'was' if entered == 1 else 'were'} {'not ' if entered else ''}among them before"
    filters = found.chosen.culprits
    made = made.assign(
        users=_users(made, period, filters, found.reader),
        trend=_trend(made, period, filters, found.reader),
        cumulative_share=cumulated,
    )
    columns = only(
        (*wanted.gives, CUMULATIVE_SHARE, TREND),
        *("project", "culprit", "trend", "events", "users", "share", "cumulative_share"),
        *("previous_events", "change", "is_significant", "is_new", "first_seen_at", "last_seen_at"),
    )
    chart = Chart("pareto", "culprit", "share", "cumulative_share", mark="is_new")
    return section("top_culprits", "Top culprits", sentence(said), made, columns, chart=chart)


def by_project(found: Gathered) -> Section:
    """Tell the events of each project."""
    wanted = aggregation("by_project")
    made = wanted.run(
        now=found.now,
        before=found.compared_by("project"),
        hours=found.period.hours,
        dispersion=found.dispersion,
        top=found.asked.top,
    )
    made = made.assign(users=looked_up(made, found.users, ("project",), "users"))
    named_ones = made[(made["events"] > 0) & ~made["is_other"]]
    said = "no project had an event"
    if len(named_ones):
        first = named_ones.iloc[0]
        count = int(made.loc[made["events"] > 0, "groups"].sum())
        whose = named(first["project"], "no project")
        said = f"all events are of {whose}"
        if count > 1:
            said = f"of {counted(count, 'project')} the most events are of {whose}, {percent(first['share'])}"
    columns = only(
        wanted.gives,
        *("project", "events", "users", "events_per_hour", "share", "previous_events", "change", "is_significant"),
        *("first_seen_at", "last_seen_at"),
    )
    chart = Chart("bars", "project", "events")
    return section("projects", "Projects", sentence(said), made, columns, chart=chart)


def looked_up(made: pd.DataFrame, told: pd.DataFrame, by: tuple[str, ...], name: str) -> pd.Series:
    """Give whole numbers that another frame tells of the same names; missing where it tells none."""
    places = matches(by, made, told)
    values = pd.array(told[name].to_numpy(), dtype="Int64")
    return pd.Series(values.take(places, allow_fill=True), index=made.index)


def total(frame: pd.DataFrame, before: pd.DataFrame) -> tuple[int, int]:
    """Give the events of both periods."""
    return int(frame["events"].sum()), int(before["events"].sum())


def _users(made: pd.DataFrame, period: Period, filters: Filters, reader: Reader) -> pd.Series:
    if not filters.culprit:
        return made["users"]
    told = frames.users(period, filters, reader, by=BY_CULPRIT)
    return looked_up(made, told, BY_CULPRIT, "users").mask(made["is_other"].to_numpy())


def _trend(made: pd.DataFrame, period: Period, filters: Filters, reader: Reader) -> pd.Series:
    """Give the events of each of the last 14 UTC days, or of those of the period when it is longer."""
    if not filters.culprit:
        return pd.Series([None] * len(made), dtype="object")
    spread = sparks(period)
    told = frames.culprit_days(spread, filters, reader)
    first, last = spread.start.date(), (period.end - timedelta(microseconds=1)).date()
    axis = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    place = {day: number for number, day in enumerate(axis)}
    lines: dict[tuple[str, str], list[int]] = {}
    for project, culprit, day, events in zip(
        *(told[name].tolist() for name in ("project", "culprit", "day", "events")), strict=True
    ):
        lines.setdefault((project, culprit), [0] * len(axis))[place[day]] += events
    values = [
        None if is_other else lines.get((project, culprit))
        for project, culprit, is_other in zip(made["project"], made["culprit"], made["is_other"], strict=True)
    ]
    return pd.Series(values, dtype="object", index=made.index)
