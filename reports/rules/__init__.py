"""
Kinds of alert rules: each is a module of this folder, and pure. It is given what it needs, and says what it found.

What is needed is gathered by `reports.alerts.alert_feed` and `reports.alerts.alert_asked`; what is found is told, or
not, by `reports.alerts.alerting`. Kinds with `EVERY_SECONDS` are asked by the clock, the others when something was
loaded.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from reports.alerts.rule import Finding, Given, Needs, Parameter
from reports.errors import BadRule
from reports.rules import freshness, level, new_issue, regression, silence, slow_answers, spike, sql, threshold


class RuleKind(Protocol):
    """One kind of alert rule."""

    NAME: str
    SENTENCE: str
    """What it waits for, for the docs and for `errhouse rule add --help`."""
    PARAMETERS: tuple[Parameter, ...]
    NEEDS: Needs
    MATCHES: tuple[str, ...]
    """What it can be limited by, of reports.alerts.matching.CONDITIONS."""
    EVERY_SECONDS: int
    """How often it is asked, unless the rule says otherwise; 0: whenever something was loaded."""

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Raise BadRule when these parameters, each read and known, cannot be together."""

    def found(self, parameters: Mapping[str, Any], given: Given) -> list[Finding]:
        """Say what holds now."""


RULES: tuple[RuleKind, ...] = (new_issue, regression, threshold, spike, level, silence, freshness, slow_answers, sql)


def kind_of(name: str, kinds: Sequence[RuleKind] = RULES) -> RuleKind:
    """Give a kind by its name. Raises BadRule."""
    for each in kinds:
        if name == each.NAME:
            return each
    raise BadRule(f"There is no kind of rule {name!r}; there are {', '.join(each.NAME for each in kinds)}.")
