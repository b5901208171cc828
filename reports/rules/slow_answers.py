"""
Tells when webhooks are answered too late too often: Sentry disables an integration after 1,000 timeouts in a day.

Counted are answers after 0.9 s or later, and refusals with 503; Sentry gives up after 1 s.
"""

from collections.abc import Mapping
from typing import Any

from reports.alerts.rule import Finding, Given, Needs, Parameter
from reports.delivery.message import Fact
from reports.errors import BadRule

NAME: str = "slow_answers"
SENTENCE: str = "Webhooks that are answered late or refused, near to Sentry's limit of 1,000 timeouts a day."
PARAMETERS: tuple[Parameter, ...] = (
    Parameter("count", "How many of a day are too many.", "number", 50),
    Parameter("every", "How often it is asked.", "length", 60),
)
NEEDS: Needs = "figures"
MATCHES: tuple[str, ...] = ()
EVERY_SECONDS: int = 60
LIMIT = 1000
FIGURE = "slow_answers"


def check(parameters: Mapping[str, Any]) -> None:
    """Refuse what comes too late."""
    if not 1 <= parameters["count"] <= LIMIT:
        raise BadRule(f"--count of slow answers is from 1 to {LIMIT}.")


def found(parameters: Mapping[str, Any], given: Given) -> list[Finding]:
    """Say whether there are too many; what is not known is none."""
    count = given.figures.get(FIGURE, 0.0)
    if count < parameters["count"]:
        return []
    return [
        Finding(
            subject="answers",
            transition="slow",
            title="Webhooks are answered too late",
            says="lasting",
            text=f"{count:,.0f} webhooks of a day were answered after 0.9 s or refused; Sentry disables an integration "
            f"at {LIMIT:,} timeouts. `errhouse doctor` says why.",
            facts=(Fact("Slow answers of a day", f"{count:,.0f}"),),
        )
    ]
