"""Tells when what was accepted is not loaded, or what was loaded is not in the rollups, for too long."""

from collections.abc import Mapping
from typing import Any

from reports.alerts.rule import Finding, Given, Needs, Parameter
from reports.delivery.message import Fact
from reports.errors import BadRule

NAME: str = "freshness"
SENTENCE: str = "Events that wait to be loaded, or rollups that are behind, for longer than a time."
PARAMETERS: tuple[Parameter, ...] = (
    Parameter("lag", "How long is too long.", "length", 120),
    Parameter("every", "How often it is asked.", "length", 30),
)
NEEDS: Needs = "figures"
MATCHES: tuple[str, ...] = ()
EVERY_SECONDS: int = 30
WORDS = {
    "loader_lag_seconds": ("loader", "Events wait to be loaded", "The oldest accepted event has waited for"),
    "rollup_lag_seconds": ("rollups", "Rollups are behind", "What was loaded was last folded into the rollups before"),
}


def check(parameters: Mapping[str, Any]) -> None:
    """Refuse what is always so."""
    if parameters["lag"] < 30:
        raise BadRule("--lag is at least 30s.")


def found(parameters: Mapping[str, Any], given: Given) -> list[Finding]:
    """Give which of the two is late."""
    return [
        Finding(
            subject=subject,
            transition="late",
            title=title,
            says="lasting",
            text=f"{says} {given.figures[figure]:,.0f} s; `errhouse doctor` says why.",
            facts=(Fact("Lag", f"{given.figures[figure]:,.0f} s"),),
        )
        for figure, (subject, title, says) in WORDS.items()
        if given.figures.get(figure, 0.0) > parameters["lag"]
    ]
