"""The loader's loop over real spools and a real database that fails in the ways databases do."""

import asyncio
import gc
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any

import msgspec
import psycopg
import pytest
from sqlalchemy import Engine, event

from ingest.drain import Drain
from ingest.health import Health, loader_state
from ingest.progress import positions
from ingest.records import Door, Payload
from ingest.spool.writer import SpoolWriter
from models.engine import engine_for
from tests.support import builders, warehouse
from tests.support.loading import NOON, PROJECT, Clock, sdk, settings, told, us
from tests.support.wait import until

MIB = 1024 * 1024
ASIDE = "select reason, body_bytes, seen_count from warehouse.set_aside order by last_received_at, reason"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


def accept(data_dir: Path, *payloads: Payload | bytes, spool: int = 1, segment_bytes: int = MIB) -> None:
    """Put payloads into a spool, as its receiver does."""

    async def append() -> None:
        writer = SpoolWriter(data_dir / "spool" / str(spool), 100 * MIB, segment_bytes)
        for payload in payloads:
            await writer.append(payload if isinstance(payload, bytes) else msgspec.msgpack.encode(payload))
        await writer.close()

    asyncio.run(append())


def events(count: int) -> list[Payload]:
    return [sdk(builders.event(timestamp=told(NOON))) for _ in range(count)]


def drain(engine: Engine, data_dir: Path, **overrides: Any) -> Drain:
    return Drain(engine, settings(data_dir, **overrides), Clock())


def drained(loop: Drain) -> int:
    """Step until there is nothing left, and give how many steps had something to do."""
    steps = 0
    while loop.step():
        steps += 1
    assert loop.is_empty()
    assert not loop.is_failing()
    return steps


def segments(data_dir: Path) -> list[str]:
    return sorted(path.name for path in (data_dir / "spool").rglob("*.seg"))


@pytest.mark.parametrize(("fault", "is_blamed"), [(MemoryError, True), (KeyboardInterrupt, False)])
def test_a_batch_that_ended_a_loader_is_told_to_the_next_one_and_one_ended_by_hand_is_not(
    engine: Engine, data_dir: Path, fault: type[BaseException], is_blamed: bool
) -> None:
    accept(data_dir, *events(4))

    def clock() -> datetime:
        """Tell the time until a batch is in hand."""
        if (said := loader_state(data_dir / "run")) and said.in_hand:
            raise fault
        return NOON

    loop = Drain(engine, settings(data_dir), clock)
    with pytest.raises(fault):
        loop.step()
    loop.close()
    said = loader_state(data_dir / "run")
    assert said is not None
    assert bool(said.in_hand) == is_blamed
    assert drained(drain(engine, data_dir)) >= 1


def test_what_was_accepted_is_loaded_once_and_its_segments_go(
    engine: Engine, data_dir: Path, database_url: str
) -> None:
    accept(data_dir, *events(10), segment_bytes=8 * 1024)
    before = segments(data_dir)
    loop = drain(engine, data_dir, LOAD_BATCH_EVENTS=4)
    assert drained(loop) == 3
    loop.close()
    assert len(before) > len(segments(data_dir)) == 1
    accept(data_dir, *events(3))
    again = drain(engine, data_dir)
    assert drained(again) == 1
    again.close()
    counted = warehouse.tally(database_url)
    assert (counted["payloads"], counted["loaded"], counted["duplicates"]) == (13, 13, 0)


def test_a_spool_that_comes_while_the_loop_runs_is_drained_too(engine: Engine, data_dir: Path) -> None:
    loop = drain(engine, data_dir)
    assert drained(loop) == 0
    accept(data_dir, *events(2), spool=1)
    accept(data_dir, *events(3), spool=2)
    drained(loop)
    assert loop.total.loaded_total == 5
    assert len(positions(engine)) == 2
    loop.close()


def test_how_far_it_is_can_be_told_from_files_alone(engine: Engine, data_dir: Path) -> None:
    accept(data_dir, *events(5))
    health = Health(data_dir / "spool", data_dir / "run", 60, 100 * MIB)
    assert health.readiness(us(NOON)).spool_events == 5
    loop = drain(engine, data_dir)
    drained(loop)
    told_ = health.readiness(us(NOON))
    assert (told_.spool_events, told_.loaded_total, told_.database, told_.ready) == (0, 5, "ok", True)
    loop.close()


def test_bytes_that_are_no_record_and_records_that_are_no_payload_are_set_aside(
    engine: Engine, data_dir: Path, database_url: str
) -> None:
    accept(data_dir, *events(2), b"no payload", b"\x93\x01\x02\x03", *events(2))
    (path,) = (data_dir / "spool").rglob("*.seg")
    data = bytearray(path.read_bytes())
    at = data.index(b"sentry.python") + 3  # inside the first record
    data[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    loop = drain(engine, data_dir)
    drained(loop)
    loop.close()
    counted = warehouse.tally(database_url)
    assert (counted["payloads"], counted["loaded"], counted["set_aside"]) == (6, 3, 3)
    assert [each["reason"] for each in warehouse.rows(database_url, ASIDE)] == ["spool_damaged"] * 3


def test_a_database_that_is_away_costs_nothing_but_time(engine: Engine, data_dir: Path, database_url: str) -> None:
    accept(data_dir, *events(4))
    loop = drain(engine, data_dir)
    revived: list[bool] = []
    loop._revive = lambda: revived.append(True)
    allow(database_url, False)
    assert not loop.step()
    assert not loop.step()
    assert loop.is_failing()
    assert revived == [True, True]
    state = loader_state(data_dir / "run")
    assert state is not None
    assert "not currently accepting connections" in state.database
    allow(database_url, True)
    drained(loop)
    loop.close()
    assert warehouse.tally(database_url)["loaded"] == 4


def allow(url: str, is_open: bool) -> None:
    """Let nobody into the database any more, and those out that are in; or everybody in again."""
    base, _, name = url.rpartition("/")
    with psycopg.connect(base + "/postgres", autocommit=True) as connection:
        connection.execute(f"alter database {name} allow_connections {is_open}".encode())
        connection.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s", (name,))


@pytest.mark.scenario("D-10")
def test_a_schema_fault_stops_loading_and_sets_nothing_aside(engine: Engine, data_dir: Path, database_url: str) -> None:
    accept(data_dir, *events(4))
    loop = drain(engine, data_dir)
    loop._loader.prepare()
    with psycopg.connect(database_url) as connection:
        connection.execute("alter table warehouse.fact_event rename to gone")
    assert not loop.step()
    assert not loop.step()
    assert loop.is_failing()
    assert warehouse.rows(database_url, ASIDE) == []
    with psycopg.connect(database_url) as connection:
        connection.execute("alter table warehouse.gone rename to fact_event")
    drained(loop)
    loop.close()
    assert warehouse.tally(database_url) == {
        "payloads": 4, "events": 4, "loaded": 4, "duplicates": 0, "refused": 0, "set_aside": 0, "issue_changes": 0,
        "conflicts": 0,
    }  # fmt: skip


def test_what_a_failed_batch_held_is_let_go_of_before_the_next_attempt(
    engine: Engine, data_dir: Path, database_url: str
) -> None:
    accept(data_dir, *events(4))
    loop = drain(engine, data_dir)
    loop._loader.prepare()
    with psycopg.connect(database_url) as connection:
        connection.execute("alter table warehouse.fact_event rename to gone")
    gc.collect()
    gc.disable()  # as good as it is in a loader, which has it look seldom
    try:
        assert not loop.step()
        assert failures_held() > 0
        loop.pause(False, lambda: True)
        assert failures_held() == 0
    finally:
        gc.enable()


def failures_held() -> int:
    found = (each for each in gc.get_objects() if isinstance(each, TracebackType))
    return sum(each.tb_frame.f_code.co_filename.endswith("ingest/load.py") for each in found)


@pytest.mark.scenario("D-17")
def test_a_batch_whose_commit_was_done_but_not_heard_of_is_counted_once(
    engine: Engine, data_dir: Path, database_url: str
) -> None:
    accept(data_dir, *events(4), b"no payload")
    loop = drain(engine, data_dir)
    loop._loader.prepare()

    was_lost: list[bool] = []

    @event.listens_for(engine, "commit")
    def lost(connection: Any) -> None:
        if not was_lost and connection.exec_driver_sql("select count(*) from warehouse.fact_event").scalar():
            was_lost.append(True)
            connection.connection.driver_connection.commit()
            connection.connection.driver_connection.close()

    assert not loop.step()
    assert warehouse.tally(database_url)["loaded"] == 4
    drained(loop)
    loop.close()
    counted = warehouse.tally(database_url)
    assert (counted["payloads"], counted["loaded"], counted["duplicates"], counted["set_aside"]) == (5, 4, 0, 1)
    assert [each["seen_count"] for each in warehouse.rows(database_url, ASIDE)] == [1]


def test_what_is_set_aside_is_held_to_its_limit_by_the_loop(engine: Engine, data_dir: Path, database_url: str) -> None:
    noise = [Random(n).randbytes(400_000) for n in range(5)]
    accept(data_dir, *(Payload(us(NOON) + n, Door.STORE, body, PROJECT, {}) for n, body in enumerate(noise)))
    accept(data_dir, Payload(us(NOON) + 9, Door.STORE, noise[-1], PROJECT, {}), spool=2)
    loop = drain(engine, data_dir, SET_ASIDE_MAX_BYTES=MIB)
    drained(loop)
    loop._upkeep_due = 0
    loop.step()
    loop.close()
    kept = warehouse.rows(database_url, ASIDE)
    assert [each["seen_count"] for each in kept] == [1, 2]
    assert loop.total.set_aside_total == 6


def test_run_loads_until_it_is_told_to_stop(engine: Engine, data_dir: Path, database_url: str) -> None:
    accept(data_dir, *events(3))
    loop = drain(engine, data_dir, LOAD_MAX_WAIT_SECONDS=0)
    loop.run(lambda: loop.total.loaded_total == 3)
    loop.close()
    assert warehouse.tally(database_url)["loaded"] == 3


def test_a_disk_that_is_full_does_not_keep_the_spool_from_being_emptied(engine: Engine, data_dir: Path) -> None:
    accept(data_dir, *events(2))
    (data_dir / "run" / "loader.json.tmp").mkdir()  # so that nothing can be told through files
    loop = drain(engine, data_dir)
    drained(loop)
    loop.close()
    assert loop.total.loaded_total == 2


SLOW_ROWS = """
    create function warehouse.slow() returns trigger language plpgsql as 'begin perform pg_sleep(0.1); return new; end';
    create trigger slow before insert on warehouse.fact_event for each row execute function warehouse.slow();
"""


@pytest.mark.scenario("D-15")
def test_a_batch_that_takes_the_database_too_long_is_read_again_in_smaller_ones(
    engine: Engine, data_dir: Path, database_url: str
) -> None:
    accept(data_dir, *events(16))
    loop = drain(engine, data_dir)
    loop._loader.prepare()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SLOW_ROWS)
        connection.execute(f"alter database {database_url.rpartition('/')[2]} set statement_timeout = '1s'".encode())
    engine.dispose()
    assert not loop.step()
    assert not loop.is_failing()
    assert loop._batch_events == 8
    until(lambda: not loop.step() and loop.is_empty(), 60, "everything is loaded, in smaller batches")
    loop.close()
    counted = warehouse.tally(database_url)
    assert (counted["payloads"], counted["loaded"], counted["duplicates"]) == (16, 16, 0)
    assert warehouse.rows(database_url, ASIDE) == []


def test_one_record_that_takes_too_long_waits_and_is_not_set_aside(
    engine: Engine, data_dir: Path, database_url: str
) -> None:
    accept(data_dir, *events(1))
    loop = drain(engine, data_dir)
    loop._loader.prepare()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SLOW_ROWS)
        connection.execute(f"alter database {database_url.rpartition('/')[2]} set statement_timeout = '50ms'".encode())
    engine.dispose()
    for _ in range(3):
        assert not loop.step()
        assert loop.is_failing()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("set statement_timeout = 0")
        connection.execute("drop trigger slow on warehouse.fact_event")
        connection.execute(f"alter database {database_url.rpartition('/')[2]} reset statement_timeout".encode())
    drained(loop)
    loop.close()
    assert warehouse.tally(database_url)["loaded"] == 1
