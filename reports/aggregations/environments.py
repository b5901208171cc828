"""Environments side by side, and which issues no earlier one has caught."""

import numpy as np
import pandas as pd

from reports.aggregation import Aggregation, counts
from reports.columns import COMPARED, ENVIRONMENT, EVENTS, PROJECT, SHARE
from reports.counting import Columns, compared, events
from reports.grouping import NEVER, Groups, Ints, grouped, microseconds, ranking, summed
from reports.report import Column
from reports.statistics import parts

BY = ("project", "environment")


def environments(now: pd.DataFrame, before: pd.DataFrame, ever: pd.DataFrame, dispersion: float = 1.0) -> pd.DataFrame:
    """
    Compare the environments of each project.

    Takes: `ever`, counts by project, environment and issue over all that is kept, which tell where an issue was first
           seen: of the issues seen in production now, those first seen there have escaped every test.
    """
    groups = grouped(BY, now, before)
    sums = events(groups, now, before)
    issues, first_here = _issues(groups, now, ever)
    made = {
        "events": sums["events"],
        "share": parts(sums["events"], sums["events"].sum()),
        **compared(sums["events"], sums["previous_events"], dispersion),
        "issues": issues,
        "first_here": first_here,
        "escape_rate": parts(first_here, issues),
        **_culprits(groups, now),
    }
    order = ranking(sums["events"])
    return pd.DataFrame({**groups.told(order), **{name: values[order] for name, values in made.items()}})


def _issues(groups: Groups, now: pd.DataFrame, ever: pd.DataFrame) -> tuple[Ints, Ints]:
    """Count the issues seen in each environment, and those of them that were seen in none before it."""
    frames = (ever,) if ever is now else (ever, now)
    places = grouped(("project", "issue", "environment"), *frames)
    has_event = (now["events"] > 0).to_numpy()
    there, here, count = places.numbers[0], places.numbers[-1][has_event], places.count
    first = np.full(count, NEVER)
    np.minimum.at(first, there, microseconds(ever["first_seen_at"]))
    np.minimum.at(first, here, microseconds(now["first_seen_at"])[has_event])
    issues = places.within(("project", "issue"))
    earliest = np.full(issues.count, NEVER)
    np.minimum.at(earliest, issues.numbers[0], first)
    group = np.full(count, -1)
    group[here] = groups.numbers[0][has_event]
    is_seen = group >= 0
    is_first = first == earliest[issues.numbers[0]]
    return (
        np.bincount(group[is_seen], minlength=groups.count).astype(np.int64),
        np.bincount(group[is_seen & is_first], minlength=groups.count).astype(np.int64),
    )


def _culprits(groups: Groups, now: pd.DataFrame) -> Columns:
    """Give the most frequent culprit of each environment; of those that are equal the first by name."""
    culprits = grouped((*BY, "culprit"), now)
    number, count = culprits.numbers[0], culprits.count
    sums = summed(number, now["events"], count)
    group = np.zeros(count, dtype=np.int64)
    group[number] = groups.numbers[0]
    order = ranking(sums)
    order = order[sums[order] > 0]
    top = np.full(groups.count, -1)
    top[group[order[::-1]]] = order[::-1]
    has_one = top >= 0
    names, most = np.full(groups.count, "", dtype=object), np.zeros(groups.count, dtype=np.int64)
    names[has_one], most[has_one] = culprits.told(top[has_one])["culprit"], sums[top[has_one]]
    return {"culprit": pd.array(names, dtype="str"), "culprit_events": most}


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
