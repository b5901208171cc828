"""Users are counted by sketches of their keys: where the person's key stands in one, its stand-in takes its place."""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from sqlalchemy import Connection, text

from ingest.erase.users import StandIns
from models.clock import midnight

_NEW = """warehouse.users_united(
    case when {stays} then user_sketch else array_remove(user_sketch, cast(:key as bigint)) end,
    array[cast(:stand_in as bigint)]
)"""
_HAS = "project_id = :project_id and user_sketch @> array[cast(:key as bigint)]"
_DAILY = ("rollup_day", "rollup_day_culprit", "rollup_day_user")
_LIFELONG = ("rollup_group", "rollup_release")
TABLES = ("rollup_delta", *_DAILY, *_LIFELONG)

# Days on which the person has come again keep the key besides its stand-in: both are there.
OF_DAYS = (
    text(
        f"""
        update warehouse.rollup_delta set user_sketch = {
            _NEW.format(stays="(hour at time zone 'UTC')::date = any(:busy)")
        }
        where {_HAS} and hour >= :since and hour < :until
        """  # noqa: S608 - parts are ours
    ),
    *(
        text(
            f"""
            update warehouse.{table} set user_sketch = {_NEW.format(stays="day = any(:busy)")}
            where {_HAS} and day >= :first and day < :end
            """  # noqa: S608 - parts are ours
        )
        for table in _DAILY
    ),
)
IS_LEFT = tuple(
    text(f"select exists (select from warehouse.{table} where {_HAS})")  # noqa: S608 - parts are ours
    for table in ("rollup_delta", *_DAILY)
)
LEFT = tuple(
    text(
        f"update warehouse.{table} set user_sketch = {_NEW.format(stays='false')} where {_HAS}"  # noqa: S608 - ours
    )
    for table in ("rollup_delta", *_DAILY)
)
OVER_ALL = tuple(
    text(
        f"update warehouse.{table} set user_sketch = {_NEW.format(stays=':is_busy')} where {_HAS}"  # noqa: S608 - ours
    )
    for table in _LIFELONG
)


def replace_days(
    connection: Connection, project_id: int, stand_ins: StandIns, first: date, end: date, busy: Iterable[date]
) -> int:
    """Replace the keys in what counts these days; `busy` are days with events of the person that came since."""
    told = {
        "project_id": project_id,
        "first": first,
        "end": end,
        "since": midnight(first),
        "until": datetime(end.year, end.month, end.day, tzinfo=UTC),
        "busy": list(busy),
    }
    return sum(
        connection.execute(statement, {**told, "key": key, "stand_in": stand_in}).rowcount
        for key, stand_in in stand_ins.items()
        for statement in OF_DAYS
    )


def replace_rest(connection: Connection, project_id: int, stand_ins: StandIns, busy: set[int]) -> int:
    """
    Replace the keys in what counts all days, and in days whose events were let go of.

    Takes: `busy`, the keys that the person has sent again.
    """
    count = 0
    for key, stand_in in stand_ins.items():
        told = {"project_id": project_id, "key": key, "stand_in": stand_in}
        if key not in busy:
            for is_left, left in zip(IS_LEFT, LEFT, strict=True):
                if connection.execute(is_left, told).scalar():
                    count += connection.execute(left, told).rowcount
        for statement in OVER_ALL:
            count += connection.execute(statement, {**told, "is_busy": key in busy}).rowcount
    return count
