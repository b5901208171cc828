"""
Deltas become rollups: what whole batches added is moved, in one transaction, by one folder at a time.

Until then the views add deltas and rollups up, so folding changes no number: it keeps the deltas few. The statements
name the batches they move, for a batch is visible as a whole or not at all.
"""

from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from models import failpoints
from models.clock import midnight
from models.ownership import as_owner
from models.partitions import GROUP_HOURS, ROLLUPS, ensure
from models.rollup import SKETCH_USERS

FOLD_LOCK = 0x657272666F6C64  # "errfold": one transaction at a time changes rollups
MOST_ROWS = 200_000  # deltas moved in one transaction, about; the next takes the rest
DAY = "(hour at time zone 'UTC')::date"
HERE = "from warehouse.rollup_delta where batch_id = any(:batches)"

# A table that fills and empties all the time may be taken for an empty one; nested loops would take minutes then.
JOIN_BY_HASH = text("select set_config('enable_nestloop', 'off', true)")
JOIN_AS_EVER = text("select set_config('enable_nestloop', 'on', true)")

ANY = text("select exists (select from warehouse.rollup_delta)")
TRY_LOCK = text("select pg_try_advisory_xact_lock(:key)")
LOCK = text("select pg_advisory_xact_lock(:key)")

# The batches there are, oldest first is not known and does not matter; as many as come to MOST_ROWS, but one at least.
BATCHES = text(
    """
    with batch as (select batch_id, count(*) as delta_count from warehouse.rollup_delta group by batch_id),
    counted as (
        select batch_id, sum(delta_count) over (order by batch_id) - delta_count as before from batch
    )
    select batch_id from counted where before < :most
    """
)
DAYS = text(f"select distinct {DAY} {HERE}")

HOURS = text(
    f"""
    insert into warehouse.rollup_hour as r (project_id, hour, level, environment_key, event_count, weighted_count,
        unhandled_count, without_release_count, without_user_count, odd_time_count, delay_seconds_sum)
    select project_id, hour, level, environment_key, sum(event_count), sum(weighted_count), sum(unhandled_count),
        coalesce(sum(event_count) filter (where release_key = 0), 0), sum(without_user_count), sum(odd_time_count),
        sum(delay_seconds_sum)
    {HERE} group by project_id, hour, level, environment_key
    order by project_id, hour, level, environment_key
    on conflict (project_id, hour, level, environment_key) do update set
        event_count = r.event_count + excluded.event_count,
        weighted_count = r.weighted_count + excluded.weighted_count,
        unhandled_count = r.unhandled_count + excluded.unhandled_count,
        without_release_count = r.without_release_count + excluded.without_release_count,
        without_user_count = r.without_user_count + excluded.without_user_count,
        odd_time_count = r.odd_time_count + excluded.odd_time_count,
        delay_seconds_sum = r.delay_seconds_sum + excluded.delay_seconds_sum
    """
)
# Hours that are older than this rollup is kept are not counted in it.
GROUP_HOURS_FOLDED = text(
    f"""
    insert into warehouse.rollup_hour_group as r (project_id, group_key, hour, event_count)
    select project_id, group_key, hour, sum(event_count) {HERE} and hour >= :since
    group by project_id, group_key, hour order by project_id, group_key, hour
    on conflict (project_id, group_key, hour) do update set event_count = r.event_count + excluded.event_count
    """
)


def _by_day(table: str, keys: str, counts: tuple[str, ...], *, has_span: bool) -> str:
    """Build the fold into a rollup by day: counts add up, sketches unite, and an exact user count is one no more."""
    span = ", min(first_at) as first_at, max(last_at) as last_at" if has_span else ""
    columns = [*counts, *(("first_at", "last_at") if has_span else ())]
    changes = [f"{name} = r.{name} + excluded.{name}" for name in counts]
    if has_span:
        changes += [f"{name} = {how}(r.{name}, excluded.{name})" for name, how in _SPAN]
    return f"""
    with told as (
        select {keys.replace("day", DAY + " as day")}, {", ".join(f"sum({name}) as {name}" for name in counts)}{span}
        {HERE} group by {_positions(keys)}
    ), met as (
        select {keys.replace("day", DAY + " as day")},
            (array_agg(distinct u order by u))[1:{SKETCH_USERS}] as user_sketch
        from warehouse.rollup_delta, unnest(user_sketch) u where batch_id = any(:batches) group by {_positions(keys)}
    )
    insert into warehouse.{table} as r ({keys}, {", ".join(columns)}, user_sketch)
    select {keys}, {", ".join(columns)}, user_sketch from told left join met using ({keys}) order by {keys}
    on conflict ({keys}) do update set {", ".join(changes)},
        user_count = null, user_sketch = warehouse.users_united(r.user_sketch, excluded.user_sketch)
    """  # noqa: S608


def _positions(keys: str) -> str:
    return ", ".join(str(number + 1) for number in range(keys.count(",") + 1))


_SPAN = (("first_at", "least"), ("last_at", "greatest"))
_COUNTS = ("event_count", "weighted_count", "unhandled_count")
_DAY_KEYS = "project_id, group_key, day, culprit_key, level, environment_key, release_key"

DAYS_FOLDED = text(_by_day("rollup_day", _DAY_KEYS, _COUNTS, has_span=True))
DAY_CULPRITS_FOLDED = text(
    _by_day("rollup_day_culprit", "project_id, day, culprit_key, level, environment_key", _COUNTS, has_span=False)
)
DAY_USERS_FOLDED = text(_by_day("rollup_day_user", "project_id, day", ("event_count",), has_span=False))

_LIFELONG = """
        event_count = r.event_count + excluded.event_count,
        weighted_count = r.weighted_count + excluded.weighted_count,
        unhandled_count = r.unhandled_count + excluded.unhandled_count,
        first_at = least(r.first_at, excluded.first_at),
        last_at = greatest(r.last_at, excluded.last_at),
        user_sketch = warehouse.users_united(r.user_sketch, excluded.user_sketch)
"""
# Of events at the same instant the lower release is the first and the higher the last, so that a rebuild says the same.
GROUPS_FOLDED = text(
    f"""
    with told as (
        select project_id, group_key, sum(event_count) as event_count, sum(weighted_count) as weighted_count,
            sum(unhandled_count) as unhandled_count, min(first_at) as first_at, max(last_at) as last_at,
            (array_agg(release_key order by first_at, release_key))[1] as first_release_key,
            (array_agg(release_key order by last_at desc, release_key desc))[1] as last_release_key,
            (array_agg(level order by last_at desc, level desc))[1] as last_level
        {HERE} group by project_id, group_key
    ), met as (
        select project_id, group_key, (array_agg(distinct u order by u))[1:{SKETCH_USERS}] as user_sketch
        from warehouse.rollup_delta, unnest(user_sketch) u where batch_id = any(:batches)
        group by project_id, group_key
    )
    insert into warehouse.rollup_group as r (project_id, group_key, event_count, weighted_count, unhandled_count,
        first_at, last_at, first_release_key, last_release_key, last_level, user_sketch)
    select project_id, group_key, event_count, weighted_count, unhandled_count,
        first_at, last_at, first_release_key, last_release_key, last_level, user_sketch
    from told left join met using (project_id, group_key) order by project_id, group_key
    on conflict (project_id, group_key) do update set
        first_release_key = case when excluded.first_at < r.first_at then excluded.first_release_key
            when excluded.first_at = r.first_at then least(r.first_release_key, excluded.first_release_key)
            else r.first_release_key end,
        last_release_key = case when excluded.last_at > r.last_at then excluded.last_release_key
            when excluded.last_at = r.last_at then greatest(r.last_release_key, excluded.last_release_key)
            else r.last_release_key end,
        last_level = case when excluded.last_at > r.last_at then excluded.last_level
            when excluded.last_at = r.last_at then greatest(r.last_level, excluded.last_level)
            else r.last_level end,
        {_LIFELONG}
    """  # noqa: S608
)
RELEASES_FOLDED = text(
    f"""
    with told as (
        select project_id, release_key, sum(event_count) as event_count, sum(weighted_count) as weighted_count,
            sum(unhandled_count) as unhandled_count, min(first_at) as first_at, max(last_at) as last_at
        {HERE} and release_key <> 0 group by project_id, release_key
    ), met as (
        select project_id, release_key, (array_agg(distinct u order by u))[1:{SKETCH_USERS}] as user_sketch
        from warehouse.rollup_delta, unnest(user_sketch) u where batch_id = any(:batches)
        group by project_id, release_key
    )
    insert into warehouse.rollup_release as r (project_id, release_key, event_count, weighted_count, unhandled_count,
        first_at, last_at, user_sketch)
    select project_id, release_key, event_count, weighted_count, unhandled_count, first_at, last_at, user_sketch
    from told left join met using (project_id, release_key) order by project_id, release_key
    on conflict (project_id, release_key) do update set {_LIFELONG}
    """  # noqa: S608
)
GONE = text(f"delete {HERE}")

# What alert rules are evaluated on, if there are any: what is loaded now, and when each group was last met before.
# Older events are no news.
FEED = text(
    """
    insert into warehouse.alert_feed (project_id, group_key, culprit_key, environment_key, release_key, level,
        event_count, unhandled_count, first_at, last_at, seen_before_at, folded_at)
    select d.project_id, d.group_key, d.culprit_key, d.environment_key, d.release_key, d.level,
        sum(d.event_count), sum(d.unhandled_count), min(d.first_at), max(d.last_at), r.last_at, now()
    from warehouse.rollup_delta d
    left join warehouse.rollup_group r on r.project_id = d.project_id and r.group_key = d.group_key
    where d.batch_id = any(:batches) and d.last_at >= now() - interval '1 day'
        and exists (select from warehouse.alert_rule where is_enabled)
    group by d.project_id, d.group_key, d.culprit_key, d.environment_key, d.release_key, d.level, r.last_at
    """
)

BY_DAY = (HOURS, GROUP_HOURS_FOLDED, DAYS_FOLDED, DAY_CULPRITS_FOLDED, DAY_USERS_FOLDED)
LIFELONG = (GROUPS_FOLDED, RELEASES_FOLDED)


def fold(engine: Engine, today: date, group_hour_days: int) -> int:
    """
    Move the deltas there are into the rollups, and commit; return how many batches were moved.

    Takes: `group_hour_days`, for how many days the hours of single groups are kept. Does nothing while another folds.
    Raises: sqlalchemy.exc.DBAPIError; nothing was moved then.
    """
    with engine.begin() as connection:
        if not connection.execute(TRY_LOCK, {"key": FOLD_LOCK}).scalar():
            return 0
        batches = list(connection.execute(BATCHES, {"most": MOST_ROWS}).scalars())
        if batches:
            failpoints.passed(failpoints.FOLD_BEGUN)
            fold_batches(connection, batches, today, group_hour_days)
            failpoints.passed(failpoints.FOLD_DONE)
    return len(batches)


def fold_all(engine: Engine, today: date, group_hour_days: int) -> int:
    """Fold until nothing is left, where the folds before left dead rows; return how many batches were moved."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(ANY).scalar():
            return 0
        # before folding, not after: the planner trusts what a vacuum found, and a vacuum after it would find nothing
        with as_owner(connection, local=False):
            connection.execute(text("vacuum (skip_locked) warehouse.rollup_delta"))
    total = 0
    while moved := fold(engine, today, group_hour_days):
        total += moved
    return total


def fold_batches(
    connection: Connection, batches: list[UUID], today: date, group_hour_days: int, *, is_lifelong: bool = True
) -> None:
    """Move these batches; the caller holds FOLD_LOCK. `is_lifelong`: also into the rollups over all days."""
    told = {"batches": batches}
    days = list(connection.execute(DAYS, told).scalars())
    first = today - timedelta(days=group_hour_days)
    since = midnight(first)
    connection.execute(JOIN_BY_HASH)
    ensure(connection, ROLLUPS, days)
    ensure(connection, (GROUP_HOURS,), [day for day in days if day >= first])
    for statement in BY_DAY:
        connection.execute(statement, {**told, "since": since} if statement is GROUP_HOURS_FOLDED else told)
    if is_lifelong:
        connection.execute(FEED, told)
    for statement in LIFELONG if is_lifelong else ():
        connection.execute(statement, told)
    connection.execute(GONE, told)
    connection.execute(JOIN_AS_EVER)
