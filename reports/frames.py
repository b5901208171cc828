"""
Questions to the warehouse as DataFrames; the only SELECT in this room, and the door for notebooks.

    from reports import frames
    frames.frequency("30d", by="project,culprit")

Each function also takes a `Period` and an open `Reader`, so that a report asks everything of one snapshot. Numbers are
exact for any period: whole UTC days come from rollups, the rest of a day from its events.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import pandas as pd

from models.clock import midnight, now
from models.engine import database_url
from models.settings import load_settings
from reports.filters import Filters, groupings
from reports.period import Period, parsed
from reports.reading import Reader, reading

ALL = Filters()
GROUPED_BY = {
    "project": "project",
    "level": "level",
    "culprit": "culprit",
    "environment": "coalesce(environment, '')",
    "release": "coalesce(release, '')",
    "issue": "issue_id",
}

# Whole days, from the rollup; the rest of a period, from the events themselves.
DAYS = """
    select project_id, project, issue_id, culprit, level, environment, release, events, weighted_events,
        unhandled_events, first_seen_at, last_seen_at, user_sketch
    from analytics.issues_daily where day >= :first_day and day < :end_day
"""
REST = """
    select project_id, project, issue_id, culprit, level, environment, release, 1, sample_weight,
        case when handled then 0 when not handled then 1 else 0 end, occurred_at, occurred_at, user_sketch
    from analytics.events
    where ((occurred_at >= :head_from and occurred_at < :head_to)
        or (occurred_at >= :tail_from and occurred_at < :tail_to))
"""
WANTED = {
    "project": "(project = any(:project) or project_id::text = any(:project))",
    "environment": "coalesce(environment, '') = any(:environment)",
    "level": "level = any(:level)",
    "culprit": "culprit = any(:culprit)",
    "release": "coalesce(release, '') = any(:release)",
    "issue": "issue_id::text = any(:issue)",
}
"""What a filter asks for; one that wants all is left out, so that names nobody asks for are not joined."""

HOURS = """
    select project_id, project, hour, level, coalesce(environment, '') as environment, events, weighted_events,
        unhandled_events
    from analytics.errors_hourly where hour >= :start and hour < :end {wanted}
"""
# Hours of issues, as long as they are kept; several groups may be one issue.
ISSUE_HOURS = """
    select project, issue_id, hour, sum(events)::bigint as events
    from analytics.issues_hourly
    where hour >= :start and hour < :end {wanted}
    group by project_id, project, issue_id, hour
"""
# Hours of a period by level, and hours before it by project alone: what spikes, rhythm and levels are told from.
HISTORY = """
    select project, hour, case when hour >= :middle then level else '' end as level, '' as environment,
        sum(events)::bigint as events, 0::float8 as weighted_events, 0::bigint as unhandled_events
    from analytics.errors_hourly where hour >= :start and hour < :end {wanted}
    group by 1, 2, 3
"""
# The same of what no hourly rollup knows, from the events themselves.
HISTORY_FINE = """
    select project, date_trunc('hour', occurred_at, 'UTC') as hour,
        case when occurred_at >= :middle then level else '' end as level, '' as environment,
        count(*) as events, 0::float8 as weighted_events, 0::bigint as unhandled_events
    from analytics.events where occurred_at >= :start and occurred_at < :end {wanted}
    group by 1, 2, 3
"""
# When issues had their first and last event of each day: from how long to how long they went on.
ISSUE_DAYS = """
    select project, issue_id, day, min(first_seen_at) as first_seen_at, max(last_seen_at) as last_seen_at
    from analytics.issues_daily where day >= :first_day and day < :end_day and issue_id = any(:chosen) {wanted}
    group by project_id, project, issue_id, day
"""
CULPRIT_DAYS = """
    select project, culprit, day, sum(events)::bigint as events
    from analytics.issues_daily where day >= :first_day and day < :end_day {wanted}
    group by project_id, project, culprit, day
"""
# Users of whole days from the rollup that counts nothing else, of the rest from the events.
USERS = """
    select project, analytics.users(user_sketch) as users from (
        select project_id, project, user_sketch from analytics.users_affected_daily
        where day >= :first_day and day < :end_day {wanted}
        union all
        select project_id, project, user_sketch from analytics.events
        where ((occurred_at >= :head_from and occurred_at < :head_to)
            or (occurred_at >= :tail_from and occurred_at < :tail_to)) {wanted}
    ) met group by project_id, project order by project
"""
RELEASES = """
    select project_id, project, release, dist, package, version, version_sort, events, weighted_events,
        unhandled_events, users, first_seen_at, last_seen_at
    from analytics.releases where true {wanted}
"""
# Hours of releases, from the events themselves: no rollup keeps both.
RELEASE_HOURS = """
    select project, release, issue_id, date_trunc('hour', occurred_at, 'UTC') as hour, count(*) as events
    from analytics.events
    where occurred_at >= :start and occurred_at < :end and release is not null {wanted}
    group by project_id, project, release, issue_id, hour
"""
RELEASE_DAYS = """
    select project, coalesce(release, '') as release, day, sum(events)::bigint as events
    from analytics.issues_daily where day >= :first_day and day < :end_day {wanted}
    group by project_id, project, coalesce(release, ''), day
"""
ISSUES = """
    select project_id, project, issue_id, title, culprit, level, status, substatus, priority, events, users,
        first_seen_at, last_seen_at, first_release, last_release, resolved_at
    from analytics.issues
    where last_seen_at >= :since {wanted}
"""
QUALITY = """
    select * from analytics.data_quality where day >= :first_day and day < :end_day {wanted}
"""


class Days(NamedTuple):
    """A period cut at UTC midnights: whole days, and what is before (`head`) and after (`tail`) them."""

    first_day: date
    end_day: date
    head_from: datetime
    head_to: datetime
    tail_from: datetime
    tail_to: datetime


def cut(period: Period) -> Days:
    """Cut a period at UTC midnights (pure)."""
    start, end = period.start.astimezone(UTC), period.end.astimezone(UTC)
    first = midnight(start.date())
    first = first if first == start else first + timedelta(days=1)
    last = midnight(end.date())
    if first > last:
        return Days(first.date(), first.date(), start, end, end, end)
    return Days(first.date(), last.date(), start, first, last, end)


def frequency(
    period: Period | str = "7d",
    by: str | tuple[str, ...] = "project,level,culprit",
    filters: Filters = ALL,
    reader: Reader | None = None,
    *,
    counts_users: bool = True,
) -> pd.DataFrame:
    """
    How often, by what was asked for, most frequent first.

    Takes: `by`, words of reports.filters.GROUPINGS; `counts_users`, which costs more than all the rest: else 0.
    Gives: those columns (str; issue int64; "" for none), events (int64), weighted_events (float64), unhandled_events
           (int64), users (int64, within 3 % beyond a thousand), first_seen_at, last_seen_at (UTC).
    """
    names = groupings(by) if isinstance(by, str) else by
    columns = ", ".join(f"{GROUPED_BY[name]} as {name}" for name in names)
    positions = ", ".join(str(number + 1) for number in range(len(names)))
    users = "analytics.users(user_sketch)" if counts_users else "0::bigint"
    days = cut(_period(period))
    has_rest = days.head_from < days.head_to or days.tail_from < days.tail_to
    sql = f"""
        select {columns}, sum(events)::bigint as events, sum(weighted_events)::float8 as weighted_events,
            sum(unhandled_events)::bigint as unhandled_events, {users} as users,
            min(first_seen_at) as first_seen_at, max(last_seen_at) as last_seen_at
        from ({DAYS}{" union all " + REST if has_rest else ""}) occurred where true {{wanted}}
        group by {positions} order by events desc, {positions}
    """  # noqa: S608 - words of a fixed list
    with _reader(reader) as open_reader:
        return open_reader.read(_narrowed(sql, filters), **days._asdict(), **filters.told())


def hours(period: Period | str = "7d", filters: Filters = ALL, reader: Reader | None = None) -> pd.DataFrame:
    """
    Count by hour: one row per project, UTC hour, level and environment; hours that the period touches count whole.

    Gives: project_id (int64), project, hour (UTC), level, environment (str), events, unhandled_events (int64),
           weighted_events (float64).
    """
    chosen = _period(period)
    start = chosen.start.replace(minute=0, second=0, microsecond=0)
    sql = _narrowed(HOURS, filters, "project", "environment", "level")
    with _reader(reader) as open_reader:
        return open_reader.read(sql, start=start, end=chosen.end, **filters.told())


def history(period: Period, since: datetime, filters: Filters = ALL, reader: Reader | None = None) -> pd.DataFrame:
    """
    Count the hours that a period touches by project and level, and those before it, from `since`, by project alone.

    Gives: columns of reports.aggregation.HOURS; environment is "", and so is level before the period.
    """
    first, middle = (each.replace(minute=0, second=0, microsecond=0) for each in (since, period.start))
    is_fine = any((filters.culprit, filters.release, filters.issue))
    sql = _narrowed(HISTORY_FINE, filters) if is_fine else _narrowed(HISTORY, filters)
    with _reader(reader) as open_reader:
        return open_reader.read(sql, start=first, middle=middle, end=period.end, **filters.told())


def culprit_days(period: Period, filters: Filters = ALL, reader: Reader | None = None) -> pd.DataFrame:
    """
    Count by UTC day, project and culprit; days that the period touches count whole.

    Gives: project, culprit (str), day (date), events (int64).
    """
    with _reader(reader) as open_reader:
        return open_reader.read(_narrowed(CULPRIT_DAYS, filters), **_days(period), **filters.told())


def users(period: Period | str = "7d", filters: Filters = ALL, reader: Reader | None = None) -> pd.DataFrame:
    """
    Count distinct users by project; a person in two projects is one in each, and cannot be told.

    Gives: project (str), users (int64, within 3 % beyond a thousand).
    """
    told = filters.told()
    if any(value for name, value in told.items() if name != "project"):
        return frequency(period, ("project",), filters, reader)[["project", "users"]]
    with _reader(reader) as open_reader:
        return open_reader.read(_narrowed(USERS, filters), **cut(_period(period))._asdict(), **told)


def issues(since: datetime, filters: Filters = ALL, reader: Reader | None = None) -> pd.DataFrame:
    """
    Give the issues that were seen since an instant, as they are now.

    Gives: project_id, issue_id, events, users (int64), project, title, culprit, level, status, substatus, priority,
           first_release, last_release (str, missing when not told), first_seen_at, last_seen_at, resolved_at (UTC).
    """
    with _reader(reader) as open_reader:
        return open_reader.read(_narrowed(ISSUES, filters, "project"), since=since, **filters.told())


def issue_hours(
    period: Period | str = "7d",
    filters: Filters = ALL,
    reader: Reader | None = None,
    *,
    chosen: Sequence[int] | None = None,
) -> pd.DataFrame:
    """
    Count by hour and issue, as long as that is kept (HOUR_GROUP_RETENTION_DAYS); of filters, project and issue count.

    Takes: `chosen`, ids of a few issues: the hours of these alone are looked up.
    Gives: project (str), issue_id (int64), hour (UTC), events (int64).
    """
    asked = _period(period)
    start = asked.start.replace(minute=0, second=0, microsecond=0)
    sql = _narrowed(ISSUE_HOURS, filters, "project", "issue")
    few = {} if chosen is None else {"chosen": chosen}
    if few:
        sql = sql.replace("group by", "and issue_id = any(:chosen) group by")
    with _reader(reader) as open_reader:
        return open_reader.read(sql, start=start, end=asked.end, **filters.told(), **few)


def issue_days(
    period: Period, chosen: Sequence[int], filters: Filters = ALL, reader: Reader | None = None
) -> pd.DataFrame:
    """
    Tell when a few issues, by id, had their first and last event of each UTC day that a period touches.

    Gives: project (str), issue_id (int64), day (date), first_seen_at, last_seen_at (UTC).
    """
    with _reader(reader) as open_reader:
        return open_reader.read(_narrowed(ISSUE_DAYS, filters), **_days(period), **filters.told(), chosen=chosen)


def releases(filters: Filters = ALL, reader: Reader | None = None) -> pd.DataFrame:
    """
    Give every release and distribution, over all time; of filters, project and release count.

    Gives: columns of `analytics.releases`, dist, package and version_sort missing where there is none.
    """
    with _reader(reader) as open_reader:
        return open_reader.read(_narrowed(RELEASES, filters, "project", "release"), **filters.told())


def release_hours(period: Period | str = "7d", filters: Filters = ALL, reader: Reader | None = None) -> pd.DataFrame:
    """
    Count by hour, release and issue, from the events themselves: name the releases in the filters, they may be many.

    Gives: project, release (str), issue_id (int64), hour (UTC), events (int64).
    """
    chosen = _period(period)
    with _reader(reader) as open_reader:
        return open_reader.read(_narrowed(RELEASE_HOURS, filters), start=chosen.start, end=chosen.end, **filters.told())


def release_days(period: Period | str = "30d", filters: Filters = ALL, reader: Reader | None = None) -> pd.DataFrame:
    """
    Count by UTC day and release; days that the period touches count whole.

    Gives: project, release (str, "" for none), day (date), events (int64).
    """
    with _reader(reader) as open_reader:
        return open_reader.read(_narrowed(RELEASE_DAYS, filters), **_days(_period(period)), **filters.told())


def quality(period: Period | str = "7d", filters: Filters = ALL, reader: Reader | None = None) -> pd.DataFrame:
    """Give `analytics.data_quality` for the UTC days that a period touches."""
    with _reader(reader) as open_reader:
        return open_reader.read(_narrowed(QUALITY, filters, "project"), **_days(_period(period)), **filters.told())


def _narrowed(sql: str, filters: Filters, *names: str) -> str:
    """Put into a question the filters that want something, of those named; of all when none is."""
    told = filters._asdict()
    return sql.format(wanted="".join(f" and {WANTED[name]}" for name in names or WANTED if told[name]))


def _days(period: Period) -> dict[str, date]:
    """Give the UTC days that a period touches: the first, and the one after the last."""
    last = (period.end - timedelta(microseconds=1)).astimezone(UTC).date()
    return {"first_day": period.start.astimezone(UTC).date(), "end_day": last + timedelta(days=1)}


def _period(told: Period | str) -> Period:
    return told if isinstance(told, Period) else parsed(now(), last=told)


@contextmanager
def _reader(given: Reader | None) -> Iterator[Reader]:
    if given is not None:
        yield given
        return
    with database_url(load_settings()) as url, reading(url) as opened:
        yield opened
