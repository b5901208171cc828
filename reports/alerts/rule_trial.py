"""What a rule would have told of the last day: its kind, asked of the events that are there, as they came."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, text

from reports.alerts import alert_asked, alert_counts, alert_feed, alerting
from reports.alerts.alert_desk import State, is_news
from reports.alerts.alert_message import together
from reports.alerts.rule import Counted, Finding, Given, Rule, Sighting
from reports.rules import kind_of

SPAN = timedelta(hours=24)
MOST_ROWS = 200_000
MINUTE = timedelta(minutes=1)

# The events of a day as the feed would have told them, minute by minute of loading; what is too much is left out, the
# oldest first.
SEEN = text(
    """
    with seen as (
        select project_id, group_key, culprit_key, environment_key, release_key, level,
            date_trunc('minute', loaded_at, 'UTC') as folded_at, count(*) as event_count,
            count(*) filter (where not handled) as unhandled_count, min(occurred_at) as first_at,
            max(occurred_at) as last_at
        from warehouse.fact_event where occurred_at >= :since and occurred_at <= :now
        group by project_id, group_key, culprit_key, environment_key, release_key, level, folded_at
        order by folded_at desc limit :most
    )
    select s.*, coalesce(p.label, s.project_id::text) as project, p.slug, p.name,
        coalesce(g.public_issue_id, s.group_key & 9223372036854775807) as issue_id,
        coalesce(i.title, g.title, '') as title, coalesce(c.culprit, g.culprit, '') as culprit, n.environment,
        r.release, i.resolved_at, i.first_seen_at
    from seen s
    left join warehouse.dim_project p on p.project_id = s.project_id
    left join warehouse.dim_group g on g.project_id = s.project_id and g.group_key = s.group_key
    left join warehouse.dim_culprit c on c.project_id = s.project_id and c.culprit_key = s.culprit_key
    left join warehouse.dim_environment n
        on n.project_id = s.project_id and n.environment_key = s.environment_key
    left join warehouse.dim_release r on r.project_id = s.project_id and r.release_key = s.release_key
    left join warehouse.dim_issue i on i.project_id = s.project_id and i.issue_id = g.public_issue_id
    order by s.folded_at, s.last_at, s.project_id, s.group_key
    """
)
# When issues were last seen before the day, by any of their groups.
BEFORE = text(
    """
    select g.project_id, g.public_issue_id as issue_id,
        max(case when r.last_at < :since then r.last_at when r.first_at < :since then :since end) as before_at
    from (
        select distinct project_id, issue_id
        from unnest(cast(:project_ids as bigint[]), cast(:issue_ids as bigint[])) as t(project_id, issue_id)
    ) w
    join warehouse.dim_group g on g.project_id = w.project_id and g.public_issue_id = w.issue_id
    join warehouse.rollup_day r on r.project_id = g.project_id and r.group_key = g.group_key
        and r.day <= cast(:since at time zone 'UTC' as date)
    group by g.project_id, g.public_issue_id
    """
)


class Told(NamedTuple):
    """What would have been told, and when."""

    at: datetime
    finding: Finding


def trial(
    engine: Engine, connection: Connection, rule: Rule, now: datetime, figures: Mapping[str, float]
) -> list[Told]:
    """
    Give what a rule would have told in the last 24 hours, oldest first; one that is asked by the clock is asked now.

    Nothing is written. Cooldown and grouping are those of the rule; quiet hours and the most a minute are left out.
    """
    kind = kind_of(rule.kind)
    if kind.EVERY_SECONDS:
        given = alert_asked.given(engine, connection, rule, kind.NEEDS, figures, now)
        return [Told(now, each) for each in together(kind.found(rule.parameters, given), rule.group_by)]
    told: list[Told] = []
    states: dict[str, State] = {}
    counter = _Counter(rule)
    whole = msgspec.structs.replace(rule, starts_at=None)
    seen = alerting.met(connection, whole, _sightings(connection, now))
    for minute, group in groupby(seen, key=lambda each: each.seen_at or now):
        at, loaded = minute + MINUTE, tuple(group)
        if kind.NEEDS == "counts":
            firing = {name.rpartition(":")[0] for name, each in states.items() if each.is_firing}
            given = Given(at, counts=counter.counted(minute, loaded, firing))
        else:
            given = Given(at, sightings=loaded)
        found = together(kind.found(rule.parameters, given), rule.group_by)
        holding = {each.state for each in found}
        states |= {name: State(each.told_at, is_firing=False) for name, each in states.items() if name not in holding}
        for each in found:
            if is_news(each, states.get(each.state), rule, at):
                states[each.state] = State(at, each.says == "lasting")
                told.append(Told(at, each))
    return told


class _Counter:
    """Counts events by subject and minute, as alert_count does."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._counts: dict[str, dict[datetime, int]] = {}

    def counted(self, minute: datetime, sightings: tuple[Sighting, ...], firing: set[str]) -> tuple[Counted, ...]:
        last = {}
        for each in sightings:
            subject = alert_counts.subject(self._rule, each)
            minutes = self._counts.setdefault(subject, {})
            minutes[minute] = minutes.get(minute, 0) + each.events
            last[subject] = each
        window = timedelta(seconds=self._rule.parameters["window"])
        return tuple(
            Counted(
                each,
                self._sum(each, minute - window, minute),
                self._sum(each, minute - 2 * window, minute - window),
                (),
                last.get(each),
            )
            for each in sorted({*last, *firing})
        )

    def _sum(self, subject: str, after: datetime, until: datetime) -> int:
        return sum(count for at, count in self._counts.get(subject, {}).items() if after < at <= until)


def _sightings(connection: Connection, now: datetime) -> list[Sighting]:
    rows = connection.execute(SEEN, {"since": now - SPAN, "now": now, "most": MOST_ROWS}).all()
    asked = {"project_ids": [each.project_id for each in rows], "issue_ids": [each.issue_id for each in rows]}
    before: dict[tuple[int, int], datetime | None] = {
        (each.project_id, each.issue_id): each.before_at
        for each in connection.execute(BEFORE, {**asked, "since": now - SPAN})
    }
    found = []
    for each in rows:
        issue = (each.project_id, each.issue_id)
        found.append(alert_feed.sighting(each, before.get(issue)))
        before[issue] = each.last_at
    return found
