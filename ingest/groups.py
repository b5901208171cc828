"""
The statements for groups: new ones are added, and the issue of one follows the latest event that told it.

A group's row is written when it is new and when it moves, never for an event that tells what is known. So
`issue_told_at` is the time of the event that moved it, and what lies after that is only compared with that: see
docs/adr/0012-issues-follow-what-was-told-last.md.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert

from ingest.rows import DimensionRow
from models import DimGroup

Told = tuple[int, int, int | None]
"""(project_id, group_key, issue_id): the issue a group has."""

# What is said now of the groups of which a batch tells an issue that they are not known to have.
READ_GROUPS = text(
    """
    select g.project_id, g.group_key, g.issue_id, g.issue_told_at
    from unnest(cast(:project_ids as bigint[]), cast(:group_keys as bigint[])) as told(project_id, group_key)
    join warehouse.dim_group g on g.project_id = told.project_id and g.group_key = told.group_key
    """
)

# A later form of an event that has its row may know what the first did not: the issue Sentry counts it to.
FILL_ISSUES = text(
    """
    with told as (
        select distinct on (project_id, group_key) project_id, group_key, issue_id, occurred_at
        from unnest(cast(:project_ids as bigint[]), cast(:group_keys as bigint[]), cast(:issue_ids as bigint[]),
            cast(:occurred_at as timestamptz[]))
            with ordinality as t(project_id, group_key, issue_id, occurred_at, place)
        order by project_id, group_key, occurred_at desc, place
    )
    update warehouse.dim_group g set issue_id = told.issue_id, issue_told_at = told.occurred_at
    from told
    where g.project_id = told.project_id and g.group_key = told.group_key
    and (g.issue_id is null or (g.issue_id <> told.issue_id
        and coalesce(g.issue_told_at, '-infinity') < told.occurred_at))
    returning g.project_id, g.group_key, g.issue_id
    """
)


def later(one: DimensionRow, other: DimensionRow) -> DimensionRow:
    """Give the one of a group's rows that tells an issue, of two the one told by the later event, else the first."""
    return other if other[3] is not None and (one[3] is None or other[4] > one[4]) else one


def insert_groups(connection: Connection, groups: dict[tuple[int, int], DimensionRow]) -> list[Told]:
    """
    Add groups that are new, and move those of which these rows tell later than they were told of.

    Gives: which issue each has now of those that a row tells one of.
    """
    telling = [key for key in sorted(groups) if groups[key][3] is not None]
    sent = dict(groups)
    have: list[Told] = []
    if telling:
        project_ids, group_keys = (list(column) for column in zip(*telling, strict=True))
        found = connection.execute(READ_GROUPS, {"project_ids": project_ids, "group_keys": group_keys})
        present = {(each.project_id, each.group_key): each for each in found}
        for key in telling:
            issue_id, told_at = groups[key][3:5]
            has = present.get(key)
            if has is not None and not _is_moved(has.issue_id, has.issue_told_at, issue_id, told_at):
                del sent[key]
                issue_id = has.issue_id
            have.append((*key, issue_id))
    if sent:
        connection.execute(INSERT_GROUP, [dict(zip(_COLUMNS, sent[key], strict=True)) for key in sorted(sent)])
    return have


def fill_issues(connection: Connection, told: Sequence[tuple[int, int, int, datetime]]) -> list[Told]:
    """
    Tell the issues of events that had their rows already.

    Takes: project_id and group_key of each such row, the issue that is told of it, and when the row's event occurred.
    Gives: which issue those groups have now that were moved.
    """
    if not told:
        return []
    project_ids, group_keys, issue_ids, occurred_at = (list(column) for column in zip(*told, strict=True))
    issues = {"project_ids": project_ids, "group_keys": group_keys, "issue_ids": issue_ids, "occurred_at": occurred_at}
    moved = connection.execute(FILL_ISSUES, issues)
    return [(project_id, group_key, issue_id) for project_id, group_key, issue_id in moved]


def _is_moved(has: int | None, has_at: datetime | None, issue_id: int, told_at: datetime) -> bool:
    return has is None or (has != issue_id and (has_at is None or has_at < told_at))


_COLUMNS = (
    "project_id",
    "group_key",
    "group_hash",
    "issue_id",
    "issue_told_at",
    "type",
    "title",
    "culprit",
    "fingerprint",
    "url",
)


def _group_insert() -> Any:
    statement = insert(DimGroup)
    told = statement.excluded
    is_later = DimGroup.issue_told_at.is_(None) | (DimGroup.issue_told_at < told.issue_told_at)
    return statement.on_conflict_do_update(
        index_elements=["project_id", "group_key"],
        set_={"issue_id": told.issue_id, "issue_told_at": told.issue_told_at, "url": told.url},
        where=told.issue_id.is_not(None)
        & (DimGroup.issue_id.is_(None) | ((DimGroup.issue_id != told.issue_id) & is_later)),
    )


INSERT_GROUP = _group_insert()
