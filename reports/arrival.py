"""
Questions about what came and how: how late, how much of it was loaded, and what is set aside.

They are a part of reports.frames in a file of their own, for the health report.
"""

from datetime import UTC, date, datetime, timedelta

import pandas as pd

from models.clock import midnight
from reports.filters import Filters
from reports.frames import WANTED
from reports.period import Period
from reports.reading import Reader

# How late events of one day came, and how many there are, one by one; the fact is read for that day alone.
ARRIVAL = """
    select project, count(*) as events,
        percentile_cont(0.5) within group (order by extract(epoch from received_at - occurred_at)::float8)
            as p50_seconds,
        percentile_cont(0.95) within group (order by extract(epoch from received_at - occurred_at)::float8)
            as p95_seconds,
        count(*) filter (where received_at > occurred_at + interval '1 hour') as late_events
    from analytics.events where occurred_at >= :start and occurred_at < :end {wanted}
    group by project_id, project order by project
"""
LOADS = """
    select day, events, loaded, duplicates, refused, set_aside
    from analytics.loads_daily where day >= :first_day and day < :end_day order by day
"""
SET_ASIDE = """
    select coalesce(project, case project_id when 0 then '' else project_id::text end) as project, reason,
        sum(payloads)::bigint as payloads, sum(times_seen)::bigint as times_seen
    from analytics.set_aside_daily where day >= :first_day and day < :end_day {wanted}
    group by 1, 2 order by payloads desc, 1, 2
"""


def last_whole_day(end: datetime) -> date:
    """Give the last UTC day that was over at an instant (pure)."""
    return end.astimezone(UTC).date() - timedelta(days=1)


def arrival(day: date, filters: Filters, reader: Reader) -> pd.DataFrame:
    """
    Tell how long the events of one UTC day took from occurring to being received, counted one by one.

    Gives: project (str), events, late_events of more than an hour (int64), p50_seconds, p95_seconds (float64).
    """
    start = midnight(day)
    told = {"start": start, "end": start + timedelta(days=1), "project": list(filters.project)}
    return reader.read(_narrowed(ARRIVAL, filters), **told)


def loads(period: Period, reader: Reader) -> pd.DataFrame:
    """
    Tell what became of everything that was loaded on the UTC days that a period touches, of all projects.

    Gives: day (date), events, loaded, duplicates, refused, set_aside (int64); no row for who may not see all projects.
    """
    return reader.read(LOADS, **_days(period))


def set_aside(period: Period, filters: Filters, reader: Reader) -> pd.DataFrame:
    """
    Count what is set aside of the UTC days that a period touches, by project and reason.

    Gives: project (str, "" where it is not known), reason (str), payloads, times_seen (int64).
    """
    return reader.read(_narrowed(SET_ASIDE, filters), **_days(period), project=list(filters.project))


def _narrowed(sql: str, filters: Filters) -> str:
    return sql.format(wanted=f" and {WANTED['project']}" if filters.project else "")


def _days(period: Period) -> dict[str, date]:
    return {
        "first_day": period.start.astimezone(UTC).date(),
        "end_day": (period.end - timedelta(microseconds=1)).astimezone(UTC).date() + timedelta(days=1),
    }
