"""What the explorer asks the warehouse, put together of constants that stand here; every value is bound."""

import re
from collections.abc import Mapping
from textwrap import dedent
from typing import Any

from psycopg import sql

from models.views.view import level_word

_NAMED = re.compile(r"(?<![:\w]):([a-z_]+)")

BY_NAME = {
    "project": "coalesce(project, '')",
    "level": "coalesce(level, '')",
    "culprit": "culprit",
    "environment": "coalesce(environment, '')",
    "release": "coalesce(release, '')",
    "issue": "issue_id",
}
NAMED = ("project", "culprit", "environment", "release")
BY_ID = {
    **{name: f"coalesce({name}_names.name, '')" for name in NAMED},
    "level": f"coalesce({level_word('level_number')}, '')",
    "issue": "issue_id",
}
IDS = {name: f"{name}_id" for name in (*NAMED, "issue")} | {"level": "level_number"}
CONDITIONS = {
    "project": "project_id = :project",
    "level": "level = :level",
    "culprit": "culprit like :culprit",
    "environment": "coalesce(environment, '') = :environment",
    "release": "coalesce(release, '') like :release",
    "issue": "issue_id = :issue",
}
_NAMED_SO = (
    "(({name}_id = 0 and '' like :{name}) or (project_id, {name}_id) in "
    "(select project_id, id from analytics.names where kind = '{name}' and name {is_so} :{name}))"
)
CONDITIONS_BY_ID = {
    **{name: CONDITIONS[name] for name in ("project", "issue")},
    "level": f"{level_word('level_number')} = :level",
    "environment": _NAMED_SO.format(name="environment", is_so="=").replace("'' like", "'' ="),
    **{name: _NAMED_SO.format(name=name, is_so="like") for name in ("culprit", "release")},
}

# A period and the one before it: whole days from the rollup, by ids; what is between them from the events, by names.
WHOLE = "((day >= :before_first_day and day < :before_end_day) or (day >= :first_day and day < :end_day))"
WHOLE_NOW = "day >= :first_day and day < :end_day"
BETWEEN = """((occurred_at >= :head_from and occurred_at < :head_to)
            or (occurred_at >= :middle_from and occurred_at < :middle_to)
            or (occurred_at >= :tail_from and occurred_at < :tail_to))"""


def is_by_project(by: tuple[str, ...]) -> bool:
    """Whether rows are told apart by the project's number too: names and issues of two may be the same."""
    return "project" in by or "issue" in by


def frequency(by: tuple[str, ...], wanted: tuple[str, ...], *, counts_users: bool) -> str:
    """
    How often, by what was asked for, now and in the period before; of all groups, those with the most events.

    Takes: `counts_users`, which costs more than all the rest: without, there is no such column.
    """
    names = (*by, "project_id") if is_by_project(by) else by
    listed, places = ", ".join(names), ", ".join(str(number + 1) for number in range(len(names)))
    ids = ", ".join(dict.fromkeys(["project_id", *(IDS[name] for name in by)]))
    id_places = ", ".join(str(number + 1) for number in range(ids.count(",") + 2))
    by_id = ", ".join(f"{BY_ID[name]} as {name}" if name in BY_ID else "counted.project_id" for name in names)
    by_name = ", ".join(BY_NAME.get(name, name) for name in names)
    joined = "".join(_names(name) for name in by if name in NAMED)
    counted = f"""with occurred as (
    select {by_id}, is_now, events, first_seen_at, last_seen_at
    from (
        select {ids}, day >= :first_day as is_now, sum(events)::bigint as events,
            min(first_seen_at) as first_seen_at, max(last_seen_at) as last_seen_at
        from analytics.issues_daily_parts
        where {WHOLE}{_and(CONDITIONS_BY_ID, wanted)}
        group by {id_places}
    ) counted{joined}
    union all
    select {by_name}, occurred_at >= :start, 1, occurred_at, occurred_at
    from analytics.events
    where {BETWEEN}{_and(CONDITIONS, wanted)}
), most as (
    select {listed}, (sum(events) filter (where is_now))::bigint as events,
        coalesce(sum(events) filter (where not is_now), 0)::bigint as events_before,
        min(first_seen_at) filter (where is_now) as first_seen_at,
        max(last_seen_at) filter (where is_now) as last_seen_at,
        (sum(sum(events) filter (where is_now)) over ())::bigint as all_events,
        count(*) over () as group_count
    from occurred
    group by {places}
    having sum(events) filter (where is_now) > 0
    order by events desc, {places}
    limit :top
)"""  # noqa: S608 - words of fixed lists
    if not counts_users:
        return f"{counted}\nselect * from most order by events desc, {places}"
    return f"""{counted}, met as (
    select {listed}, analytics.users(user_sketch) as users
    from (
        select {by_id}, user_sketch
        from (
            select {ids}, user_sketch from analytics.issues_daily_parts
            where {WHOLE_NOW}{_and(CONDITIONS_BY_ID, wanted)}
        ) counted{joined}
        union all
        select {by_name}, user_sketch
        from analytics.events
        where occurred_at >= :start and {BETWEEN}{_and(CONDITIONS, wanted)}
    ) met
    group by {places}
)
select {", ".join(f"most.{name}" for name in names)}, most.events, most.events_before, met.users,
    most.first_seen_at, most.last_seen_at, most.all_events, most.group_count
from most
join met using ({listed})
order by most.events desc, {places}"""  # noqa: S608 - words of fixed lists


def days(wanted: tuple[str, ...]) -> str:
    """Count by UTC day and level, and what was before in one row without a day."""
    return f"""
    select case when is_now then day end as bucket, coalesce({level_word("level_number")}, '') as level,
        sum(events)::bigint as events
    from (
        select day, day >= :first_day as is_now, level_number, sum(events)::bigint as events
        from analytics.issues_daily_parts
        where {WHOLE}{_and(CONDITIONS_BY_ID, wanted)} group by 1, 2, 3
    ) counted group by 1, 2
    union all
    select case when occurred_at >= :start then (occurred_at at time zone 'UTC')::date end, coalesce(level, ''),
        count(*)
    from analytics.events
    where {BETWEEN}{_and(CONDITIONS, wanted)} group by 1, 2
    """  # noqa: S608 - words of fixed lists


def hours(wanted: tuple[str, ...]) -> str:
    """Count by UTC hour and level, and what was before in one row without an hour; from the events themselves."""
    conditions = "".join(f" and {CONDITIONS[name]}" for name in wanted)
    return f"""
    select case when occurred_at >= :start then date_trunc('hour', occurred_at, 'UTC') end as bucket, level,
        count(*) as events
    from analytics.events where occurred_at >= :before_start and occurred_at < :end{conditions} group by 1, 2
    """  # noqa: S608 - words of fixed lists


def events(wanted: tuple[str, ...]) -> str:
    """List the last events of the period, for people to copy: the page itself counts them."""
    conditions = "".join(f"\n    and {CONDITIONS[name]}" for name in wanted)
    return f"""select occurred_at, project, event_id, level, culprit, title, release, environment
from analytics.events
where occurred_at >= :start and occurred_at < :end{conditions}
order by occurred_at desc
limit 100"""  # noqa: S608 - words of fixed lists


def _and(conditions: Mapping[str, str], wanted: tuple[str, ...]) -> str:
    return "".join(f"\n            and {conditions[name]}" for name in wanted)


def _names(name: str) -> str:
    is_it = f"{name}_names.project_id = counted.project_id and {name}_names.id = counted.{name}_id"
    return f"\n    left join analytics.names {name}_names on {name}_names.kind = '{name}' and {is_it}"


def shown(statement: str, told: Mapping[str, Any]) -> str:
    """Give a statement with its values written into it, for people to copy into psql; it is never run here."""
    plain = dedent(statement).strip()
    return _NAMED.sub(lambda found: sql.Literal(told[found[1]]).as_string(None), plain) + ";"
