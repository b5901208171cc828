"""Releases, environments, noise and budgets."""

import numpy as np
import pandas as pd

from reports import frames
from reports.aggregation import empty
from reports.aggregations import aggregation
from reports.aggregations.issue_movement import NEW
from reports.built_in.chosen import BY_QUIET, of_issues
from reports.built_in.gathered import BY_RELEASE, Gathered, mean_of
from reports.built_in.saying import counted, named, only, percent, section, sentence
from reports.grouping import Ints, grouped, issue_places, matches
from reports.report import Chart, Column, Section
from reports.statistics import parts

RELEASES = 10
ENVIRONMENTS = 20
NOISE = 10
UNKNOWN_USERS = 1 << 40
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
        before=mean_of(then, BY_RELEASE, found.times),
        hours=found.period.hours,
        by=BY_RELEASE,
        dispersion=found.dispersion,
        top=RELEASES,
        only_now=True,
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
    issues, first_here = _of_new(found, movement, made)
    made = made.assign(new_issues=issues, first_here=first_here, escape_rate=parts(first_here, issues))
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


def _of_new(found: Gathered, movement: pd.DataFrame, made: pd.DataFrame) -> tuple[Ints, Ints]:
    """Give for each environment how many issues are new, and how many of them were first seen there."""
    new = movement.loc[(movement["movement"] == NEW).to_numpy(), ["project", "issue_id"]]
    if new.empty:
        return np.zeros(len(made), dtype=np.int64), np.zeros(len(made), dtype=np.int64)
    known = found.now[found.now["issue"].isin(new["issue_id"].to_numpy()).to_numpy()]
    of_new = known[issue_places(known.rename(columns={"issue": "issue_id"}), new) >= 0]
    more = aggregation("environments").run(now=of_new, before=of_new.iloc[:0], ever=of_new)
    places = matches(("project", "environment"), made, more)
    issues, first_here = (np.append(more[name].to_numpy(), 0)[places] for name in ("issues", "first_here"))
    return issues, first_here


def noise(found: Gathered) -> Section:
    """Tell what could be muted."""
    wanted = aggregation("noise_candidates")
    made = wanted.run(now=_with_users(found), issues=found.issues, top=NOISE)
    said = "no issue is frequent and harmless"
    if len(made):
        saved = percent(made["cumulative_share"].iloc[-1])
        said = (
            f"muting {'this issue' if len(made) == 1 else f'these {len(made)} issues'} would save {saved} of the events"
        )
    return section("noise", "Noise", sentence(said), made, wanted.gives)


def _with_users(found: Gathered) -> pd.DataFrame:
    """Give the counts of the period with the users of each level of an issue in one row of it, many where not told."""
    told = empty({"project": "str", "level": "str", "issue": "int64", "users": "int64"})
    if found.chosen.quiet:
        filters = of_issues(found.asked.filters, found.chosen.quiet)
        told = frames.users(found.period, filters, found.reader, by=BY_QUIET)
    groups = grouped(BY_QUIET, found.now, told)
    here, there = groups.numbers
    users = np.full(groups.count, UNKNOWN_USERS)
    users[there] = told["users"].to_numpy()
    row = np.zeros(groups.count, dtype=np.int64)
    row[here] = np.arange(len(here))
    return found.now.assign(users=np.where(row[here] == np.arange(len(here)), users[here], 0))


def budget(found: Gathered) -> list[Section]:
    """Tell how fast projects use up what they may have, when that was asked."""
    if found.asked.budget is None:
        return []
    wanted = aggregation("error_budget")
    made = wanted.run(now=found.now, hours=found.period.hours, budget=found.asked.budget)
    over = int(made["is_over"].sum())
    said = f"{counted(over, 'project')} {'is' if over < 2 else 'are'} over budget"
    return [section("budget", "Error budget", sentence(said), made, wanted.columns(made))]
