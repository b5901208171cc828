"""Users of closed days are counted to the unit where a sketch is full; until then an estimate is near enough."""

import math
import random
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from models.engine import engine_for
from models.fold import FOLD_LOCK, LOCK, fold_all
from models.rollup import SKETCH_USERS
from models.user_counts import count_users
from tests.support.facts import Fact, put
from tests.support.loading import NOON, PROJECT
from tests.support.warehouse import rows, value

TODAY = NOON.date()
YESTERDAY = NOON - timedelta(days=1)
ERROR = 1 / math.sqrt(SKETCH_USERS - 2)
TABLES = ("rollup_day", "rollup_day_culprit", "rollup_day_user")
NOTE = "insert into warehouse.removal values (:id, :at, 'archive', :project, :day, cast(:day as date) + 1, 9, 0)"
ESTIMATE = "select warehouse.users_estimated(user_sketch) from warehouse.rollup_day_user where project_id = %s"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


def users(count: int, seed: int) -> list[int]:
    pick = random.Random(seed)
    return [pick.randrange(-(2**63), 2**63) for _ in range(count)]


def met(keys: list[int], **about: int) -> list[Fact]:
    """One event a user, spread over two groups, of which only the first fills a sketch, and every tenth user twice."""
    first = [Fact(YESTERDAY, user_key=key, group_key=1, culprit_key=7, **about) for key in keys]
    return first + [Fact(YESTERDAY, user_key=key, group_key=2, **about) for key in keys[:500]] + first[::10]


def test_a_full_sketch_of_a_closed_day_is_counted_to_the_unit(engine: Engine, database_url: str) -> None:
    put(engine, met(users(20_000, 1)))
    fold_all(engine, TODAY, 14)
    assert count_users(engine, TODAY) == 3  # the group, its culprit, the project
    counted = {table: counts(database_url, table) for table in TABLES}
    assert counted == {
        "rollup_day": [20_000, None],  # a sketch that is not full is exact by itself
        "rollup_day_culprit": [20_000, None],
        "rollup_day_user": [20_000],
    }
    assert count_users(engine, TODAY) == 0


def test_a_late_event_makes_it_uncounted_and_the_next_run_counts_again(engine: Engine, database_url: str) -> None:
    put(engine, met(users(3000, 2)))
    fold_all(engine, TODAY, 14)
    count_users(engine, TODAY)
    put(engine, [Fact(YESTERDAY, user_key=5, group_key=1, culprit_key=7)])
    fold_all(engine, TODAY, 14)
    assert counts(database_url, "rollup_day") == [None, None]
    assert count_users(engine, TODAY) == 3
    assert counts(database_url, "rollup_day") == [3001, None]


def test_a_day_that_is_not_over_and_one_that_was_let_go_of_are_left_alone(engine: Engine, database_url: str) -> None:
    put(engine, met(users(2000, 3)))
    put(engine, met(users(2000, 4), project_id=43))
    fold_all(engine, TODAY, 14)
    assert count_users(engine, YESTERDAY.date()) == 0
    noted = {"id": uuid4(), "at": NOON, "project": PROJECT, "day": YESTERDAY.date()}
    with engine.begin() as connection:
        connection.execute(text(NOTE), noted)
    assert count_users(engine, TODAY) == 3
    assert rows(database_url, "select project_id, user_count from warehouse.rollup_day_user order by 1") == [
        {"project_id": PROJECT, "user_count": None},
        {"project_id": 43, "user_count": 2000},
    ]


def test_while_somebody_folds_it_counts_nothing_and_waits_for_nobody(engine: Engine) -> None:
    put(engine, met(users(2000, 5)))
    fold_all(engine, TODAY, 14)
    with engine.begin() as folding:
        folding.execute(LOCK, {"key": FOLD_LOCK})
        assert count_users(engine, TODAY) == 0
    assert count_users(engine, TODAY) == 3


@pytest.mark.parametrize("count", [900, 1023, 1024, 1500, 5000, 20_000])
def test_an_estimate_is_exact_or_within_four_standard_errors(engine: Engine, database_url: str, count: int) -> None:
    for project in (1, 2, 3):
        put(engine, [Fact(user_key=key, project_id=project) for key in users(count, 100 * project + count)])
    fold_all(engine, TODAY, 14)
    for project in (1, 2, 3):
        estimate = value(database_url, ESTIMATE, project)
        if count < SKETCH_USERS:
            assert estimate == count
        else:
            assert abs(estimate - count) <= 4 * ERROR * count


def test_sketches_of_parts_unite_to_the_sketch_of_the_whole(engine: Engine) -> None:
    keys = users(5000, 9)
    lowest = sorted(keys)[:SKETCH_USERS]
    parts = [sorted(keys[number::7])[:SKETCH_USERS] for number in range(7)]
    united = text("select warehouse.users_united(cast(:one as bigint[]), cast(:other as bigint[]))")
    merged = text("select warehouse.users_merged(s) from (select cast(:one as bigint[]) union all select :other) t(s)")
    with engine.connect() as connection:
        sketch: list[int] | None = None
        for part in [*parts, None, parts[0], lowest[:3], lowest[-3:], [keys[0]]]:
            sketch = connection.execute(united, {"one": sketch, "other": part}).scalar()
            assert sketch == sorted(set(sketch or []))
        assert sketch == lowest
        assert connection.execute(merged, {"one": parts[0], "other": None}).scalar() == parts[0]
        assert connection.execute(united, {"one": None, "other": None}).scalar() is None


def counts(url: str, table: str) -> list[int | None]:
    found = rows(url, f"select user_count from warehouse.{table} order by user_count nulls last")
    return [row["user_count"] for row in found]
