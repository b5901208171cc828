"""
Tells when more events than a number were loaded within a window, or several times as many as before.

Events are counted by the minute in which they are loaded, so late events count when they come. `rate` compares with
the window of the same length before (`against` window), or with the mean of the same window of the days before, seven
at most (`against` days); it asks for `count` events as well, so that two instead of one is no alarm.
"""

from collections.abc import Mapping
from typing import Any

from reports.alerts.rule import LEVEL_WORDS, Counted, Finding, Given, Needs, Parameter
from reports.errors import BadRule

NAME: str = "threshold"
SENTENCE: str = "More events within a window than a number, or several times as many as before."
PARAMETERS: tuple[Parameter, ...] = (
    Parameter("count", "How many events.", "number", 10),
    Parameter("window", "Within which time.", "length", 300),
    Parameter("rate", "How many times as many as before, such as 3x.", "ratio"),
    Parameter("against", "What a rate compares with: window or days.", "word", "window", ("window", "days")),
)
NEEDS: Needs = "counts"
MATCHES: tuple[str, ...] = ("project", "level", "culprit", "title", "release", "environment", "tag")
EVERY_SECONDS: int = 0
SHORTEST, LONGEST = 60, 86_400


def check(parameters: Mapping[str, Any]) -> None:
    """Refuse windows that minutes cannot tell, or that would be kept for too long."""
    if not SHORTEST <= parameters["window"] <= LONGEST or parameters["window"] % 60:
        raise BadRule("--window is whole minutes from 1m to 24h.")
    if parameters["against"] == "days" and parameters.get("rate") is None:
        raise BadRule("--against days needs --rate, such as --rate 3x.")


def found(parameters: Mapping[str, Any], given: Given) -> list[Finding]:
    """Give the subjects that are over."""
    return [_finding(each, parameters) for each in given.counts if _is_over(each, parameters)]


def _is_over(each: Counted, parameters: Mapping[str, Any]) -> bool:
    if each.now < parameters["count"]:
        return False
    if parameters.get("rate") is None:
        return True
    usual = _usual(each, parameters)
    return usual is not None and each.now >= parameters["rate"] * max(usual, 1)


def _usual(each: Counted, parameters: Mapping[str, Any]) -> float | None:
    if parameters["against"] == "window":
        return each.before
    return sum(each.days) / len(each.days) if each.days else None


def _finding(each: Counted, parameters: Mapping[str, Any]) -> Finding:
    minutes = parameters["window"] // 60
    span = "1 minute" if minutes == 1 else f"{minutes} minutes"
    what = "1 event" if each.now == 1 else f"{each.now:,} events"
    usual = _usual(each, parameters)
    text = f"{what} in {span}"
    if parameters.get("rate") is not None and usual is not None:
        before = f"the {span} before" if parameters["against"] == "window" else "the same time of the days before"
        text += f"; {usual:,.0f} in {before}"
    elif each.before is not None:
        text += f"; {each.before:,} in the {span} before"
    last = each.sighting
    where = f" in {last.project}" if last and each.subject != "rule" else ""
    about = f": {last.title}" if last and each.subject.startswith("issue:") else ""
    return Finding(
        subject=each.subject,
        transition="threshold",
        title=f"{what} in {span}{where}{about}",
        says="lasting",
        text=f"{text}.",
        level=LEVEL_WORDS[last.level] if last else None,
        sighting=last,
        project_id=last.project_id if last and each.subject != "rule" else None,
        project=last.project if last and each.subject != "rule" else None,
    )
