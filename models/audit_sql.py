"""The statements of the audit; each reads only the days that are asked for, and gives counts or what does not agree."""

from sqlalchemy import text

_UTC_DAY = "(hour at time zone 'UTC')::date"
_HOURS = "hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)"
_DAYS = "day >= cast(:first as date) and day < cast(:end as date)"
MOST = 1000  # differences told of one kind

# Events by project and day, as they are there.
FACT = text(
    """
    select project_id, (occurred_at at time zone 'UTC')::date, count(*) from warehouse.fact_event
    where occurred_at >= cast(:since as timestamptz) and occurred_at < cast(:until as timestamptz) group by 1, 2
    """
)


def _live(table: str, day: str, within: str) -> str:
    """Build the count of events by project and day of a rollup and the deltas it does not hold yet."""
    return f"""
    select project_id, day, sum(event_count)::bigint from (
        select project_id, {day} as day, event_count from warehouse.{table} where {within}
        union all select project_id, {_UTC_DAY}, event_count from warehouse.rollup_delta where {_HOURS}
    ) as live group by project_id, day
    """  # noqa: S608 - parts are ours


LIVE = {
    "rollup_day": text(_live("rollup_day", "day", _DAYS)),
    "rollup_hour": text(_live("rollup_hour", _UTC_DAY, _HOURS)),
    "rollup_day_culprit": text(_live("rollup_day_culprit", "day", _DAYS)),
    "rollup_day_user": text(_live("rollup_day_user", "day", _DAYS)),
}

# Days of projects whose events were let go of, in whole or in part: only the rollups know how many there were.
COVERED = text(
    """
    select distinct p.project_id, cast(d.day as date) from warehouse.removal r
    join warehouse.dim_project p on r.project_id is null or r.project_id = p.project_id
    cross join lateral generate_series(
        greatest(r.first_on, cast(:first as date)), least(r.end_on, cast(:end as date)) - 1, interval '1 day'
    ) as d(day)
    where r.reason in ('retention', 'archive') and r.event_count > 0
    """
)

# Groups and days whose hours do not add up to the day. Deltas belong to both, so what is folded is compared.
GROUP_HOURS_UNLIKE = text(
    f"""
    with by_hour as (
        select project_id, {_UTC_DAY} as day, group_key, sum(event_count) as event_count
        from warehouse.rollup_hour_group where {_HOURS} group by 1, 2, 3
    ), by_day as (
        select project_id, day, group_key, sum(event_count) as event_count
        from warehouse.rollup_day where {_DAYS} group by 1, 2, 3
    )
    select project_id, day, 'rollup_hour_group, group ' || group_key,
        coalesce(d.event_count, 0)::bigint, coalesce(h.event_count, 0)::bigint
    from by_hour h full join by_day d using (project_id, day, group_key)
    where h.event_count is distinct from d.event_count order by 1, 2, 3 limit {MOST}
    """  # noqa: S608 - parts are ours
)


def _lifelong(table: str, key: str, name: str, which: str = "") -> str:
    """Build the comparison of a rollup over all days with its days; deltas belong to both, so they are left out."""
    return f"""
    with by_day as (
        select project_id, {key}, sum(event_count) as event_count from warehouse.rollup_day {which} group by 1, 2
    )
    select project_id, null::date, '{table}, {name} ' || {key},
        coalesce(d.event_count, 0)::bigint, coalesce(r.event_count, 0)
    from warehouse.{table} r full join by_day d using (project_id, {key})
    where r.event_count is distinct from d.event_count
    and (:is_kept or coalesce(r.event_count, 0) < d.event_count) order by 1, 3 limit {MOST}
    """  # noqa: S608 - parts are ours


# Where days of rollups were let go of, `is_kept` is false: what was counted of all days then may hold more.
GROUPS_UNLIKE = text(_lifelong("rollup_group", "group_key", "group"))
RELEASES_UNLIKE = text(_lifelong("rollup_release", "release_key", "release", "where release_key <> 0"))

# Days of loading whose events are not all told of.
TALLIES_UNLIKE = text(
    f"""
    select null::bigint, loaded_on, 'load_tally, origin ' || origin, event_count,
        loaded_count + duplicate_count + refused_count
    from warehouse.load_tally where event_count <> loaded_count + duplicate_count + refused_count
    order by 2, 3 limit {MOST}
    """  # noqa: S608 - a number of ours
)

# What the loader wrote down against what is there and what was removed on purpose.
BOOKS = text(
    """
    select (select coalesce(sum(loaded_count), 0)::bigint from warehouse.load_tally),
        (select count(*) from warehouse.fact_event)
        + (select coalesce(sum(event_count), 0)::bigint from warehouse.removal)
    """
)
DUE_COUNT = text("select count(*) from warehouse.rebuild_due")
