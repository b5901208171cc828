"""Whether an alert rule can be as a person wrote it: asked before it is kept, so that no evaluation fails of it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from reports.alerts import matching, quiet
from reports.alerts.rule import LEVELS, Parameter, Rule
from reports.errors import BadRule
from reports.rules import RuleKind, kind_of

GROUPINGS = ("issue", "project", "rule")
MOST_TARGETS = 20
MOST_SECONDS = 31 * 86_400
LEAST_EVERY, MOST_EVERY = 10, 86_400
MOST_SQL = 20_000

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
_LENGTH = re.compile(r"(\d{1,9})(s|m|h|d)", re.ASCII)
_RATIO = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)x?", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def check(rule: Rule) -> RuleKind:
    """Give the kind of a rule that can be as it is written. Raises BadRule, one sentence."""
    kind = kind_of(rule.kind)
    if not _NAME.fullmatch(rule.name):
        raise BadRule(f"{rule.name!r} is not a name; write a-z, 0-9, - and _, at most 63, such as new-in-shop.")
    if not rule.targets:
        raise BadRule("A rule needs a target to tell; write --target NAME, one of `errhouse target list`.")
    if len(rule.targets) > MOST_TARGETS:
        raise BadRule(f"A rule has {MOST_TARGETS} targets at most.")
    if rule.group_by not in GROUPINGS:
        raise BadRule(f"--group-by is issue, project or rule, not {rule.group_by!r}.")
    if strange := [name for name in rule.matches if name not in kind.MATCHES]:
        some = f"only by {', '.join(kind.MATCHES)}" if kind.MATCHES else "by nothing"
        raise BadRule(f"{kind.NAME} cannot be limited by {', '.join(strange)}, {some}.")
    matching.check(rule.matches)
    if rule.quiet is not None:
        quiet.hours(rule.quiet)
    try:
        ZoneInfo(rule.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadRule(f"There is no time zone {rule.zone!r}; write one such as Europe/Berlin.") from None
    kind.check(rule.parameters)
    if rule.parameters.get("against") == "days" and rule.group_by == "issue":
        raise BadRule("--against days counts by project or rule; add --group-by project.")
    return kind


def parameters(kind: RuleKind, told: Mapping[str, str | None]) -> dict[str, Any]:
    """Read what was told of a kind's parameters; the others have their defaults. Raises BadRule."""
    known = {each.name: each for each in kind.PARAMETERS}
    if strange := [name for name, value in told.items() if value is not None and name not in known]:
        takes = ", ".join(f"--{name}" for name in known) or "nothing of the kind"
        raise BadRule(f"{kind.NAME} has no {', '.join(f'--{name}' for name in strange)}; it takes {takes}.")
    found = {}
    for name, each in known.items():
        value = told.get(name)
        found[name] = each.default if value is None else _read(each, value)
    return found


def tags(pairs: Sequence[str]) -> dict[str, list[str]]:
    """Read `key=value` pairs; several of one key mean any of them. Raises BadRule."""
    found: dict[str, list[str]] = {}
    for pair in pairs:
        key, mark, value = pair.partition("=")
        if not mark or not key or not value:
            raise BadRule(f"--tag {pair!r} cannot be used; write key=value, such as --tag region=eu.")
        found.setdefault(key, []).append(value)
    return found


def seconds(option: str, text: str) -> int:
    """Read a length of time, such as 10m. Raises BadRule."""
    found = _LENGTH.fullmatch(text.strip())
    if found is None or (length := int(found[1]) * _UNITS[found[2]]) > MOST_SECONDS:
        raise BadRule(f"{option} {text!r} cannot be used; write a number with s, m, h or d, at most 31d.")
    return length


def length(told: float) -> str:
    """Write a length of time as it is read."""
    for unit in ("d", "h", "m"):
        if told and told % _UNITS[unit] == 0:
            return f"{told // _UNITS[unit]:.0f}{unit}"
    return f"{told:.0f}s"


def _read(each: Parameter, text: str) -> Any:
    option = f"--{each.name}"
    if each.reading == "length":
        found = seconds(option, text)
        if each.name == "every" and not LEAST_EVERY <= found <= MOST_EVERY:
            raise BadRule("--every is from 10s to 1d.")
        return found
    if each.reading == "number":
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1_000_000_000):
            raise BadRule(f"{option} is a number from 1 to 1,000,000,000, not {text!r}.")
        return int(text)
    if each.reading == "ratio":
        times = _RATIO.fullmatch(text.strip())
        if times is None or float(times[1]) <= 1:
            raise BadRule(f"{option} {text!r} cannot be used; write how many times as many, such as 3x.")
        return float(times[1])
    if each.reading == "level" and text not in LEVELS:
        raise BadRule(f"There is no level {text}; there are {', '.join(LEVELS)}.")
    if each.reading == "word" and text not in each.words:
        raise BadRule(f"{option} is {' or '.join(each.words)}, not {text!r}.")
    if each.reading == "query" and (len(text) > MOST_SQL or "\0" in text):
        raise BadRule(f"{option} has {MOST_SQL:,} characters at most.")
    return text
