"""What rules that are asked by the clock need to know, asked of the warehouse."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from sqlalchemy import Connection, Engine, text

from reports.alerts import alert_query
from reports.alerts.matching import is_project, test
from reports.alerts.rule import Given, Hours, Needs, Rule, Silence
from reports.alerts.rules_kept import projects

HOUR = timedelta(hours=1)
DAY, WEEK = timedelta(days=1), timedelta(days=7)
SPIKE_HISTORY = 5 * WEEK + 4 * HOUR
SILENCE_HISTORY = 5 * WEEK
LONGEST_SILENCE = WEEK  # a project that sends nothing for longer has been switched off
MOST_WEEKS, LEAST_WEEKS = 4, 2
MOST_DAYS, LEAST_DAYS = 7, 3

ENVIRONMENTS = text("select distinct environment from warehouse.dim_environment")
# Projects that had events since an hour.
ACTIVE = text(
    """
    select distinct project_id from warehouse.rollup_hour where hour >= :since
    union select project_id from warehouse.rollup_delta where hour >= :since
    """
)
COUNTS = text(
    """
    select project_id, hour, sum(events)::bigint as events from analytics.errors_hourly
    where project_id = any(:project_ids) and hour >= :since and hour <= :now
        and (:any_level or level = any(:levels)) and (:any_environment or environment = any(:environments))
    group by project_id, hour
    """
)
LAST = text(
    """
    select project_id, max(last_at) as last_at from (
        select project_id, last_at from warehouse.rollup_day where day >= :since_day
        union all select project_id, last_at from warehouse.rollup_delta
    ) seen group by project_id
    """
)


def given(
    engine: Engine, connection: Connection, rule: Rule, needs: Needs, figures: Mapping[str, float], now: datetime
) -> Given:
    """Give what a rule is evaluated on. Raises BadRule when its own query cannot be asked."""
    if needs == "rows":
        return Given(now, rows=alert_query.rows(engine, rule.parameters["sql"]))
    if needs == "hours":
        return Given(now, hours=hours(connection, rule.matches, now))
    if needs == "silences":
        least = timedelta(seconds=rule.parameters["silent"])
        return Given(now, silences=silences(connection, rule.matches, now, least))
    return Given(now, figures=dict(figures))


def hours(connection: Connection, matches: Mapping[str, Any], now: datetime) -> tuple[Hours, ...]:
    """Give the hours of projects that had events in this hour or the last."""
    this = _hour(now)
    active = set(connection.execute(ACTIVE, {"since": this - HOUR}).scalars())
    labels = {each: label for each, label in _labels(connection, matches).items() if each in active}
    counts = _counts(connection, matches, list(labels), this - SPIKE_HISTORY, now)
    width = SPIKE_HISTORY // HOUR + 1
    return tuple(
        Hours(each, label, tuple(found.get(this - back * HOUR, 0) for back in range(width - 1, -1, -1)))
        for each, label in sorted(labels.items())
        if (found := counts.get(each))
    )


def silences(
    connection: Connection, matches: Mapping[str, Any], now: datetime, least: timedelta
) -> tuple[Silence, ...]:
    """Give the projects that sent nothing for a while, with what they sent in the same span of the times before."""
    labels = _labels(connection, matches)
    since = now - LONGEST_SILENCE
    last = {
        each.project_id: each.last_at
        for each in connection.execute(LAST, {"since_day": since.date()})
        if each.project_id in labels and since <= each.last_at <= now - least
    }
    counts = _counts(connection, {}, list(last), now - SILENCE_HISTORY, now)
    return tuple(
        Silence(each, labels[each], at, (now - at).total_seconds(), _before(counts.get(each, {}), at, now))
        for each, at in sorted(last.items())
    )


def _before(counts: Mapping[datetime, int], start: datetime, end: datetime) -> tuple[float, ...]:
    """Give the events of a span in the weeks before, else in the days before, as far as is known of them."""
    if not counts:
        return ()
    first = min(counts)
    for period, most, least in ((WEEK, MOST_WEEKS, LEAST_WEEKS), (DAY, MOST_DAYS, LEAST_DAYS)):
        nearest = max(1, ceil((end - start) / period))
        back = [step * period for step in range(nearest, nearest + most) if start - step * period >= first]
        if len(back) >= least:
            return tuple(_within(counts, start - each, end - each) for each in back)
    return ()


def _within(counts: Mapping[datetime, int], start: datetime, end: datetime) -> float:
    """Give the events between two instants, as if each hour's came evenly."""
    total, hour = 0.0, _hour(start)
    while hour < end:
        part = (min(end, hour + HOUR) - max(start, hour)) / HOUR
        total += counts.get(hour, 0) * part
        hour += HOUR
    return total


def _counts(
    connection: Connection, matches: Mapping[str, Any], project_ids: list[int], since: datetime, now: datetime
) -> dict[int, dict[datetime, int]]:
    found: dict[int, dict[datetime, int]] = {}
    if project_ids:
        levels, wanted = list(matches.get("level") or ()), matches.get("environment")
        asked = {
            "project_ids": project_ids,
            "since": since,
            "now": now,
            "any_level": not levels,
            "levels": levels,
            "any_environment": not wanted,
            "environments": _environments(connection, wanted) if wanted else [],
        }
        for each in connection.execute(COUNTS, asked):
            found.setdefault(each.project_id, {})[each.hour] = each.events
    return found


def _environments(connection: Connection, wanted: Sequence[str]) -> list[str]:
    names = connection.execute(ENVIRONMENTS).scalars()
    return [name for name in names if any(test(pattern)(name) for pattern in wanted)]


def _labels(connection: Connection, matches: Mapping[str, Any]) -> dict[int, str]:
    wanted = matches.get("project") or ()
    return {
        each.project_id: each.slug or each.name or str(each.project_id)
        for each in projects(connection)
        if is_project(wanted, each.project_id, each.slug, each.name)
    }


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
