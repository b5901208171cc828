"""Who works on a project's events takes its turn: loaders, and those who delete, rebuild or correct."""

from collections.abc import Iterable

from sqlalchemy import Connection, text

TURN_SPACE = 0x6572726C  # "errl"

# Transaction-level locks in one order, before the first row is touched, so that two of them never wait for each other.
TAKE_TURNS = text(
    "select pg_advisory_xact_lock(:space, hashint8(project_id)) "
    "from unnest(cast(:project_ids as bigint[])) as turn(project_id) order by hashint8(project_id)"
)


def take_turns(connection: Connection, project_ids: Iterable[int]) -> None:
    """Wait until the others that work on these projects have committed; once a transaction."""
    ids = sorted(set(project_ids))
    if ids:
        connection.execute(TAKE_TURNS, {"space": TURN_SPACE, "project_ids": ids})
