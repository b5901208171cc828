"""What is loaded does not stay in a spool for ever, though nothing comes any more: the writer begins a new segment."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Engine

from ingest.drain import Drain
from ingest.progress import positions
from ingest.spool import ROTATE, segments
from ingest.spool.disk import Disk
from ingest.spool.journal import IDLE_SECONDS, OLD_SECONDS, Journal
from ingest.spool.reader import SpoolReader
from ingest.spool.received import received, waiting
from ingest.spool.rotate import ask, is_done
from ingest.spool.writer import SpoolWriter
from models.engine import engine_for
from tests.support import builders, warehouse
from tests.support.loading import NOON, Clock, sdk, settings, told
from tests.support.wait import until

MIB = 1024 * 1024
SMALL = 50  # bytes: one record in a segment
COUNTS = (
    "select p.record_count, (select sum(payload_count)::int from warehouse.load_tally where origin = p.spool_id::text) "
    "as payloads from warehouse.spool_position p"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "spool" / "0"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


class Time:
    def __init__(self) -> None:
        self.us = 1_000_000

    def __call__(self) -> int:
        return self.us

    def passes(self, seconds: float) -> None:
        self.us += int(seconds * 1_000_000)


def there(folder: Path) -> list[int]:
    return list(segments(Disk(), folder))


def test_a_segment_that_is_old_takes_nothing_more(folder: Path) -> None:
    time = Time()
    journal = Journal(folder, MIB, now_us=time)
    time.passes(OLD_SECONDS)
    journal.commit([b"an empty segment has no age"])
    time.passes(OLD_SECONDS - 1)
    assert there(folder) == [1]
    journal.commit([b"into the next one, for the first is old by now"])
    assert there(folder) == [1, 2]
    journal.close()
    assert received(folder) == 2


def test_a_segment_is_followed_by_a_new_one_when_nothing_comes(folder: Path) -> None:
    time = Time()
    journal = Journal(folder, MIB, now_us=time)
    journal.commit([b"x"])
    time.passes(IDLE_SECONDS - 1)
    journal.tend()
    assert there(folder) == [1]
    for _ in range(3):
        time.passes(IDLE_SECONDS)
        journal.tend()
    assert there(folder) == [1, 2]  # an empty one is never followed
    journal.close()


def test_a_living_writer_answers_who_asks(folder: Path) -> None:
    async def run() -> None:
        writer = SpoolWriter(folder, 100 * MIB)
        ask(folder)
        assert is_done(folder)  # nothing is in it
        await writer.append(b"x")
        ask(folder)
        await asyncio.to_thread(until, lambda: is_done(folder), 20, "the writer has begun a new segment")
        assert there(folder) == [1, 2]
        await writer.append(b"y")
        await writer.close()

    asyncio.run(run())
    assert received(folder) == 2


def test_for_a_writer_that_is_gone_it_is_done_at_once(folder: Path) -> None:
    ask(folder)  # there is no spool at all
    assert is_done(folder)
    assert not folder.exists()
    journal = Journal(folder, MIB)
    journal.commit([b"x"])
    journal.close()
    ask(folder)
    assert is_done(folder)
    assert (there(folder), received(folder)) == ([1, 2], 1)


def test_a_writer_that_starts_has_begun_a_new_segment(folder: Path) -> None:
    Journal(folder, MIB).close()
    (folder / ROTATE).touch()
    Journal(folder, MIB).close()
    assert is_done(folder)


def test_the_loader_lets_go_of_the_old_segment_though_nothing_comes(
    folder: Path, engine: Engine, database_url: str
) -> None:
    data_dir = folder.parents[1]
    record = msgspec.msgpack.encode(sdk(builders.event(timestamp=told(NOON))))

    def drained() -> None:
        while loop.step():
            pass

    journal = Journal(folder, MIB)
    journal.commit([record, b"damaged", record])
    loop = Drain(engine, settings(data_dir), Clock())
    drained()
    assert there(folder) == [1]
    (folder / ROTATE).touch()
    journal.tend()
    drained()
    assert there(folder) == [2]
    (position,) = positions(engine).values()
    assert (position.segment, position.offset) == (2, 0)
    loop.close()
    loop = Drain(engine, settings(data_dir), Clock())  # which finds its position in a segment without a record
    drained()
    journal.commit([record])
    drained()
    loop.close()
    journal.close()
    (position,) = positions(engine).values()
    (counts,) = warehouse.rows(database_url, COUNTS)
    assert counts == {"record_count": 4, "payloads": 4}
    assert (received(folder), waiting(folder, position)) == (4, 0)
    assert warehouse.tally(database_url)["loaded"] == 1


def test_a_reader_stays_where_it_is_until_all_is_released_and_counted(folder: Path) -> None:
    journal = Journal(folder, SMALL)
    journal.commit([b"x"])
    reader = SpoolReader(folder)
    first = reader.read()
    assert reader.next_segment() is None
    reader.release(first[-1].position)
    journal.commit([b"y"])
    second = reader.read()
    assert reader.next_segment() is None  # it has read on
    reader.release(second[-1].position)
    journal.close()
    journal = Journal(folder, SMALL)
    assert reader.read() == []
    ahead = reader.next_segment()
    assert ahead is not None
    assert ahead.segment == 3
    assert (reader.release(ahead), there(folder)) == (1, [3])
    assert reader.next_segment() is None
    reader.close()
    journal.close()
