"""
Make the rollups of a day again from the fact: for what the audit found, and after events were corrected or removed.

One transaction a day: readers see the old numbers or the new ones. Loaders of the projects wait for it.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from uuid import uuid4

from sqlalchemy import Connection, TextClause, text

from models.clock import midnight
from models.delta import DELTA_COLUMNS, DELTA_GROUP, DELTA_SELECT
from models.errors import ModelsError
from models.fold import FOLD_LOCK, LOCK, fold_batches
from models.partitions import leaves
from models.turns import take_turns

PROJECTS = text("select project_id from warehouse.dim_project")

# Projects whose events of the day were let go of: their rollups are all that is left.
LET_GO = text(
    """
    select distinct p.project_id from warehouse.removal r
    join warehouse.dim_project p on r.project_id is null or r.project_id = p.project_id
    where r.reason in ('retention', 'archive') and r.event_count > 0 and r.first_on <= :day and :day < r.end_on
    and p.project_id = any(:project_ids)
    """
)

# What is counted over all days and has a part in this one, before and after; or says so, though nothing bears it out.
GROUPS = text(
    """
    select project_id, group_key from warehouse.rollup_day where project_id = any(:project_ids) and day = :day
    union
    select project_id, group_key from warehouse.rollup_group where project_id = any(:project_ids)
    and (first_at >= :since and first_at < :until or last_at >= :since and last_at < :until)
    """
)
RELEASES = text(
    """
    select project_id, release_key from warehouse.rollup_day
    where project_id = any(:project_ids) and day = :day and release_key <> 0
    union
    select project_id, release_key from warehouse.rollup_release where project_id = any(:project_ids)
    and (first_at >= :since and first_at < :until or last_at >= :since and last_at < :until)
    """
)

_OF_HOURS = "where project_id = any(:project_ids) and hour >= :since and hour < :until"
_OF_DAY = "where project_id = any(:project_ids) and day = :day"
CLEARED = tuple(
    text(f"delete from warehouse.{table} {whose}")  # noqa: S608 - parts are ours
    for whose, tables in (
        (_OF_HOURS, ("rollup_delta", "rollup_hour", "rollup_hour_group")),
        (_OF_DAY, ("rollup_day", "rollup_day_culprit", "rollup_day_user")),
    )
    for table in tables
)

COUNTED_ANEW = text(
    f"""
    insert into warehouse.rollup_delta ({DELTA_COLUMNS})
    {DELTA_SELECT} from warehouse.fact_event
    where project_id = any(:project_ids) and occurred_at >= :since and occurred_at < :until {DELTA_GROUP}
    """
)

# What began before the first day that rollups are kept of is left as it is: its days do not tell all of it any more.
GROUPS_CLEARED = text(
    """
    delete from warehouse.rollup_group r
    using unnest(cast(:project_ids as bigint[]), cast(:keys as bigint[])) as told(project_id, group_key)
    where r.project_id = told.project_id and r.group_key = told.group_key and r.first_at >= :kept_since
    """
)
GROUPS_SUMMED = text(
    """
    insert into warehouse.rollup_group (project_id, group_key, event_count, weighted_count, unhandled_count,
        first_at, last_at, first_release_key, last_release_key, last_level, user_sketch)
    select d.project_id, d.group_key, sum(event_count), sum(weighted_count), sum(unhandled_count),
        min(first_at), max(last_at), (array_agg(release_key order by first_at, release_key))[1],
        (array_agg(release_key order by last_at desc, release_key desc))[1],
        (array_agg(level order by last_at desc, level desc))[1],
        warehouse.users_merged(user_sketch)
    from warehouse.rollup_day d
    join unnest(cast(:project_ids as bigint[]), cast(:keys as bigint[])) as told(project_id, group_key)
        on told.project_id = d.project_id and told.group_key = d.group_key
    group by d.project_id, d.group_key
    on conflict (project_id, group_key) do nothing
    """
)
RELEASES_CLEARED = text(
    """
    delete from warehouse.rollup_release r
    using unnest(cast(:project_ids as bigint[]), cast(:keys as bigint[])) as told(project_id, release_key)
    where r.project_id = told.project_id and r.release_key = told.release_key and r.first_at >= :kept_since
    """
)
RELEASES_SUMMED = text(
    """
    insert into warehouse.rollup_release (project_id, release_key, event_count, weighted_count, unhandled_count,
        first_at, last_at, user_sketch)
    select d.project_id, d.release_key, sum(event_count), sum(weighted_count), sum(unhandled_count),
        min(first_at), max(last_at), warehouse.users_merged(user_sketch)
    from warehouse.rollup_day d
    join unnest(cast(:project_ids as bigint[]), cast(:keys as bigint[])) as told(project_id, release_key)
        on told.project_id = d.project_id and told.release_key = d.release_key
    group by d.project_id, d.release_key
    on conflict (project_id, release_key) do nothing
    """
)


class NothingToRebuildFrom(ModelsError):
    """The events of the day were let go of on purpose; its rollups are all that is left of them."""


def rebuild(
    connection: Connection, day: date, today: date, group_hour_days: int, project_ids: Iterable[int] | None = None
) -> int:
    """
    Make the rollups of one UTC day again, for these projects or for all whose events are there; return how many.

    The caller commits. Whoever changes the fact does so over the same connection, after `hold`.
    Raises: NothingToRebuildFrom when a project that was named has let go of that day's events.
    """
    ids = hold(connection, project_ids)
    told: dict[str, object] = {"project_ids": ids, "day": day}
    let_go = set(connection.execute(LET_GO, told).scalars())
    if let_go and project_ids is not None:
        raise NothingToRebuildFrom(
            f"Events of {day} were removed by retention or archived, so its rollups cannot be made again; keep them."
        )
    told["project_ids"] = ids = [each for each in ids if each not in let_go]
    since = midnight(day)
    told |= {"since": since, "until": since + timedelta(days=1)}
    groups = _pairs(connection, GROUPS, told)
    releases = _pairs(connection, RELEASES, told)
    for statement in CLEARED:
        connection.execute(statement, told)
    batch_id = uuid4()
    connection.execute(COUNTED_ANEW, {**told, "batch_id": batch_id})
    fold_batches(connection, [batch_id], today, group_hour_days, is_lifelong=False)
    groups |= _pairs(connection, GROUPS, told)
    releases |= _pairs(connection, RELEASES, told)
    kept_since = min(leaf.first for leaf in leaves(connection, "rollup_day")) if groups else day
    for cleared, summed, keys in (
        (GROUPS_CLEARED, GROUPS_SUMMED, groups),
        (RELEASES_CLEARED, RELEASES_SUMMED, releases),
    ):
        if keys:
            ordered = sorted(keys)
            named = {"project_ids": [key[0] for key in ordered], "keys": [key[1] for key in ordered]}
            connection.execute(cleared, {**named, "kept_since": kept_since})
            connection.execute(summed, named)
    return len(ids)


def _pairs(connection: Connection, statement: TextClause, told: dict[str, object]) -> set[tuple[int, int]]:
    return {(project_id, key) for project_id, key in connection.execute(statement, told)}


def hold(connection: Connection, project_ids: Iterable[int] | None = None) -> list[int]:
    """Keep loaders of these projects, or of all, and folders waiting until the transaction ends; return their ids."""
    connection.execute(LOCK, {"key": FOLD_LOCK})
    ids = sorted(set(project_ids)) if project_ids is not None else sorted(connection.execute(PROJECTS).scalars())
    take_turns(connection, ids)
    return ids
