"""
The one place that reads the clock, and where UTC days begin; below a command or loop everybody is given the time.

What is old enough to be let go of, or silent enough to be taken over, is told by the database's clock, which all
services share and no wrong clock of one machine changes; how long somebody waits, by `time.monotonic`.
"""

import time
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection


def now() -> datetime:
    """Return this instant, aware, in UTC."""
    return datetime.now(UTC)


def now_us() -> int:
    """Return this instant in whole microseconds since 1970."""
    return time.time_ns() // 1000


def database_time(connection: "Connection") -> datetime:
    """Read the database's clock, at the beginning of the transaction."""
    moment: datetime = connection.exec_driver_sql("select now()").scalar_one()
    return moment


def midnight(day: date) -> datetime:
    """Return the first instant of a UTC day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
