"""
Everything that events can be put together by: one aggregation a file, and the one list of them.

They know no neighbour, no clock and no database. docs/how-to/add-a-report.md says how to add one.
"""

from reports.aggregation import Aggregation
from reports.aggregations import (
    by_culprit,
    by_level,
    by_project,
    churn,
    concentration,
    contribution,
    data_quality,
    environments,
    error_budget,
    escalating,
    frequency,
    heatmap,
    issue_movement,
    level_mix,
    noise_candidates,
    pareto,
    release_adoption,
    release_comparison,
    release_regressions,
    spikes,
    time_to_silence,
    timeline,
    unhandled_rate,
    users_affected,
)

AGGREGATIONS: tuple[Aggregation, ...] = (
    frequency.AGGREGATION,
    by_project.AGGREGATION,
    by_level.AGGREGATION,
    by_culprit.AGGREGATION,
    pareto.AGGREGATION,
    concentration.AGGREGATION,
    contribution.AGGREGATION,
    users_affected.AGGREGATION,
    issue_movement.AGGREGATION,
    escalating.AGGREGATION,
    churn.AGGREGATION,
    level_mix.AGGREGATION,
    unhandled_rate.AGGREGATION,
    heatmap.AGGREGATION,
    timeline.AGGREGATION,
    spikes.AGGREGATION,
    release_comparison.AGGREGATION,
    release_regressions.AGGREGATION,
    release_adoption.AGGREGATION,
    environments.AGGREGATION,
    time_to_silence.AGGREGATION,
    error_budget.AGGREGATION,
    noise_candidates.AGGREGATION,
    data_quality.AGGREGATION,
)


def aggregation(name: str) -> Aggregation:
    """Give an aggregation by its name. Raises KeyError."""
    return {each.name: each for each in AGGREGATIONS}[name]
