"""
Distinct users of closed days, counted to the unit: where a sketch is full it only estimates, and the fact knows.

A late event makes its rows uncounted again when it is folded, so that the next run counts them anew.
"""

from datetime import date, timedelta

from sqlalchemy import Engine, text

from models.clock import midnight
from models.fold import FOLD_LOCK, TRY_LOCK
from models.rollup import SKETCH_USERS

_UNCOUNTED = f"user_count is null and cardinality(user_sketch) >= {SKETCH_USERS}"  # as the partial indexes say it
_LET_GO = "r.reason in ('retention', 'archive') and r.event_count > 0"

# Closed days of projects with rows to count; not those whose events were let go of, for they cannot be counted.
DAYS_TO_COUNT = text(
    f"""
    with uncounted as (
        select project_id, day from warehouse.rollup_day where day < :today and {_UNCOUNTED}
        union select project_id, day from warehouse.rollup_day_culprit where day < :today and {_UNCOUNTED}
        union select project_id, day from warehouse.rollup_day_user where day < :today and {_UNCOUNTED}
    )
    select project_id, day from uncounted u where not exists (
        select from warehouse.removal r where {_LET_GO}
        and (r.project_id is null or r.project_id = u.project_id) and r.first_on <= u.day and u.day < r.end_on
    ) order by day, project_id
    """  # noqa: S608 - parts are ours
)

_EVENTS = "from warehouse.fact_event where project_id = :project_id and occurred_at >= :since and occurred_at < :until"
_ROWS = f"r.project_id = :project_id and r.day = :day and {_UNCOUNTED.replace('user_', 'r.user_')}"

# Only groups with a row to count are read, by their index.
COUNT_DAY = text(
    f"""
    with counted as (
        select group_key, coalesce(culprit_key, 0) as culprit_key, level, coalesce(environment_key, 0)
            as environment_key, coalesce(release_key, 0) as release_key, count(distinct user_key) as user_count
        {_EVENTS} and group_key = any(array(select r.group_key from warehouse.rollup_day r where {_ROWS}))
        group by 1, 2, 3, 4, 5
    )
    update warehouse.rollup_day r set user_count = c.user_count from counted c
    where {_ROWS} and r.group_key = c.group_key and r.culprit_key = c.culprit_key and r.level = c.level
    and r.environment_key = c.environment_key and r.release_key = c.release_key
    """  # noqa: S608 - parts are ours
)
# The same by culprit, which has no index in the fact: the day of the project is read.
COUNT_DAY_CULPRIT = text(
    f"""
    with counted as (
        select coalesce(culprit_key, 0) as culprit_key, level, coalesce(environment_key, 0) as environment_key,
            count(distinct user_key) as user_count
        {_EVENTS} and exists (select from warehouse.rollup_day_culprit r where {_ROWS})
        group by 1, 2, 3
    )
    update warehouse.rollup_day_culprit r set user_count = c.user_count from counted c
    where {_ROWS} and r.culprit_key = c.culprit_key and r.level = c.level and r.environment_key = c.environment_key
    """  # noqa: S608 - parts are ours
)
COUNT_DAY_USER = text(
    f"""
    update warehouse.rollup_day_user r set user_count = (select count(distinct user_key) {_EVENTS}) where {_ROWS}
    """  # noqa: S608 - parts are ours
)


def count_users(engine: Engine, today: date) -> int:
    """
    Count the users of closed days where a sketch is full; return how many rows were counted.

    One transaction a day and project, in which nobody folds; a day met while somebody does is left to the next run.
    Raises: sqlalchemy.exc.DBAPIError; what was counted before stays.
    """
    with engine.begin() as connection:
        days = connection.execute(DAYS_TO_COUNT, {"today": today}).all()
    return sum(_count_day(engine, project_id, day) for project_id, day in days)


def _count_day(engine: Engine, project_id: int, day: date) -> int:
    since = midnight(day)
    told = {"project_id": project_id, "day": day, "since": since, "until": since + timedelta(days=1)}
    with engine.begin() as connection:
        if not connection.execute(TRY_LOCK, {"key": FOLD_LOCK}).scalar():
            return 0
        return sum(
            connection.execute(statement, told).rowcount for statement in (COUNT_DAY, COUNT_DAY_CULPRIT, COUNT_DAY_USER)
        )
