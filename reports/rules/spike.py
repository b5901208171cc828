"""
Tells when a project has far more events in an hour than at that hour of the week.

The test is that of the spikes in reports (`reports.statistics.spike_test`): with two weeks of history the count is
compared, on Anscombe's scale, with the same hour of five weeks, give or take an hour; with a day of it, with twice the
median. The hour that is not over counts as far as it is, so a spike is found within it, and a quiet hour is never one.
"""

from collections.abc import Mapping
from typing import Any

from reports.alerts.rule import Finding, Given, Hours, Needs, Parameter
from reports.delivery.message import Fact

NAME: str = "spike"
SENTENCE: str = "A project with far more events than it has at that hour of the week."
PARAMETERS: tuple[Parameter, ...] = (Parameter("every", "How often it is asked.", "length", 300),)
NEEDS: Needs = "hours"
MATCHES: tuple[str, ...] = ("project", "level", "environment")
EVERY_SECONDS: int = 300
TESTED = 2  # the hour that is not over, and the one before: what was loaded late, and so that a spike ends late


def check(_: Mapping[str, Any]) -> None:
    """Have nothing to refuse."""


def found(_: Mapping[str, Any], given: Given) -> list[Finding]:
    """Give the projects with a spike in this hour or the last."""
    if not given.hours:
        return []
    import numpy as np  # noqa: PLC0415 - the scheduler stays small without such a rule

    from reports.statistics import spike_test  # noqa: PLC0415 - the same

    width = max(TESTED, *(len(each.counts) for each in given.hours))
    counts = np.array([(0,) * (width - len(each.counts)) + each.counts for each in given.hours], dtype=np.float64)
    tested = spike_test(counts, TESTED, (counts > 0).argmax(axis=1))
    findings = []
    for row, each in enumerate(given.hours):
        if tested.is_spike[row].any():
            hour = int(np.nonzero(tested.is_spike[row])[0][-1])
            findings.append(
                _finding(
                    each,
                    int(counts[row, width - TESTED + hour]),
                    float(tested.expected[row, hour]),
                    is_now=hour == TESTED - 1,
                    is_sure=not bool(tested.is_low_confidence[row, hour]),
                )
            )
    return findings


def _finding(each: Hours, events: int, expected: float, *, is_now: bool, is_sure: bool) -> Finding:
    when = "in the hour that has begun" if is_now else "in the last hour"
    usual = "at this hour of the week" if is_sure else "as the median of the last days"
    return Finding(
        subject=f"project:{each.project_id}",
        transition="spike",
        title=f"Spike in {each.project}: {events:,} events",
        says="lasting",
        text=f"{events:,} events {when}; {expected:,.1f} are usual {usual}.",
        facts=(Fact("Expected", f"{expected:,.1f}"),),
        project_id=each.project_id,
        project=each.project,
    )
