"""Scenarios D-13, D-16: two loaders side by side, with others in their way, and across midnights."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psycopg
import pytest
from sqlalchemy import Engine

from ingest.drain import Drain
from ingest.records import Payload
from ingest.spool.writer import SpoolWriter
from models.engine import engine_for
from tests.proof.lines import report
from tests.support import builders, warehouse
from tests.support.loading import NOON, Clock, sdk, settings, told
from tests.support.wait import until

pytestmark = pytest.mark.timeout(900)

EVENTS = 400
PROJECTS = (42, 43, 44)
MIDNIGHTS = {
    "day": datetime(2026, 11, 25, tzinfo=UTC),
    "month": datetime(2026, 12, 1, tzinfo=UTC),
    "year": datetime(2027, 1, 1, tzinfo=UTC),
    "daylight saving": datetime(2027, 3, 28, tzinfo=UTC),
}


@pytest.fixture
def engines(database_url: str) -> Iterator[list[Engine]]:
    made = [engine_for(database_url) for _ in range(2)]
    yield made
    for each in made:
        each.dispose()


def accept(data_dir: Path, payloads: list[Payload]) -> None:
    """Put payloads into the spool of a service of its own."""

    async def append() -> None:
        writer = SpoolWriter(data_dir / "spool" / "0", 1 << 30)
        await asyncio.gather(*(writer.append(msgspec.msgpack.encode(each)) for each in payloads))
        await writer.close()

    (data_dir / "run").mkdir(parents=True, exist_ok=True)
    asyncio.run(append())


@contextmanager
def draining(engine: Engine, data_dir: Path, clock: Clock) -> Iterator[Drain]:
    """Run a loader in a thread for as long as the context, and at its end until its spool is empty."""
    loop = Drain(engine, settings(data_dir, LOAD_BATCH_EVENTS=20, PARTITION_DAYS=1), clock)
    is_over = threading.Event()
    thread = threading.Thread(target=loop.run, args=(is_over.is_set,))
    thread.start()
    try:
        yield loop
        until(loop.is_empty, 120, "everything is loaded")
    finally:
        is_over.set()
        thread.join()
        loop.close()


def events(clock_at: datetime, count: int) -> list[Payload]:
    return [
        sdk(
            builders.event(timestamp=told(clock_at), message=f"event {number % 7}", fingerprint=[str(number % 7)]),
            at=clock_at,
            project=PROJECTS[number % len(PROJECTS)],
        )
        for number in range(count)
    ]


@pytest.mark.scenario("D-16")
@pytest.mark.parametrize("which", MIDNIGHTS)
def test_two_loaders_cross_a_midnight_without_the_next_days_partition(
    tmp_path: Path, database_url: str, engines: list[Engine], which: str
) -> None:
    midnight = MIDNIGHTS[which]
    before, after = midnight - timedelta(seconds=10), midnight + timedelta(seconds=10)
    clock = Clock(before)
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        accept(folder, events(before, 30))
    with draining(engines[0], folders[0], clock) as one, draining(engines[1], folders[1], clock) as two:
        until(lambda: one.is_empty() and two.is_empty(), 120, "yesterday is loaded")
        dropped = drop_partitions_from(database_url, midnight)
        clock.now = after
        for folder in folders:
            accept(folder, events(after, 30))
    assert dropped > 0
    counted = warehouse.tally(database_url)
    assert (counted["loaded"], counted["duplicates"], counted["set_aside"]) == (120, 0, 0)
    days = warehouse.rows(
        database_url,
        "select cast(occurred_at as date) as day, count(*) from warehouse.fact_event group by 1 order by 1",
    )
    assert [(each["day"], each["count"]) for each in days] == [(before.date(), 60), (after.date(), 60)]


def drop_partitions_from(url: str, midnight: datetime) -> int:
    """Drop the empty partitions of events whose days begin then or later."""
    found = warehouse.rows(
        url,
        "select cast(inhrelid as regclass)::text as name from pg_inherits "
        "where cast(inhparent as regclass)::text in ('warehouse.fact_event', 'warehouse.event_payload') "
        "and right(cast(inhrelid as regclass)::text, 10) >= %s",
        f"{midnight:%Y_%m_%d}",
    )
    with psycopg.connect(url, autocommit=True) as connection:
        for each in found:
            connection.execute(f"drop table {each['name']}".encode())
    return len(found)


@pytest.mark.scenario("D-13")
def test_counts_are_exact_though_others_update_the_same_rows_in_another_order(
    tmp_path: Path, database_url: str, engines: list[Engine]
) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        accept(folder, events(NOON, EVENTS))
    is_over = threading.Event()
    updates: list[str] = []
    adversary = threading.Thread(target=disturb, args=(database_url, is_over, updates))
    adversary.start()
    try:
        with draining(engines[0], folders[0], Clock()), draining(engines[1], folders[1], Clock()):
            pass
    finally:
        is_over.set()
        adversary.join()
    counted = warehouse.tally(database_url)
    assert (counted["loaded"], counted["duplicates"], counted["set_aside"]) == (2 * EVENTS, 0, 0)
    assert warehouse.value(database_url, "select count(*) from warehouse.fact_event") == 2 * EVENTS
    summed = warehouse.value(database_url, "select sum(event_count)::int from warehouse.rollup_delta")
    assert summed == 2 * EVENTS
    assert "done" in updates
    deadlocks = warehouse.value(
        database_url, "select deadlocks::int from pg_stat_database where datname = current_database()"
    )
    report(
        f"D-13 pass events {2 * EVENTS} loaded {counted['loaded']} disturbances {updates.count('done')} "
        f"given up {updates.count('gave up')} deadlocks {deadlocks}"
    )


def disturb(url: str, is_over: threading.Event, updates: list[str]) -> None:
    """Touch the rows that loaders touch, in the order in which they do not, until told to stop."""
    with psycopg.connect(url) as connection:
        while not is_over.is_set():
            with suppress(psycopg.Error):
                connection.rollback()
            try:
                connection.execute("select project_id from warehouse.dim_project order by project_id desc for update")
                connection.execute("select 1 from warehouse.dim_group order by group_key desc for update")
                connection.execute("update warehouse.spool_position set updated_at = updated_at")
                connection.execute("update warehouse.load_tally set event_count = event_count")
                connection.commit()
                updates.append("done")
            except psycopg.errors.DeadlockDetected:
                updates.append("gave up")
