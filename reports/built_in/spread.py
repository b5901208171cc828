"""Releases, environments, noise and budgets."""

import pandas as pd

from reports.aggregations import aggregation
from reports.aggregations.issue_movement import NEW
from reports.built_in.gathered import BY_RELEASE, Gathered, mean_of, quiet_users
from reports.built_in.saying import counted, named, only, percent, section, sentence
from reports.built_in.sections import kept
from reports.report import Chart, Column, Section

RELEASES = 10
ENVIRONMENTS = 20
NOISE = 10
NEW_ISSUES = (
    Column("new_issues", "New issues", "count", "Issues with an event there that were first seen in the period."),
    Column("first_here", "First seen there", "count", "Those of them that were in no other environment before."),
    Column("escape_rate", "Escape rate", "share", "That as a part of the new issues: of production, what escaped."),
)


def releases(found: Gathered) -> Section:
    """Tell which releases the events are of."""
    now, then = found.of_releases
    wanted = aggregation("frequency")
    made = wanted.run(
        now=now,
        before=kept(mean_of(then, BY_RELEASE, found.times), now, BY_RELEASE),
        hours=found.period.hours,
        by=BY_RELEASE,
        dispersion=found.dispersion,
        top=RELEASES,
    )
    count = int((now["release"] != "").sum())
    said = f"{counted(count, 'release')} had events"
    told = made[(made["release"] != "") & ~made["is_other"]]
    if len(told):
        first = told.iloc[0]
        said += f"; {named(first['release'])} of {named(first['project'], 'no project')} has {percent(first['share'])}"
    columns = only(
        wanted.gives,
        *("project", "release", "events", "share", "previous_events", "change", "is_significant", "is_new"),
        *("first_seen_at", "last_seen_at"),
    )
    chart = Chart("bars", "release", "events", mark="is_new")
    return section("releases", "Releases", sentence(said), made, columns, chart=chart)


def environments(found: Gathered, movement: pd.DataFrame) -> Section:
    """Tell environments side by side, and where new issues were seen first."""
    wanted = aggregation("environments")
    before = found.compared_by("project", "environment")
    made = wanted.run(now=found.now, before=before, ever=found.now, dispersion=found.dispersion)
    new = movement[movement["movement"] == NEW][["project", "issue_id"]].rename(columns={"issue_id": "issue"})
    of_new = found.now.merge(new, on=["project", "issue"], how="inner", sort=False)
    more = wanted.run(now=of_new, before=of_new.iloc[:0], ever=of_new)
    keys = ["project", "environment"]
    more = more[[*keys, "issues", "first_here", "escape_rate"]].rename(columns={"issues": "new_issues"})
    made = made.drop(columns=["first_here", "escape_rate"]).merge(more, on=keys, how="left", sort=False)
    for name in ("new_issues", "first_here"):
        made[name] = made[name].fillna(0).astype("int64")
    said = "no environment had an event"
    if len(made):
        first = made.iloc[0]
        where = f"{named(first['environment'], 'no environment')} of {named(first['project'], 'no project')}"
        said = f"{percent(first['share'] if pd.notna(first['share']) else 0)} of the events are of {where}"
    columns = only(
        (*wanted.gives[:-5], *wanted.gives[-2:], wanted.gives[-5], *NEW_ISSUES),
        *("project", "environment", "events", "share", "previous_events", "change", "is_significant", "issues"),
        *("new_issues", "first_here", "escape_rate", "culprit", "culprit_events"),
    )
    return section("environments", "Environments", sentence(said), made, columns, top=ENVIRONMENTS)


def noise(found: Gathered) -> Section:
    """Tell what could be muted."""
    wanted = aggregation("noise_candidates")
    made = wanted.run(now=quiet_users(found), issues=found.issues, top=NOISE)
    said = "no issue is frequent and harmless"
    if len(made):
        saved = percent(made["cumulative_share"].iloc[-1])
        said = (
            f"muting {'this issue' if len(made) == 1 else f'these {len(made)} issues'} would save {saved} of the events"
        )
    return section("noise", "Noise", sentence(said), made, wanted.gives)


def budget(found: Gathered) -> list[Section]:
    """Tell how fast projects use up what they may have, when that was asked."""
    if found.asked.budget is None:
        return []
    wanted = aggregation("error_budget")
    made = wanted.run(now=found.now, hours=found.period.hours, budget=found.asked.budget)
    over = int(made["is_over"].sum())
    said = f"{counted(over, 'project')} {'is' if over < 2 else 'are'} over budget"
    return [section("budget", "Error budget", sentence(said), made, wanted.columns(made))]
