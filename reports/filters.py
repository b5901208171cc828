"""Which events are reported on: words that stand for lists of values, and what they can be grouped by (pure)."""

from collections.abc import Sequence
from typing import NamedTuple

from reports.errors import ReportsError

GROUPINGS = ("project", "level", "culprit", "environment", "release", "issue")
"""What frequency can be grouped by, in the order in which columns stand."""


class Filters(NamedTuple):
    """Lists of wanted values; an empty list wants all. `project` takes names or ids, `issue` takes ids."""

    project: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    level: tuple[str, ...] = ()
    culprit: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    issue: tuple[str, ...] = ()

    def told(self) -> dict[str, list[str]]:
        """Give the values by name, as a report's parameters and a statement's arrays."""
        return {name: list(values) for name, values in self._asdict().items()}


def groupings(by: str) -> tuple[str, ...]:
    """Read `project,level,culprit`. Raises ReportsError, one sentence."""
    names = tuple(dict.fromkeys(part.strip() for part in by.split(",") if part.strip()))
    if not names or any(name not in GROUPINGS for name in names):
        raise ReportsError(f"by takes a comma separated list of {', '.join(GROUPINGS)}.")
    return names


def words(by: str | Sequence[str]) -> tuple[str, ...]:
    """Give groupings in the order in which columns stand. Raises ReportsError."""
    told = groupings(by if isinstance(by, str) else ",".join(by))
    return tuple(name for name in GROUPINGS if name in told)
