"""What a promised view is, and the columns and words that several of them share."""

from typing import NamedTuple

INSTANT = "timestamp with time zone"
LEVELS = ("fatal", "error", "warning", "info", "debug")
FULL_SKETCH = 1024  # users a sketch keeps, see models.rollup


class Column(NamedTuple):
    """
    One promised column: its name, its type as PostgreSQL prints it, and a sentence.

    `is_told`: it is never null. `words`: all it can hold, where that is a fixed list.
    """

    name: str
    type: str
    comment: str
    is_told: bool = False
    words: tuple[str, ...] = ()


class View(NamedTuple):
    """
    One promised view: `sql` gives exactly `columns`, in their order.

    `key`: the columns that name one row, none of them null. `loaded_at`: the column that tells how fresh it is.
    """

    name: str
    comment: str
    sql: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    loaded_at: str | None = None


def level_word(level: str) -> str:
    """Give the SQL for the word of a level's number."""
    return (
        f"case {level} when 50 then 'fatal' when 40 then 'error' when 30 then 'warning' when 20 then 'info' "
        "when 10 then 'debug' end"
    )


PROJECT_ID = Column("project_id", "bigint", "Sentry's numeric id of the project.", is_told=True)
PROJECT = Column("project", "text", "Slug or name of the project where known, else its id.")
DAY = Column("day", "date", "UTC day on which the events occurred.", is_told=True)
LEVEL = Column("level", "text", "fatal, error, warning, info or debug.", is_told=True, words=LEVELS)
ENVIRONMENT = Column("environment", "text", "Environment, such as production; null when none was sent.")
EVENTS = Column("events", "bigint", "Events.", is_told=True)
WEIGHTED_EVENTS = Column(
    "weighted_events", "double precision", "Events, each counted as the number it stands for: 1 / sample rate."
)
UNHANDLED_EVENTS = Column("unhandled_events", "bigint", "Events whose exception the program did not catch.")
COUNTS = (EVENTS, WEIGHTED_EVENTS, UNHANDLED_EVENTS)
USERS = Column("users", "bigint", "Distinct users; within some 3 % where users_are_exact is false.", is_told=True)
USERS_ARE_EXACT = Column("users_are_exact", "boolean", "Whether users was counted, not estimated.", is_told=True)
USER_SKETCH = Column(
    "user_sketch",
    "bigint[]",
    "Stands for the users: analytics.users(user_sketch) counts distinct users over any rows. Null without a user.",
)
