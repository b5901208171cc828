"""
What is asked of the warehouse: statements, with what is told to them; the only SELECTs in this room beside arrival's.

Without pandas, so that a report's process can ask before it has imported what reads the answers. Numbers are exact for
any period: whole UTC days come from rollups, the rest of a day from its events.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from models.clock import midnight
from models.views.view import level_word
from reports.filters import Filters
from reports.period import Period

ALL = Filters()

WANTED = {
    "project": "(project = any(:project) or project_id::text = any(:project))",
    "environment": "coalesce(environment, '') = any(:environment)",
    "level": "level = any(:level)",
    "culprit": "culprit = any(:culprit)",
    "release": "coalesce(release, '') = any(:release)",
    "issue": "issue_id::text = any(:issue)",
}
"""What a filter asks for; one that wants all is left out, so that names nobody asks for are not joined."""

_NAMED = (
    "(({id} = 0 and '' = any(:{name})) or (project_id, {id}) in "
    "(select project_id, id from analytics.names where kind = '{name}' and name = any(:{name})))"
)
WANTED_IDS = {
    "project": (
        "project_id in (select id from analytics.names where kind = 'project' "
        "and (name = any(:project) or id::text = any(:project)))"
    ),
    **{name: _NAMED.format(name=name, id=f"{name}_id") for name in ("environment", "culprit", "release")},
    "level": f"{level_word('level_number')} = any(:level)",
    "issue": "issue_id::text = any(:issue)",
}
"""The same where rows have ids and no names."""

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
# When issues had their first and last event of each day: from how long to how long they went on.
ISSUE_DAYS = """
    select coalesce(p.name, '') as project, issue_id, day, first_seen_at, last_seen_at
    from (
        select project_id, issue_id, day, min(first_seen_at) as first_seen_at, max(last_seen_at) as last_seen_at
        from analytics.issues_daily_parts
        where day >= :first_day and day < :end_day and issue_id = any(:chosen) {wanted}
        group by 1, 2, 3
    ) counted
    left join analytics.names p on p.kind = 'project' and p.project_id = counted.project_id and p.id = p.project_id
"""
# Hours of a period by level, and hours before it by project alone: what spikes, rhythm and levels are told from.
HISTORY = f"""
    select coalesce(p.name, '') as project, hour, coalesce({level_word("level_number")}, '') as level, events
    from (
        select project_id, hour, case when hour >= :middle then level_number else 0 end as level_number,
            sum(events)::bigint as events
        from analytics.errors_hourly_parts where hour >= :start and hour < :end {{wanted}}
        group by 1, 2, 3
    ) counted
    left join analytics.names p on p.kind = 'project' and p.project_id = counted.project_id and p.id = p.project_id
"""  # noqa: S608 - parts are ours
# The same of what no hourly rollup knows, from the events themselves.
HISTORY_FINE = """
    select project, date_trunc('hour', occurred_at, 'UTC') as hour,
        case when occurred_at >= :middle then level else '' end as level, count(*) as events
    from analytics.events where occurred_at >= :start and occurred_at < :end {wanted}
    group by 1, 2, 3
"""
# Users of whole days from the rollup that counts nothing else, of the rest from the events.
USERS = """
    select met.project_id, coalesce(p.name, '') as project, user_sketch
    from (
        select project_id, user_sketch from analytics.users_affected_daily_parts
        where day >= :first_day and day < :end_day {wanted} {rest}
    ) met
    left join analytics.names p on p.kind = 'project' and p.project_id = met.project_id and p.id = p.project_id
"""
USERS_REST = """
    union
    select project_id, user_sketch from analytics.events
    where ((occurred_at >= :head_from and occurred_at < :head_to)
        or (occurred_at >= :tail_from and occurred_at < :tail_to)) {wanted}
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
ISSUES = """
    select project_id, project, issue_id, title, culprit, level, status, substatus, priority, events, {users} as users,
        first_seen_at, last_seen_at, first_release, last_release, resolved_at
    from analytics.issues
    where last_seen_at >= :since {wanted}
"""
QUALITY = """
    select * from analytics.data_quality where day >= :first_day and day < :end_day {wanted}
"""


class Question(NamedTuple):
    """A statement, and the values that its names stand for."""

    sql: str
    told: dict[str, Any]


class Days(NamedTuple):
    """A period cut at UTC midnights: whole days, and what is before (`head`) and after (`tail`) them."""

    first_day: date
    end_day: date
    head_from: datetime
    head_to: datetime
    tail_from: datetime
    tail_to: datetime

    @property
    def has_rest(self) -> bool:
        """Whether it has more than whole days."""
        return self.head_from < self.head_to or self.tail_from < self.tail_to


def cut(period: Period) -> Days:
    """Cut a period at UTC midnights (pure)."""
    start, end = period.start.astimezone(UTC), period.end.astimezone(UTC)
    first = midnight(start.date())
    first = first if first == start else first + timedelta(days=1)
    last = midnight(end.date())
    if first > last:
        return Days(first.date(), first.date(), start, end, end, end)
    return Days(first.date(), last.date(), start, first, last, end)


def touched(period: Period) -> dict[str, date]:
    """Give the UTC days that a period touches: the first, and the one after the last."""
    last = (period.end - timedelta(microseconds=1)).astimezone(UTC).date()
    return {"first_day": period.start.astimezone(UTC).date(), "end_day": last + timedelta(days=1)}


def wanted(filters: Filters, *names: str, by_id: bool = False) -> str:
    """Give what the filters ask for, of those named that want something; of all when none is named."""
    told = filters._asdict()
    words = WANTED_IDS if by_id else WANTED
    return "".join(f" and {words[name]}" for name in names or words if told[name])


def hours(period: Period, filters: Filters) -> Question:
    """Ask for the hours that a period touches."""
    sql = HOURS.format(wanted=wanted(filters, "project", "environment", "level"))
    return Question(sql, {"start": whole_hour(period.start), "end": period.end, **filters.told()})


def history(period: Period, since: datetime, filters: Filters) -> Question:
    """Ask for the hours of a period by project and level, and those before it, from `since`, by project."""
    is_fine = any((filters.culprit, filters.release, filters.issue))
    sql = (HISTORY_FINE if is_fine else HISTORY).format(wanted=wanted(filters, by_id=not is_fine))
    told = {"start": whole_hour(since), "middle": whole_hour(period.start), "end": period.end}
    return Question(sql, {**told, **filters.told()})


def users(period: Period, filters: Filters) -> Question:
    """Ask for the sketches of users of each project; of filters only the projects count."""
    days = cut(period)
    chosen = wanted(filters, "project", by_id=True)
    rest = USERS_REST.format(wanted=chosen) if days.has_rest else ""
    return Question(USERS.format(wanted=chosen, rest=rest), {**days._asdict(), **filters.told()})


def issues(since: datetime, filters: Filters, *, counts_users: bool) -> Question:
    """Ask for the issues that were seen since an instant."""
    sql = ISSUES.format(users="users" if counts_users else "0::bigint", wanted=wanted(filters, "project"))
    return Question(sql, {"since": since, **filters.told()})


def issue_hours(period: Period, filters: Filters, chosen: Sequence[int] | None = None) -> Question:
    """Ask for the hours of issues; of a few, when they are chosen by id."""
    few = {} if chosen is None else {"chosen": chosen}
    more = " and issue_id = any(:chosen)" if few else ""
    sql = ISSUE_HOURS.format(wanted=wanted(filters, "project", "issue") + more)
    return Question(sql, {"start": whole_hour(period.start), "end": period.end, **filters.told(), **few})


def issue_days(period: Period, chosen: Sequence[int], filters: Filters) -> Question:
    """Ask when issues had their first and last event of each day."""
    sql = ISSUE_DAYS.format(wanted=wanted(filters, by_id=True))
    return Question(sql, {**touched(period), **filters.told(), "chosen": chosen})


def releases(filters: Filters) -> Question:
    """Ask for every release."""
    return Question(RELEASES.format(wanted=wanted(filters, "project", "release")), filters.told())


def release_hours(period: Period, filters: Filters) -> Question:
    """Ask for the hours of releases and their issues."""
    sql = RELEASE_HOURS.format(wanted=wanted(filters))
    return Question(sql, {"start": period.start, "end": period.end, **filters.told()})


def quality(period: Period, filters: Filters) -> Question:
    """Ask how good the data of the days is that a period touches."""
    return Question(QUALITY.format(wanted=wanted(filters, "project")), {**touched(period), **filters.told()})


def whole_hour(moment: datetime) -> datetime:
    """Give the first instant of the hour that an instant lies in."""
    return moment.replace(minute=0, second=0, microsecond=0)
