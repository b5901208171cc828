"""What spools received is loaded or waits, to the unit: across batches, restarts and removed segments."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Engine, text

from ingest.drain import Drain
from ingest.spool import COUNTED, segment_path
from ingest.spool.writer import SpoolWriter
from ingest.spool_audit import SpoolAudit, audit_spools
from models.engine import engine_for
from tests.support import builders
from tests.support.loading import NOON, Clock, sdk, settings, told

MIB = 1024 * 1024


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


def accept(data_dir: Path, count: int, spool: int = 1) -> None:
    """Put payloads into a spool, as its receiver does from start to stop; a segment holds a few."""

    async def append() -> None:
        writer = SpoolWriter(data_dir / "spool" / str(spool), 100 * MIB, 4096)
        for _ in range(count):
            await writer.append(msgspec.msgpack.encode(sdk(builders.event(timestamp=told(NOON)))))
        await writer.close()

    asyncio.run(append())


def load(engine: Engine, data_dir: Path, steps: int | None = None) -> None:
    loop = Drain(engine, settings(data_dir, LOAD_BATCH_EVENTS=4), Clock())
    while steps != 0 and loop.step():
        steps = None if steps is None else steps - 1
    assert not loop.is_failing()
    loop.close()


def audited(engine: Engine, data_dir: Path) -> SpoolAudit:
    return audit_spools(engine, data_dir / "spool")


def execute(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def test_without_a_spool_there_is_nothing_to_compare(engine: Engine, data_dir: Path) -> None:
    assert audited(engine, data_dir) == SpoolAudit(0, 0, 0, [], [])


def test_what_is_loaded_and_what_waits_is_what_was_received(engine: Engine, data_dir: Path) -> None:
    accept(data_dir, 10)
    accept(data_dir, 3, spool=2)
    assert audited(engine, data_dir) == SpoolAudit(13, 13, 2, [], [])
    load(engine, data_dir, steps=1)
    assert audited(engine, data_dir) == SpoolAudit(13, 6, 2, [], [])
    accept(data_dir, 5)
    load(engine, data_dir)
    assert audited(engine, data_dir) == SpoolAudit(18, 0, 2, [], [])
    accept(data_dir, 1)
    assert audited(engine, data_dir) == SpoolAudit(19, 1, 2, [], [])


@pytest.mark.parametrize(
    ("harm", "what", "expected", "found"),
    [
        ("update warehouse.load_tally set payload_count = 7", "payloads read, against records loaded", 8, 7),
        ("update warehouse.spool_position set record_count = 9", "records loaded and waiting, against received", 8, 9),
    ],
)
def test_books_that_do_not_agree_are_told(
    engine: Engine, data_dir: Path, harm: str, what: str, expected: int, found: int
) -> None:
    accept(data_dir, 8)
    load(engine, data_dir)
    execute(engine, harm)
    (first, *_) = [each for each in audited(engine, data_dir).differences if what in each.what]
    assert (first.what, first.expected, first.found) == (f"spool 1: {what}", expected, found)


def test_records_that_vanish_from_a_spool_are_told(engine: Engine, data_dir: Path) -> None:
    accept(data_dir, 8)
    segment_path(data_dir / "spool" / "1", 1).unlink()
    assert [each.what for each in audited(engine, data_dir).differences] == [
        "spool 1: records loaded and waiting, against received"
    ]


def test_a_spool_that_is_older_than_its_counting_is_named(engine: Engine, data_dir: Path) -> None:
    accept(data_dir, 8)
    load(engine, data_dir)
    (data_dir / "spool" / "1" / COUNTED).unlink()
    found = audited(engine, data_dir)
    assert (found.uncounted, found.differences) == (["1"], [])
