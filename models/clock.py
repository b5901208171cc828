"""The one place that reads the clock, and where UTC days begin; below a command or loop everybody is given the time."""

from datetime import UTC, date, datetime


def now() -> datetime:
    """Return this instant, aware, in UTC."""
    return datetime.now(UTC)


def midnight(day: date) -> datetime:
    """Return the first instant of a UTC day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
