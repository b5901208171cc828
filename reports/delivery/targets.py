"""A target as channels see it: its name, and the options of its channel with their secrets in the clear."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.target import MOST_PER_MINUTE
from reports.errors import BadTarget


@dataclass(frozen=True)
class Option:
    """One option of a channel; the value of a secret is sealed, never shown again and never logged."""

    name: str
    sentence: str
    is_secret: bool = False
    is_required: bool = False


@dataclass(frozen=True)
class Target:
    """One address of one channel. Its options are never printed: some are secrets."""

    name: str
    channel: str
    options: Mapping[str, str] = field(repr=False)
    allow_private: bool = False
    most_per_minute: int = MOST_PER_MINUTE

    def get(self, name: str, default: str = "") -> str:
        """Return an option."""
        return self.options.get(name) or default


def written(name: str) -> Target:
    """Give the target that a name is itself, as `file:/folder`. Raises BadTarget."""
    channel, colon, address = name.partition(":")
    if not colon or not address:
        raise BadTarget(f"{name!r} is no target; write file:/folder, or the name of one of `errhouse target list`.")
    return Target(name, channel, {"url": address})
