"""What the explorer asks the warehouse, put together of constants that stand here; every value is bound."""

import re
from collections.abc import Mapping
from textwrap import dedent
from typing import Any

from psycopg import sql

_NAMED = re.compile(r"(?<![:\w]):([a-z_]+)")

GROUPED_BY = {
    "project": "project",
    "level": "level",
    "culprit": "culprit",
    "environment": "coalesce(environment, '')",
    "release": "coalesce(release, '')",
    "issue": "issue_id",
}
CONDITIONS = {
    "project": "project_id = :project",
    "level": "level = :level",
    "culprit": "culprit like :culprit",
    "environment": "coalesce(environment, '') = :environment",
    "release": "coalesce(release, '') like :release",
    "issue": "issue_id = :issue",
}

# Events of a period and of the one before: whole days from the rollup, what is between them from the events themselves.
OCCURRED = """
    select project_id, project, issue_id, culprit, level, environment, release, day, events,
        first_seen_at, last_seen_at, user_sketch, day >= :first_day as is_now
    from analytics.issues_daily
    where (day >= :before_first_day and day < :before_end_day) or (day >= :first_day and day < :end_day)
    union all
    select project_id, project, issue_id, culprit, level, environment, release,
        (occurred_at at time zone 'UTC')::date, 1, occurred_at, occurred_at, user_sketch, occurred_at >= :start
    from analytics.events
    where (occurred_at >= :head_from and occurred_at < :head_to)
        or (occurred_at >= :middle_from and occurred_at < :middle_to)
        or (occurred_at >= :tail_from and occurred_at < :tail_to)
"""


def is_by_project(by: tuple[str, ...]) -> bool:
    """Whether rows are told apart by the project's number too: names and issues of two may be the same."""
    return "project" in by or "issue" in by


def frequency(by: tuple[str, ...], wanted: tuple[str, ...]) -> str:
    """How often, by what was asked for, now and in the period before; of all groups, those with the most events."""
    names = (*by, "project_id") if is_by_project(by) else by
    columns = ",\n    ".join(f"{GROUPED_BY.get(name, name)} as {name}" for name in names)
    places = ", ".join(str(number + 1) for number in range(len(names)))
    return f"""select {columns},
    (sum(events) filter (where is_now))::bigint as events,
    coalesce(sum(events) filter (where not is_now), 0)::bigint as events_before,
    analytics.users(user_sketch) filter (where is_now) as users,
    min(first_seen_at) filter (where is_now) as first_seen_at,
    max(last_seen_at) filter (where is_now) as last_seen_at,
    (sum(sum(events) filter (where is_now)) over ())::bigint as all_events,
    count(*) over () as group_count
from ({OCCURRED}) occurred{_where(wanted)}
group by {places}
having sum(events) filter (where is_now) > 0
order by events desc, {places}
limit :top"""  # noqa: S608 - words of fixed lists


def days(wanted: tuple[str, ...]) -> str:
    """Count by UTC day and level, and what was before in one row without a day."""
    return f"""
    select case when is_now then day end as bucket, level, sum(events)::bigint as events
    from ({OCCURRED}) occurred{_where(wanted)} group by 1, 2
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


def _where(wanted: tuple[str, ...]) -> str:
    conditions = " and ".join(CONDITIONS[name] for name in wanted)
    return f"\nwhere {conditions}" if conditions else ""


def shown(statement: str, told: Mapping[str, Any]) -> str:
    """Give a statement with its values written into it, for people to copy into psql; it is never run here."""
    plain = dedent(statement).strip()
    return _NAMED.sub(lambda found: sql.Literal(told[found[1]]).as_string(None), plain) + ";"
