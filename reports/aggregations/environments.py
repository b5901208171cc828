"""Environments side by side, and which issues no earlier one has caught."""

import numpy as np
import pandas as pd

from reports.aggregation import Aggregation, counts
from reports.columns import COMPARED, ENVIRONMENT, EVENTS, PROJECT, SHARE
from reports.counting import compared, events
from reports.grouping import NEVER, grouped, microseconds, ranked, summed
from reports.report import Column
from reports.statistics import parts

BY = ("project", "environment")


def environments(now: pd.DataFrame, before: pd.DataFrame, ever: pd.DataFrame, dispersion: float = 1.0) -> pd.DataFrame:
    """
    Compare the environments of each project.

    Takes: `ever`, counts by project, environment and issue over all that is kept, which tell where an issue was first
           seen: of the issues seen in production now, those first seen there have escaped every test.
    """
    made = events(now, before, BY).drop(columns="groups")
    made["share"] = parts(made["events"], made["events"].sum())
    made = compared(made, dispersion)
    for name, values in (("issues", _issues(now, ever)), ("culprit", _culprits(now))):
        made = made.merge(values, on=list(BY), how="left", sort=False)
        made[name] = made[name].fillna("" if name == "culprit" else 0)
    integers = {name: made[name].fillna(0).astype("int64") for name in ("issues", "first_here", "culprit_events")}
    made = made.assign(**integers, escape_rate=parts(integers["first_here"], integers["issues"]))
    return ranked(made, made["events"])


def _issues(now: pd.DataFrame, ever: pd.DataFrame) -> pd.DataFrame:
    """Count the issues seen in each environment, and those of them that were seen in none before it."""
    frames = (ever,) if ever is now else (ever, now)
    places = grouped(("project", "issue", "environment"), *frames)
    has_event = (now["events"] > 0).to_numpy()
    there, here, count = places.numbers[0], places.numbers[-1][has_event], len(places.names)
    first = np.full(count, NEVER)
    np.minimum.at(first, there, microseconds(ever["first_seen_at"]))
    np.minimum.at(first, here, microseconds(now["first_seen_at"])[has_event])
    is_seen = np.bincount(here, minlength=count) > 0
    issues = grouped(("project", "issue"), places.names)
    issue = issues.numbers[0]
    earliest = np.full(len(issues.names), NEVER)
    np.minimum.at(earliest, issue, first)
    groups = grouped(BY, places.names[is_seen])
    (number,), size = groups.numbers, len(groups.names)
    return groups.names.assign(
        issues=np.bincount(number, minlength=size).astype(np.int64),
        first_here=summed(number, (first == earliest[issue])[is_seen], size),
    )


def _culprits(now: pd.DataFrame) -> pd.DataFrame:
    """Give the most frequent culprit of each environment; of those that are equal the first by name."""
    groups = grouped((*BY, "culprit"), now)
    made = groups.names.assign(culprit_events=summed(groups.numbers[0], now["events"], len(groups.names)))
    made = made[made["culprit_events"] > 0].reset_index(drop=True)
    return ranked(made, made["culprit_events"]).drop_duplicates(list(BY))


AGGREGATION = Aggregation(
    name="environments",
    title="Environments",
    sentence="Environments side by side, and which part of their issues no other one had seen before.",
    takes={
        "now": counts("project", "environment", "culprit", "issue"),
        "before": counts("project", "environment"),
        "ever": counts("project", "environment", "issue"),
    },
    gives=(
        PROJECT,
        ENVIRONMENT,
        EVENTS,
        SHARE,
        *COMPARED,
        Column("issues", "Issues", "count", "Issues that have an event there."),
        Column("first_here", "First seen there", "count", "Those of them that were first seen in this environment."),
        Column(
            "escape_rate", "Escape rate", "share", "First seen there as a part of issues: of production, what escaped."
        ),
        Column("culprit", "Top culprit", "text", "The most frequent culprit there."),
        Column("culprit_events", "Its events", "count", "Events of that culprit."),
    ),
    aggregate=environments,
)
