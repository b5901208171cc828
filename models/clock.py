"""The one place that reads the clock; everything below a command or a loop is given the time."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return this instant, aware, in UTC."""
    return datetime.now(UTC)
