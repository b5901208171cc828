"""
What was loaded, and what Sentry told of issues, since alert rules were last evaluated: taken once, as sightings.

Whoever takes it does so in the transaction that puts what is told into the outbox, so a crash loses nothing and tells
nothing twice. What is taken at once is bounded; the rest waits for the next time.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, text

from reports.alerts.matching import has_tags
from reports.alerts.rule import LEVELS, Sighting

MOST_ROWS = 20_000
MOST_CHANGES = 5_000
MOST_TAGGED = 5_000  # events whose tags are looked at in one evaluation
TAGS_OF_ONE = 200  # and of one sighting
NEWS = timedelta(days=1)
"""An issue that Sentry saw earlier is not new, and an older change is no news."""

PENDING = text(
    """
    select exists (select from warehouse.alert_feed) as is_fed,
        exists (select from warehouse.issue_change where not is_told) as is_changed,
        exists (select from warehouse.alert_rule where is_enabled) as has_rules,
        exists (select from warehouse.alert_state where is_firing) as is_firing
    """
)

# The oldest of the feed, taken out of it, with the names behind its keys.
TAKE = text(
    """
    with taken as (
        delete from warehouse.alert_feed where ctid = any(array(
            select ctid from warehouse.alert_feed order by folded_at limit :most
        )) returning *
    )
    select t.project_id, t.group_key, coalesce(p.label, t.project_id::text) as project, p.slug, p.name,
        coalesce(g.public_issue_id, t.group_key & 9223372036854775807) as issue_id,
        coalesce(i.title, g.title, '') as title, coalesce(c.culprit, g.culprit, '') as culprit,
        n.environment, r.release, t.level, t.event_count, t.unhandled_count, t.first_at, t.last_at, t.seen_before_at,
        t.folded_at, i.resolved_at, i.first_seen_at
    from taken t
    left join warehouse.dim_project p on p.project_id = t.project_id
    left join warehouse.dim_group g on g.project_id = t.project_id and g.group_key = t.group_key
    left join warehouse.dim_culprit c on c.project_id = t.project_id and c.culprit_key = t.culprit_key
    left join warehouse.dim_environment n
        on n.project_id = t.project_id and n.environment_key = t.environment_key
    left join warehouse.dim_release r on r.project_id = t.project_id and r.release_key = t.release_key
    left join warehouse.dim_issue i on i.project_id = t.project_id and i.issue_id = g.public_issue_id
    order by t.folded_at, t.last_at, t.project_id, t.group_key, t.level, t.culprit_key, t.environment_key, t.release_key
    """
)
DROP = text("delete from warehouse.alert_feed")

# When issues were last seen by groups that are not among those taken, nor new in what still waits.
OTHERS = text(
    """
    select w.project_id, w.issue_id, max(r.last_at) as last_at
    from unnest(cast(:project_ids as bigint[]), cast(:issue_ids as bigint[])) as w(project_id, issue_id)
    join warehouse.dim_group g on g.project_id = w.project_id and g.public_issue_id = w.issue_id
    join warehouse.rollup_group r on r.project_id = g.project_id and r.group_key = g.group_key
    where not exists (
        select from unnest(cast(:group_projects as bigint[]), cast(:group_keys as bigint[])) as t(project_id, group_key)
        where t.project_id = g.project_id and t.group_key = g.group_key
    ) and not exists (
        select from warehouse.alert_feed f
        where f.project_id = g.project_id and f.group_key = g.group_key and f.seen_before_at is null
    )
    group by w.project_id, w.issue_id
    """
)

# Changes nobody was told of, the first received first; events say themselves that they are of a new issue.
TELL_CHANGES = text(
    """
    with taken as (
        update warehouse.issue_change set is_told = true
        where (project_id, issue_id, changed_at, action) in (
            select project_id, issue_id, changed_at, action from warehouse.issue_change
            where not is_told order by received_at limit :most
        ) returning project_id, issue_id, changed_at, received_at, action, status, substatus, title, culprit, level
    )
    select t.*, coalesce(p.label, t.project_id::text) as project, p.slug, p.name,
        coalesce(t.title, i.title, '') as told_title, coalesce(t.culprit, i.culprit, '') as told_culprit,
        coalesce(t.level, i.level) as told_level, exists (
            select from warehouse.dim_group g
            join warehouse.rollup_group r on r.project_id = g.project_id and r.group_key = g.group_key
            where g.project_id = t.project_id and g.public_issue_id = t.issue_id
        ) as has_events
    from taken t
    left join warehouse.dim_project p on p.project_id = t.project_id
    left join warehouse.dim_issue i on i.project_id = t.project_id and i.issue_id = t.issue_id
    order by t.received_at, t.changed_at, t.project_id, t.issue_id, t.action
    """
)

# Tags of the last events of one group within the time that was loaded.
TAGS = text(
    """
    select coalesce(tags, '{}'::jsonb) as tags from warehouse.fact_event
    where project_id = :project_id and group_key = :group_key
        and occurred_at >= :first_at and occurred_at <= :last_at and level = :level
    order by occurred_at desc limit :most
    """
)

Issue = tuple[int, int]


class Pending(NamedTuple):
    """What there is to do."""

    is_fed: bool
    is_changed: bool
    has_rules: bool
    is_firing: bool


def pending(connection: Connection) -> Pending:
    """Look, cheaply, whether there is anything to do."""
    return Pending(*connection.execute(PENDING).one())


def take(connection: Connection) -> list[Sighting]:
    """Take the oldest of what was loaded, in order."""
    rows = connection.execute(TAKE, {"most": MOST_ROWS}).all()
    if not rows:
        return []
    groups = _before_of_groups(rows)
    issues: dict[Issue, list[datetime | None]] = {}
    for key, issue_id in {(each.project_id, each.group_key): each.issue_id for each in rows}.items():
        issues.setdefault((key[0], issue_id), []).append(groups[key])
    others = _others(connection, list(issues), list(groups))
    before = {
        issue: max((at for at in (*befores, others.get(issue)) if at is not None), default=None)
        for issue, befores in issues.items()
    }
    return [sighting(each, before[each.project_id, each.issue_id]) for each in rows]


def tell_changes(connection: Connection, now: datetime) -> list[Sighting]:
    """Take what Sentry told of issues, and give what of it is news: created, or come back."""
    found = []
    for each in connection.execute(TELL_CHANGES, {"most": MOST_CHANGES}):
        transition = _transition(each)
        if transition is not None and each.changed_at >= now - NEWS:
            level = LEVELS.get(each.told_level or "", LEVELS["error"])
            found.append(
                Sighting(
                    project_id=each.project_id,
                    project=each.project,
                    issue_id=each.issue_id,
                    slug=each.slug,
                    name=each.name,
                    title=each.told_title,
                    culprit=each.told_culprit,
                    level=level,
                    seen_at=each.received_at,
                    told=transition,
                )
            )
    return found


def drop(connection: Connection) -> None:
    """Empty the feed, which nobody reads without a rule."""
    connection.execute(DROP)


def tagged(connection: Connection, sightings: Iterable[Sighting], wanted: Mapping[str, list[str]]) -> list[Sighting]:
    """
    Give of sightings the part that has tags; how many events those are is estimated from the last of them.

    What is looked at is bounded: past it nothing has the tags.
    """
    found, looked_at = [], 0
    for each in sightings:
        if each.group_key is None or looked_at >= MOST_TAGGED:
            continue
        rows = connection.execute(
            TAGS,
            {
                "project_id": each.project_id,
                "group_key": each.group_key,
                "first_at": each.first_at,
                "last_at": each.last_at,
                "level": each.level,
                "most": min(TAGS_OF_ONE, MOST_TAGGED - looked_at),
            },
        ).all()
        looked_at += len(rows)
        with_tags = sum(has_tags(row.tags, wanted) for row in rows)
        if with_tags:
            events = max(1, round(each.events * with_tags / len(rows)))
            found.append(msgspec.structs.replace(each, events=events))
    return found


def sighting(each: Row[Any], before: datetime | None) -> Sighting:
    """Make a sighting of a row that TAKE gives, and of when its issue was last seen before."""
    was_seen = each.first_seen_at is not None and each.first_seen_at < each.first_at - NEWS
    return Sighting(
        project_id=each.project_id,
        project=each.project,
        issue_id=each.issue_id,
        slug=each.slug,
        name=each.name,
        group_key=each.group_key,
        title=each.title,
        culprit=each.culprit,
        level=each.level,
        environment=each.environment,
        release=each.release,
        events=each.event_count,
        unhandled=each.unhandled_count,
        first_at=each.first_at,
        last_at=each.last_at,
        seen_at=each.folded_at,
        is_new=before is None and not was_seen,
        before_at=before,
        resolved_at=each.resolved_at,
    )


def _before_of_groups(rows: Iterable[Row[Any]]) -> dict[Issue, datetime | None]:
    """Give for each group its last event before the first of these; None for a group that is new."""
    before: dict[Issue, datetime | None] = {}
    for each in rows:
        key = (each.project_id, each.group_key)
        known = before.get(key, each.seen_before_at)
        is_new = known is None or each.seen_before_at is None
        before[key] = None if is_new else min(known, each.seen_before_at)
    return before


def _others(connection: Connection, issues: list[Issue], groups: list[Issue]) -> dict[Issue, datetime]:
    found = connection.execute(
        OTHERS,
        {
            "project_ids": [project_id for project_id, _ in issues],
            "issue_ids": [issue_id for _, issue_id in issues],
            "group_projects": [project_id for project_id, _ in groups],
            "group_keys": [group_key for _, group_key in groups],
        },
    )
    return {(each.project_id, each.issue_id): each.last_at for each in found}


def _transition(each: Row[Any]) -> str | None:
    if each.action == "created":
        return None if each.has_events else "new"
    is_back = each.action in {"unresolved", "set_regression"} and each.substatus in {None, "", "regressed"}
    return "regressed" if is_back else None
