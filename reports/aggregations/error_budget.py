"""How fast each project, or each release of it, uses up the events it may have."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from reports.aggregation import Aggregation, counts
from reports.columns import EVENTS, GROUPED
from reports.counting import words
from reports.filters import GROUPINGS
from reports.grouping import grouped, ranked, summed
from reports.report import Column
from reports.statistics import parts

BUDGET_HOURS = 30 * 24.0


def error_budget(
    now: pd.DataFrame,
    hours: float,
    budget: float,
    budgets: Mapping[str, float] | None = None,
    by: str | Sequence[str] = "project",
) -> pd.DataFrame:
    """
    Divide events by what the budget allows in a period of so many hours.

    Takes: `budget`, events a project may have in 30 days; `budgets`, the same for projects that have their own; `by`,
           project, or project and release: a release is measured against the whole budget of its project.
    """
    groups = grouped(words(by), now)
    made = groups.names.assign(events=summed(groups.numbers[0], now["events"], groups.count))
    told = budgets or {}
    project = made["project"] if "project" in made else pd.Series([""] * len(made))
    monthly = np.array([float(told.get(name, budget)) for name in project], dtype=np.float64)
    allowed = monthly * hours / BUDGET_HOURS
    burn = parts(made["events"], allowed)
    made = made.assign(
        budget_events=monthly,
        allowed_events=np.round(allowed, 3),
        burn=burn,
        is_over=(made["events"] > allowed).to_numpy(),
    )
    made = ranked(made, made["events"])
    return ranked(made, made["burn"].where(made["burn"].notna() | (made["events"] == 0), np.inf))


AGGREGATION = Aggregation(
    name="error_budget",
    title="Error budget",
    sentence="How fast projects, or their releases, use up the events that they may have in 30 days.",
    takes={"now": counts("project")},
    gives=(
        *GROUPED,
        EVENTS,
        Column("budget_events", "Budget", "number", "Events that the project may have in 30 days."),
        Column("allowed_events", "Allowed", "number", "The budget's part for the length of the period."),
        Column(
            "burn",
            "Burn rate",
            "number",
            "Events / allowed: 1 uses the budget up in 30 days; missing without a budget.",
        ),
        Column("is_over", "Over budget", "flag", "There were more events than are allowed."),
    ),
    aggregate=error_budget,
    some_of=GROUPINGS,
)
