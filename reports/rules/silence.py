"""
Tells when a project that usually sends has stopped.

How much should have come in the silent time is learned from the same span of the times before: of the last four weeks
where there are two at least, else of the last seven days where there are three; without those nothing is said. With the
mean λ of these counts and their dispersion Φ = variance / mean, 1 at least, a project is silent when λ / Φ reaches 10:
for Poisson counts that much silence is chance once in e¹⁰, some 22,000 times; for bursty ones it takes longer. A
project that sends 60 events an hour is missed after 10 minutes. Nothing is said while the loader is behind.
"""

from collections.abc import Mapping
from statistics import fmean, variance
from typing import Any

from reports.alerts.rule import Finding, Given, Needs, Parameter, Silence
from reports.delivery.message import Fact
from reports.errors import BadRule

NAME: str = "silence"
SENTENCE: str = "A project that usually sends and has stopped."
PARAMETERS: tuple[Parameter, ...] = (
    Parameter("silent", "The least time without an event.", "length", 600),
    Parameter("every", "How often it is asked.", "length", 300),
)
NEEDS: Needs = "silences"
MATCHES: tuple[str, ...] = ("project",)
EVERY_SECONDS: int = 300
ENOUGH = 10.0
LEAST_SPANS = 2


def check(parameters: Mapping[str, Any]) -> None:
    """Refuse what is shorter than a fold and longer than what is learned from."""
    if not 60 <= parameters["silent"] <= 7 * 86_400:
        raise BadRule("--silent of a silence is from 1m to 7d.")


def found(parameters: Mapping[str, Any], given: Given) -> list[Finding]:
    """Give the projects that are silent."""
    return [
        _finding(each)
        for each in given.silences
        if each.seconds >= parameters["silent"] and len(each.before) >= LEAST_SPANS and certainty(each.before) >= ENOUGH
    ]


def certainty(before: tuple[float, ...]) -> float:
    """Give λ / Φ."""
    mean = fmean(before)
    return mean / max(1.0, variance(before) / mean) if mean else 0.0


def _finding(each: Silence) -> Finding:
    minutes = int(each.seconds // 60)
    span = f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
    expected = f"{fmean(each.before):,.0f}"
    return Finding(
        subject=f"project:{each.project_id}",
        transition="silent",
        title=f"{each.project} has sent nothing for {span}",
        says="lasting",
        text=f"Its last event occurred at {each.last_at:%Y-%m-%d %H:%M} UTC; about {expected} are usual in that time.",
        facts=(Fact("Expected", expected), Fact("Last event", f"{each.last_at:%Y-%m-%d %H:%M} UTC")),
        project_id=each.project_id,
        project=each.project,
    )
