"""Events put into the warehouse by SQL, as the loader would leave them: rows, deltas and tally."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import Engine, text

from models.delta import DELTA_COLUMNS, DELTA_GROUP, DELTA_SELECT
from models.partitions import Partitions
from tests.support.loading import NOON, PROJECT


class Fact(NamedTuple):
    """What is counted of an event, with defaults."""

    occurred_at: datetime = NOON
    project_id: int = PROJECT
    group_key: int = 1
    culprit_key: int | None = None
    environment_key: int | None = None
    release_key: int | None = None
    user_key: int | None = None
    level: int = 40
    sample_weight: float = 1.0
    handled: bool | None = None


TYPES = ("timestamptz", "bigint", "bigint", "bigint", "bigint", "bigint", "bigint", "smallint", "real", "boolean")
COLUMNS = ", ".join(Fact._fields)
LISTS = ", ".join(f"cast(:{name} as {kind}[])" for name, kind in zip(Fact._fields, TYPES, strict=True))
PUT = text(
    f"""
    with put as (
        insert into warehouse.fact_event (event_id, received_at, loaded_at, time_quality, source, {COLUMNS})
        select event_id, occurred_at, occurred_at + interval '1 second', 0, 4, {COLUMNS}
        from unnest(cast(:event_id as uuid[]), {LISTS}) as told(event_id, {COLUMNS})
        returning *
    )
    insert into warehouse.rollup_delta ({DELTA_COLUMNS}) {DELTA_SELECT} from put {DELTA_GROUP}
    """
)
TALLIED = text(
    """
    insert into warehouse.load_tally as t (origin, loaded_on, payload_count, event_count, loaded_count,
        duplicate_count, refused_count, set_aside_count)
    values ('file', cast(:at as date), :count, :count, :count, 0, 0, 0)
    on conflict (origin, loaded_on) do update set payload_count = t.payload_count + excluded.payload_count,
        event_count = t.event_count + excluded.event_count, loaded_count = t.loaded_count + excluded.loaded_count
    """
)
KNOWN = text(
    """
    insert into warehouse.dim_project (project_id, created_at) values (:project_id, :at)
    on conflict (project_id) do nothing
    """
)


def put(engine: Engine, facts: Sequence[Fact]) -> list[UUID]:
    """Put one batch of events in, and give their ids."""
    Partitions(engine, 7).ensure({each.occurred_at.date() for each in facts})
    ids = [uuid4() for _ in facts]
    lists = {name: list(values) for name, values in zip(Fact._fields, zip(*facts, strict=True), strict=True)}
    with engine.begin() as connection:
        connection.execute(PUT, {"event_id": ids, "batch_id": uuid4(), **lists})
        connection.execute(TALLIED, {"at": NOON, "count": len(facts)})
        for project_id in {each.project_id for each in facts}:
            connection.execute(KNOWN, {"project_id": project_id, "at": NOON})
    return ids
