"""Users counted from sketches are as many as the database's own aggregate counts."""

from collections.abc import Iterator
from random import Random

import psycopg
import pyarrow as pa
import pytest

from models.rollup import SKETCH_USERS
from reports import sketches

LOWEST, HIGHEST = -(2**63), 2**63 - 1
Row = tuple[int, str, list[int] | None]


def rows(seed: int) -> Iterator[Row]:
    """Give sketches of groups with some users in common, none to five thousand in each row."""
    chance = Random(seed)
    for project in range(12):
        people = [chance.randint(LOWEST, HIGHEST) for _ in range(chance.choice((1, 30, 1023, 1024, 1025, 9000)))]
        for _ in range(chance.randint(1, 15)):
            met = sorted(set(chance.choices(people, k=chance.choice((0, 1, 40, 1024, 5000)))))[:SKETCH_USERS]
            yield project % 9, f"shop-{project}", met or None


def batches(told: list[Row], size: int) -> pa.RecordBatchReader:
    columns = [
        pa.array([each[0] for each in told], pa.int64()),
        pa.array([each[1] for each in told], pa.string()),
        pa.array([each[2] for each in told], pa.list_(pa.int64())),
    ]
    return pa.table(columns, names=["project_id", "project", "user_sketch"]).to_reader(max_chunksize=size)


@pytest.mark.parametrize("seed", range(8))
def test_users_are_those_of_the_aggregate_however_the_answer_comes(seed: int, database_url: str) -> None:
    told = list(rows(seed))
    with psycopg.connect(database_url) as connection:
        connection.execute("create temporary table met (project_id bigint, project text, user_sketch bigint[])")
        connection.cursor().executemany("insert into met values (%s, %s, %s)", told)
        counted = "select project_id, project, coalesce(analytics.users(user_sketch), 0) from met group by 1, 2"
        expected = sorted(connection.execute(counted).fetchall())
    for size in (1, 7, len(told)):
        found = sketches.counted(batches(told, size))
        assert found.column_names == ["project_id", "project", "users"]
        assert sorted(zip(*(column.to_pylist() for column in found.columns), strict=True)) == expected


def test_no_rows_and_rows_without_a_user_have_no_users() -> None:
    assert sketches.counted(batches([], 1)).to_pylist() == []
    one = sketches.counted(batches([(1, "shop", None)], 1)).to_pylist()
    assert one == [{"project_id": 1, "project": "shop", "users": 0}]


def test_a_sketch_is_as_large_as_the_warehouse_keeps_them() -> None:
    assert sketches.USERS == SKETCH_USERS
