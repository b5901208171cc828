"""Distinct users over any rows: what `analytics.users` makes of sketches is what all their users together make."""

import psycopg
import pytest

KEPT = 1024
# `sketches` sketches of `each` users, drawn from `all_users`; a sketch holds the lowest keys of those it met.
SKETCHES = """
    with met as (
        select s, hashint8extended(abs(hashint8extended(s * 1000003 + u, 1)) %% %(all_users)s, 7) as key
        from generate_series(1, %(sketches)s) s, generate_series(1, %(each)s) u
    ), sketch as (
        select s, (array_agg(distinct key order by key))[1:1024] as user_sketch from met group by s
    )
"""
COUNTED = """
    select analytics.users(user_sketch order by s) as forward, analytics.users(user_sketch order by s desc) as backward,
        warehouse.users_estimated(warehouse.users_merged(user_sketch)) as merged,
        (select count(distinct key) from met) as truth,
        (select array_agg(key order by key) from (select distinct key from met order by key limit 1024) k) as lowest,
        warehouse.users_merged(user_sketch) as sketch
    from sketch
"""


@pytest.mark.parametrize(
    ("sketches", "each", "all_users"),
    [(1, 5, 100), (40, 20, 900), (60, 20, 50_000), (40, 3_000, 20_000), (2, 600, 1024)],
)
def test_users_are_counted_alike_in_any_order_and_exactly_while_they_are_few(
    database_url: str, sketches: int, each: int, all_users: int
) -> None:
    told = {"sketches": sketches, "each": each, "all_users": all_users}
    with psycopg.connect(database_url) as connection:
        row = connection.execute((SKETCHES + COUNTED).encode(), told).fetchone()
    assert row is not None
    forward, backward, merged, truth, lowest, sketch = row
    assert forward == backward == merged
    assert sketch == lowest
    if truth < KEPT:
        assert forward == truth
    else:
        assert forward == pytest.approx(truth, rel=0.12)  # four standard errors


def test_nobody_is_none(database_url: str) -> None:
    query = """
        select analytics.users(s) from (values (null::bigint[]), (null)) as told(s)
        union all select analytics.users(s) from (values (null::bigint[])) as told(s) where false
        union all select analytics.users(s) from (values (array[7, 8]::bigint[]), (null), (array[8, 9])) as told(s)
    """
    with psycopg.connect(database_url) as connection:
        assert [count for (count,) in connection.execute(query.encode())] == [0, 0, 3]
