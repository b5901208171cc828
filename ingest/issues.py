"""
The statements for issues: what happened to them, and, made of that, what they are.

A row of `dim_issue` is a function of the issue's rows in `issue_change`, so the order of arrival never matters: the
latest change by its own time stands, of changes in one second the one received later, then the one further on in
`ACTIONS`. What the latest change does not tell is taken from the last that told it.
"""

from collections.abc import Sequence

import zstandard
from sqlalchemy import Connection, text

from ingest.records import IssueChange
from ingest.sqlstate import Verdict, told, verdict
from models.payloads import LEVEL, PLAIN

ACTIONS = ("created", "unresolved", "assigned", "archived", "resolved")
"""What is done to an issue, in the order in which it is likely to be done within one second."""

# A change told twice is one row; of two within one second the one received later stands.
ADD_CHANGE = text(
    """
    insert into warehouse.issue_change as c (project_id, issue_id, changed_at, received_at, action, status, substatus,
        priority, assignee, short_id, title, culprit, level, first_seen_at, last_seen_at, is_unhandled, url,
        codec, body)
    values (:project_id, :issue_id, :changed_at, :received_at, :action, :status, :substatus,
        :priority, :assignee, :short_id, :title, :culprit, :level, :first_seen_at, :last_seen_at, :is_unhandled, :url,
        :codec, :body)
    on conflict (project_id, issue_id, changed_at, action) do update set
        received_at = excluded.received_at, status = excluded.status, substatus = excluded.substatus,
        priority = excluded.priority, assignee = excluded.assignee, short_id = excluded.short_id,
        title = excluded.title, culprit = excluded.culprit, level = excluded.level,
        first_seen_at = excluded.first_seen_at, last_seen_at = excluded.last_seen_at,
        is_unhandled = excluded.is_unhandled, url = excluded.url, codec = excluded.codec, body = excluded.body
    where excluded.received_at > c.received_at
    """
)

# The issues as their histories have them now; a history that was cut short takes nothing back.
SETTLE = text(
    """
    with change as (
        select c.*, row_number() over (
            partition by c.project_id, c.issue_id
            order by c.changed_at desc, c.received_at desc,
                array_position(cast(:actions as text[]), c.action) desc nulls last, c.action
        ) as place
        from warehouse.issue_change c
        join (
            select distinct project_id, issue_id
            from unnest(cast(:project_ids as bigint[]), cast(:issue_ids as bigint[])) as t(project_id, issue_id)
        ) as told using (project_id, issue_id)
    )
    insert into warehouse.dim_issue as d (project_id, issue_id, changed_at, first_seen_at, last_seen_at, resolved_at,
        short_id, title, culprit, level, status, substatus, priority, assignee, is_unhandled, url)
    select project_id, issue_id, max(changed_at),
        (array_agg(first_seen_at order by place) filter (where first_seen_at is not null))[1],
        (array_agg(last_seen_at order by place) filter (where last_seen_at is not null))[1],
        case when (array_agg(status order by place) filter (where status is not null))[1] = 'resolved'
            then max(changed_at) filter (where action = 'resolved' and status = 'resolved') end,
        (array_agg(short_id order by place) filter (where short_id is not null))[1],
        (array_agg(title order by place) filter (where title is not null))[1],
        (array_agg(culprit order by place) filter (where culprit is not null))[1],
        (array_agg(level order by place) filter (where level is not null))[1],
        (array_agg(status order by place) filter (where status is not null))[1],
        (array_agg(substatus order by place))[1],
        (array_agg(priority order by place) filter (where priority is not null))[1],
        (array_agg(assignee order by place))[1],
        (array_agg(is_unhandled order by place) filter (where is_unhandled is not null))[1],
        (array_agg(url order by place) filter (where url is not null))[1]
    from change group by project_id, issue_id order by project_id, issue_id
    on conflict (project_id, issue_id) do update set
        changed_at = excluded.changed_at,
        first_seen_at = coalesce(excluded.first_seen_at, d.first_seen_at),
        last_seen_at = coalesce(excluded.last_seen_at, d.last_seen_at),
        resolved_at = excluded.resolved_at,
        short_id = coalesce(excluded.short_id, d.short_id),
        title = coalesce(excluded.title, d.title),
        culprit = coalesce(excluded.culprit, d.culprit),
        level = coalesce(excluded.level, d.level),
        status = coalesce(excluded.status, d.status),
        substatus = excluded.substatus,
        priority = coalesce(excluded.priority, d.priority),
        assignee = excluded.assignee,
        is_unhandled = coalesce(excluded.is_unhandled, d.is_unhandled),
        url = coalesce(excluded.url, d.url)
    where excluded.changed_at >= d.changed_at
    """
)


def insert_changes(
    connection: Connection, changes: Sequence[IssueChange], *, keeps_bodies: bool
) -> list[tuple[int, str]]:
    """
    Load changes of issues over an open transaction that has taken its turn.

    Takes: changes whose project is known.
    Gives: the places of those that the server refuses, and why; nothing of them is there then.
    """
    if not changes:
        return []
    try:
        with connection.begin_nested():
            _insert(connection, changes, keeps_bodies=keeps_bodies)
    except Exception as error:
        if verdict(error) is not Verdict.BISECT:
            raise
        if len(changes) == 1:
            return [(0, told(error))]
        middle = len(changes) // 2
        first = insert_changes(connection, changes[:middle], keeps_bodies=keeps_bodies)
        second = insert_changes(connection, changes[middle:], keeps_bodies=keeps_bodies)
        return first + [(middle + index, why) for index, why in second]
    return []


def _insert(connection: Connection, changes: Sequence[IssueChange], *, keeps_bodies: bool) -> None:
    ordered = sorted(changes, key=lambda change: (change.project_id, change.issue_id, change.changed_at))
    connection.execute(ADD_CHANGE, [_values(change, keeps_bodies=keeps_bodies) for change in ordered])
    told_of = {"project_ids": [each.project_id for each in ordered], "issue_ids": [each.issue_id for each in ordered]}
    connection.execute(SETTLE, {**told_of, "actions": list(ACTIONS)})


def _values(change: IssueChange, *, keeps_bodies: bool) -> dict[str, object]:
    return {
        "project_id": change.project_id,
        "issue_id": change.issue_id,
        "changed_at": change.changed_at,
        "received_at": change.received_at,
        "action": change.action,
        "status": change.status,
        "substatus": change.substatus,
        "priority": change.priority,
        "assignee": change.assignee,
        "short_id": change.short_id,
        "title": change.title,
        "culprit": change.culprit,
        "level": change.level,
        "first_seen_at": change.first_seen_at,
        "last_seen_at": change.last_seen_at,
        "is_unhandled": change.is_unhandled,
        "url": change.url,
        "codec": PLAIN if keeps_bodies else None,
        "body": zstandard.ZstdCompressor(level=LEVEL).compress(change.body) if keeps_bodies else None,
    }
