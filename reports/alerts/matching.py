"""
Which events a rule is about: conditions that are all met, each by any of its values (pure).

`project` takes slugs, names or ids, `level` words; the others take globs (`*` and `?`) or, between slashes, a regular
expression that is found anywhere. Expressions are RE2's: no text makes one slow.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]

from reports.alerts.rule import LEVEL_WORDS, LEVELS, Sighting
from reports.errors import BadRule

CONDITIONS = ("project", "level", "culprit", "title", "release", "environment", "tag")
MOST_PATTERN = 500
MOST_VALUES = 100
LOOKED_AT = 8192  # characters of a text, more than is kept of any

Tags = Mapping[str, Any]
Test = Callable[[str], bool]


def check(matches: Mapping[str, Any]) -> None:
    """Raise BadRule when something cannot be matched so."""
    for name, values in matches.items():
        if name not in CONDITIONS:
            raise BadRule(f"There is no condition {name}; there are {', '.join(CONDITIONS)}.")
        listed = [each for told in values.values() for each in told] if name == "tag" else values
        if len(listed) > MOST_VALUES:
            raise BadRule(f"--{name} takes {MOST_VALUES} values at most.")
        for value in listed:
            if not value:
                raise BadRule(f"--{name} is empty; leave it away to match everything.")
            if name == "level" and value not in LEVELS:
                raise BadRule(f"There is no level {value}; there are {', '.join(LEVELS)}.")
            test(value)


@lru_cache(maxsize=4096)
def test(pattern: str) -> Test:
    """Make the test of a glob or /regular expression/. Raises BadRule."""
    if len(pattern) > MOST_PATTERN:
        raise BadRule(f"A pattern has {MOST_PATTERN} characters at most; use a shorter one, with *.")
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    options.max_mem = 1 << 20
    if is_expression := (len(pattern) > 2 and pattern.startswith("/") and pattern.endswith("/")):
        expression = pattern[1:-1]
    elif "*" in pattern or "?" in pattern:
        expression = "".join({"*": ".*", "?": "."}.get(char) or re2.escape(char) for char in pattern)
    else:
        return lambda text: text == pattern
    try:
        compiled = re2.compile(expression, options)
    except re2.error as wrong:
        why = wrong.args[0].decode() if wrong.args and isinstance(wrong.args[0], bytes) else str(wrong)
        raise BadRule(f"{pattern} is not a regular expression ({why}); see RE2's syntax.") from None
    matched = compiled.search if is_expression else compiled.fullmatch
    return lambda text: matched(text[:LOOKED_AT]) is not None


def is_matched(each: Sighting, matches: Mapping[str, Any]) -> bool:
    """Whether events meet every condition but that of tags, which a sighting does not have."""
    texts = {
        "culprit": each.culprit,
        "title": each.title,
        "release": each.release,
        "environment": each.environment,
    }
    for name, values in matches.items():
        if name == "project":
            if not is_project(values, each.project_id, each.slug, each.name):
                return False
        elif name == "level":
            if LEVEL_WORDS[each.level] not in values:
                return False
        elif name != "tag" and not _any(texts[name], values):
            return False
    return True


def is_project(values: Sequence[str], project_id: int, slug: str | None, name: str | None) -> bool:
    """Whether a project is one of those that are named; an empty list names all."""
    return not values or str(project_id) in values or slug in values or name in values


def has_tags(tags: Tags | None, wanted: Mapping[str, Sequence[str]]) -> bool:
    """Whether an event's tags meet every condition of tags."""
    return all(_any(None if tags is None else tags.get(key), values) for key, values in wanted.items())


def _any(text: Any, values: Sequence[str]) -> bool:
    return text is not None and any(test(value)(str(text)) for value in values)
