"""
The person's rows in dim_user, and the random keys that stand in for theirs, so that users can still be counted.

What a break must not lose, which key stands in for which and what named the person, is in `warehouse.erasure` from the
transaction that deletes the rows until nothing is left; then the row tells nobody any more.
"""

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import uuid4

from sqlalchemy import Connection, Engine, text

from models.corrections import hold_patiently

LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1

FIND = text(
    """
    select project_id, user_key, user_id, email, username, ip from warehouse.dim_user
    where (user_id = :value or lower(email) = lower(:value) or username = :value or ip = :value)
    and (cast(:project_id as bigint) is null or project_id = :project_id)
    order by project_id, user_key
    """
)
PROJECTS = text(
    """
    select project_id from warehouse.dim_project
    where cast(:project_id as bigint) is null or project_id = :project_id order by project_id
    """
)
UNFINISHED = text(
    """
    select project_id, user_key, stand_in_key, identifiers from warehouse.erasure
    where finished_at is null order by started_at, erasure_id
    """
)
# The greatest key that every full sketch with these users in it still holds: a stand-in below it belongs into them all.
LEAST_BOUND = text(
    """
    select min(bound) from (
        select user_sketch[1024] as bound from warehouse.rollup_day
        where project_id = :project_id and cardinality(user_sketch) >= 1024 and user_sketch && :keys
        union all
        select user_sketch[1024] from warehouse.rollup_day_culprit
        where project_id = :project_id and cardinality(user_sketch) >= 1024 and user_sketch && :keys
        union all
        select user_sketch[1024] from warehouse.rollup_day_user
        where project_id = :project_id and cardinality(user_sketch) >= 1024 and user_sketch && :keys
        union all
        select user_sketch[1024] from warehouse.rollup_group
        where project_id = :project_id and cardinality(user_sketch) >= 1024 and user_sketch && :keys
        union all
        select user_sketch[1024] from warehouse.rollup_release
        where project_id = :project_id and cardinality(user_sketch) >= 1024 and user_sketch && :keys
    ) as full_sketch
    """
)
BEGIN = text(
    """
    insert into warehouse.erasure (erasure_id, project_id, started_at, user_key, stand_in_key, identifiers)
    values (:erasure_id, :project_id, :started_at, :user_key, :stand_in_key, :identifiers)
    """
)
DELETE = text("delete from warehouse.dim_user where project_id = :project_id and user_key = any(:keys)")
SENT_AGAIN = text("select user_key from warehouse.dim_user where project_id = :project_id and user_key = any(:keys)")
FINISH = text(
    """
    update warehouse.erasure set finished_at = :at, user_key = null, identifiers = null
    where project_id = :project_id and user_key = any(:keys) and finished_at is null
    """
)

StandIns = dict[int, int]
"""The keys a person had in a project, and what stands in for each."""


class Found(NamedTuple):
    """What names a person, and their keys by project."""

    identifiers: tuple[str, ...]
    keys: dict[int, list[int]]


def find(connection: Connection, value: str, project_id: int | None) -> Found:
    """Find the rows that are told by this value, exactly, but for the case of an e-mail address."""
    identifiers = [value]
    keys: dict[int, list[int]] = {}
    for row in connection.execute(FIND, {"value": value, "project_id": project_id}):
        keys.setdefault(row.project_id, []).append(row.user_key)
        identifiers += [each for each in (row.user_id, row.email, row.username, row.ip) if each]
    return Found(tuple(dict.fromkeys(identifiers)), keys)


def unfinished(connection: Connection) -> dict[tuple[str, ...], dict[int, StandIns]]:
    """Give what was begun and broke off: by what named the person, the stand-ins in each project."""
    begun: dict[tuple[str, ...], dict[int, StandIns]] = {}
    for row in connection.execute(UNFINISHED):
        begun.setdefault(tuple(row.identifiers), {}).setdefault(row.project_id, {})[row.user_key] = row.stand_in_key
    return begun


def projects(connection: Connection, project_id: int | None) -> list[int]:
    """Give the projects to search."""
    return list(connection.execute(PROJECTS, {"project_id": project_id}).scalars())


def begin(engine: Engine, project_id: int, keys: list[int], identifiers: tuple[str, ...], at: datetime) -> StandIns:
    """Delete the person's rows of a project and write down what stands in for their keys, in one transaction."""
    with engine.connect() as connection:
        bound = connection.execute(LEAST_BOUND, {"project_id": project_id, "keys": keys}).scalar()
    stand_ins = {key: _random(HIGHEST if bound is None else bound) for key in keys}
    with engine.begin() as connection:
        hold_patiently(connection, [project_id])
        for key, stand_in in stand_ins.items():
            connection.execute(
                BEGIN,
                {
                    "erasure_id": uuid4(),
                    "project_id": project_id,
                    "started_at": at,
                    "user_key": key,
                    "stand_in_key": stand_in,
                    "identifiers": list(identifiers),
                },
            )
        connection.execute(DELETE, {"project_id": project_id, "keys": keys})
    return stand_ins


def sent_again(connection: Connection, project_id: int, keys: Iterable[int]) -> set[int]:
    """Give the keys that have a row again: the person has sent since. Only sure while the project's turn is held."""
    return set(connection.execute(SENT_AGAIN, {"project_id": project_id, "keys": list(keys)}).scalars())


def finish(connection: Connection, project_id: int, keys: Iterable[int], at: datetime) -> None:
    """Forget who it was: nothing is left to go on with."""
    connection.execute(FINISH, {"project_id": project_id, "keys": list(keys), "at": at})


def _random(bound: int) -> int:
    while True:
        key = LOWEST + secrets.randbelow(bound - LOWEST + 1)
        if key:  # 0 stands for none
            return key
