"""Partitions by any number of makers at once: no error, exactly those that are needed, none that overlap."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from models.engine import engine_for
from models.partitions import EVENTS, MONDAY, Leaf, Partitions, leaf_for, leaves
from tests.proof.lines import report
from tests.support.server import ROOT

DAY = timedelta(days=1)
TUESDAY = date(2026, 11, 24)
PROCESSES = 8
WITHIN = 800

days = st.dates(date(1970, 1, 5), date(2400, 1, 1))
lengths = st.sampled_from([1, 7])

CHILDREN = """
    select c.relname, pg_get_expr(c.relpartbound, c.oid), c.relkind::text,
        (select count(*) from pg_constraint k where k.conrelid = c.oid and k.contype = 'c')
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = cast(%s as regclass) order by c.relname
"""
MAKER = """
import sys
from datetime import date, timedelta
from models.engine import engine_for
from models.partitions import Partitions
engine = engine_for(sys.argv[1])
sys.stdin.readline()
for round in range(int(sys.argv[2])):
    first = date(2026, 1, 5) + timedelta(weeks=10 * round)
    Partitions(engine, 7).ensure(first + timedelta(days=offset) for offset in (0, 8, 20))
engine.dispose()
"""


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


def children(url: str, parent: str) -> list[tuple[str, str, str, int]]:
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        return connection.execute(CHILDREN, (f"warehouse.{parent}",)).fetchall()


@given(days, lengths)
def test_a_partition_holds_its_day_and_begins_on_a_monday_or_on_the_day(day: date, length: int) -> None:
    leaf = leaf_for(day, length, [])
    assert leaf.first <= day < leaf.end
    assert leaf.end - leaf.first == timedelta(days=length)
    assert length == 1 or leaf.first.weekday() == 0


@given(st.lists(st.tuples(st.integers(0, 40), lengths), min_size=1, max_size=30))
def test_whatever_the_length_was_changed_to_partitions_never_overlap(asked: list[tuple[int, int]]) -> None:
    taken: list[Leaf] = []
    for offset, length in asked:
        day = MONDAY + offset * DAY
        if not any(leaf.first <= day < leaf.end for leaf in taken):
            taken.append(leaf_for(day, length, taken))
    held = [leaf.first + n * DAY for leaf in taken for n in range((leaf.end - leaf.first).days)]
    assert len(held) == len(set(held))
    assert {MONDAY + offset * DAY for offset, _ in asked} <= set(held)


def test_names_and_bounds_are_those_other_tools_know(engine: Engine, database_url: str) -> None:
    made = Partitions(engine, 7).ensure([TUESDAY])
    assert made == len(EVENTS)
    for parent in (each.name for each in EVENTS):
        assert children(database_url, parent) == [
            (
                f"{parent}_p2026_11_23",
                "FOR VALUES FROM ('2026-11-23 00:00:00+00') TO ('2026-11-30 00:00:00+00')",
                "r",
                0,
            )
        ]
        with engine.connect() as connection:
            assert leaves(connection, parent) == [Leaf(date(2026, 11, 23), date(2026, 11, 30))]


def test_a_partition_has_the_keys_and_indexes_of_its_parent(engine: Engine, database_url: str) -> None:
    Partitions(engine, 1).ensure([TUESDAY])
    query = "select indexdef from pg_indexes where schemaname = 'warehouse' and tablename = %s"
    with psycopg.connect(database_url) as connection:
        found = connection.execute(query, ("fact_event_p2026_11_24",)).fetchall()
        attached = connection.execute(
            "select count(*) from pg_inherits i join pg_class c on c.oid = i.inhrelid where c.relkind = 'i'"
        ).fetchone()
    assert sorted(told.partition(" USING ")[2] for (told,) in found) == [
        "brin (occurred_at) WITH (pages_per_range='32')",
        "btree (project_id, event_id, occurred_at)",
        "btree (project_id, group_key, occurred_at)",
    ]
    assert attached == (4,)  # three of the fact, one of the payloads: no second set beside the parents'


def test_days_and_weeks_live_side_by_side(engine: Engine, database_url: str) -> None:
    assert Partitions(engine, 1).ensure([TUESDAY, TUESDAY + 7 * DAY]) == 4
    # in a week that has a day of its own, only days have room
    assert Partitions(engine, 7).ensure([TUESDAY - DAY, TUESDAY + DAY, TUESDAY + 14 * DAY]) == 6
    assert Partitions(engine, 1).ensure([TUESDAY + 15 * DAY]) == 0
    assert [name for name, *_ in children(database_url, "fact_event")] == [
        "fact_event_p2026_11_23",
        "fact_event_p2026_11_24",
        "fact_event_p2026_11_25",
        "fact_event_p2026_12_01",
        "fact_event_p2026_12_07",
    ]


def test_what_is_there_is_asked_for_once(engine: Engine) -> None:
    partitions = Partitions(engine, 7)
    assert partitions.ensure_ahead(TUESDAY, 14) == 3 * len(EVENTS)
    assert partitions.ensure_ahead(TUESDAY, 14) == 0
    engine.dispose()
    assert partitions.ensure([TUESDAY]) == 0
    partitions.forget()
    assert partitions.ensure([TUESDAY]) == 0


def test_a_partition_that_is_missing_beside_the_fact_s_is_made(engine: Engine, database_url: str) -> None:
    Partitions(engine, 7).ensure([TUESDAY])
    with psycopg.connect(database_url) as connection:
        connection.execute("drop table warehouse.event_payload_p2026_11_23")
    assert Partitions(engine, 7).ensure([TUESDAY]) == 1


def test_rows_at_both_edges_of_a_day_find_their_partition(engine: Engine, database_url: str) -> None:
    Partitions(engine, 1).ensure([TUESDAY])
    midnight = datetime(2026, 11, 24, tzinfo=UTC)
    add = "insert into warehouse.event_payload values (%s, gen_random_uuid(), 1, 0, '')"
    with psycopg.connect(database_url) as connection:
        connection.execute(add, (midnight,))
        connection.execute(add, (midnight + DAY - timedelta(microseconds=1),))
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(add, (midnight + DAY,))


@pytest.mark.scenario("H-01")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("rounds", [4, pytest.param(50, marks=pytest.mark.scenario("H-01", tier=2))])
def test_eight_processes_that_make_the_same_partitions_make_them_once_without_an_error(
    database_url: str, rounds: int
) -> None:
    command = [sys.executable, "-c", MAKER, database_url, str(rounds)]
    makers = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write("go\n")
        maker.stdin.flush()
    said = [maker.communicate(timeout=WITHIN)[1] for maker in makers]
    assert [(maker.returncode, words) for maker, words in zip(makers, said, strict=True)] == [(0, "")] * PROCESSES
    firsts = [date(2026, 1, 5) + timedelta(weeks=10 * n + week) for n in range(rounds) for week in (0, 1, 2)]
    for parent in (each.name for each in EVENTS):
        found = children(database_url, parent)
        assert [name for name, *_ in found] == [f"{parent}_p{first:%Y_%m_%d}" for first in firsts]
        assert not [bound for _, bound, *_ in found if "DEFAULT" in bound]
    report(f"H-01 pass {PROCESSES} processes, {rounds} rounds: {len(firsts)} partitions of each table, no error")
