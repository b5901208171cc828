"""The spool on a real disk: one writer, one reader, and what each promises the other."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from uuid import uuid4

import pytest

from ingest.spool import SpoolBroken, SpoolFull, SpoolLocked, found, identify, segment_path, spools
from ingest.spool.backlog import BacklogCounter
from ingest.spool.bell import POLL_SECONDS
from ingest.spool.disk import Disk
from ingest.spool.reader import SpoolReader, wait
from ingest.spool.segment import FRAME_BYTES, HEADER_BYTES
from ingest.spool.segment_reader import Record
from ingest.spool.writer import SpoolWriter
from tests.support.wait import until

PLENTY = 1 << 30


def append(folder, *records, segment_bytes=1 << 20):
    """Write some records as a receiver that starts, accepts them one by one, and stops."""

    async def run():
        writer = SpoolWriter(folder, PLENTY, segment_bytes)
        for record in records:
            await writer.append(record)
        await writer.close()

    asyncio.run(run())


def payloads(items):
    assert all(isinstance(item, Record) for item in items), items
    return [item.payload for item in items]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "spool" / "0"


@pytest.fixture
def reader_of():
    """Open readers that are closed at the end."""
    opened = []

    def open_reader(*arguments):
        opened.append(SpoolReader(*arguments))
        return opened[-1]

    yield open_reader
    for reader in opened:
        reader.close()


def test_what_is_appended_is_read_in_order_and_nothing_else(folder, reader_of):
    records = [b"", b"a", b"\0" * 100, os.urandom(3_000_000), *(b"%d" % n * 100 for n in range(500))]
    append(folder, *records, segment_bytes=10_000)
    reader = reader_of(folder)
    read = []
    while items := reader.read(max_records=7, max_bytes=10_000):
        assert len(items) <= 7
        read += payloads(items)
    assert read == records


def test_records_appended_at_once_share_their_syncs(folder, reader_of):
    async def run():
        writer = SpoolWriter(folder, PLENTY)
        await asyncio.gather(*(writer.append(b"%d" % n) for n in range(1000)))
        stats = writer.stats()
        await writer.close()
        return stats

    stats = asyncio.run(run())
    assert stats.appended_count == 1000
    assert stats.group_count < 100
    assert payloads(reader_of(folder).read()) == [b"%d" % n for n in range(1000)]


def test_folder_and_files_are_nobody_elses_business(folder):
    append(folder, b"a")
    (folder / "spool.json").chmod(0o644)
    folder.chmod(0o755)
    append(folder, b"b")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


@pytest.mark.scenario("C-08")
@pytest.mark.parametrize("kind", [lambda folder: SpoolWriter(folder, PLENTY), SpoolReader])
def test_a_second_owner_is_refused_in_one_sentence_until_the_first_is_gone(folder, kind):
    async def run():
        first = kind(folder)
        with pytest.raises(SpoolLocked, match=r"^the spool .* by another errhouse process: stop that one first$"):
            kind(folder)
        if isinstance(first, SpoolWriter):
            await first.close()
        else:
            first.close()
        second = kind(folder)
        if isinstance(second, SpoolWriter):
            await second.close()
        else:
            second.close()

    asyncio.run(run())


@pytest.mark.scenario("C-05")
def test_a_full_spool_refuses_and_takes_again_what_the_loader_has_made_room_for(folder, reader_of):
    record = b"x" * 1000

    async def run():
        writer = SpoolWriter(folder, 10_000, 3000)
        for _ in range(9):
            await writer.append(record)
        with pytest.raises(SpoolFull):
            await writer.append(record)
        assert writer.stats().refused_count == 1
        assert writer.stats().bytes <= 10_000
        reader = reader_of(folder)
        reader.release(reader.read()[-1].position)
        deadline = time.monotonic() + 5
        while True:
            try:
                await writer.append(record)
                break
            except SpoolFull:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)
        await writer.close()

    asyncio.run(run())


@pytest.mark.scenario("C-05")
def test_a_restarted_writer_knows_how_full_the_spool_is(folder):
    async def run():
        for _ in range(2):
            writer = SpoolWriter(folder, 10_000)
            try:
                for _ in range(20):
                    await writer.append(b"x" * 1000)
            except SpoolFull:
                pass
            await writer.close()
        assert sum(path.stat().st_size for path in folder.glob("*.seg")) <= 10_000 + HEADER_BYTES

    asyncio.run(run())


def test_a_sender_that_gives_up_takes_nobody_with_it_and_its_record_is_kept(folder, reader_of):
    async def run():
        writer = SpoolWriter(folder, PLENTY)
        tasks = [asyncio.create_task(writer.append(b"%d" % n)) for n in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        await writer.close()
        return done

    first, second, third = asyncio.run(run())
    assert (first, third) == (None, None)
    assert isinstance(second, asyncio.CancelledError)
    assert payloads(reader_of(folder).read()) == [b"0", b"1", b"2"]


def test_closing_writes_what_waits_and_refuses_what_comes_later(folder, reader_of):
    async def run():
        writer = SpoolWriter(folder, PLENTY)
        waiting = [asyncio.create_task(writer.append(b"%d" % n)) for n in range(100)]
        await asyncio.sleep(0)
        await writer.close()
        await writer.close()
        assert await asyncio.gather(*waiting) == [None] * 100
        with pytest.raises(SpoolBroken):
            await writer.append(b"late")

    asyncio.run(run())
    assert len(reader_of(folder).read()) == 100


def test_a_reader_goes_on_where_the_database_says(folder):
    append(folder, *(b"%d" % n for n in range(10)), segment_bytes=100)
    everything = SpoolReader(folder)
    items = everything.read()
    everything.close()
    for done, item in enumerate(items, start=1):
        reader = SpoolReader(folder, item.position)
        assert payloads(reader.read()) == [b"%d" % n for n in range(done, 10)]
        reader.close()


@pytest.mark.scenario("C-03")
def test_a_position_that_cannot_be_true_means_from_the_oldest_byte(folder):
    append(folder, b"a", b"b")
    first = SpoolReader(folder)
    last = first.read()[-1].position
    first.close()
    for position in (
        last._replace(spool=uuid4()),
        last._replace(segment=last.segment + 1),
        last._replace(offset=last.offset + 1),
    ):
        reader = SpoolReader(folder, position)
        assert payloads(reader.read()) == [b"a", b"b"]
        reader.close()


def test_a_spool_that_was_wiped_is_another_one(folder, reader_of):
    append(folder, b"a")
    first = SpoolReader(folder)
    position = first.read()[-1].position
    first.close()
    for path in folder.glob("*.seg"):
        path.unlink()
    append(folder, b"b")
    reader = reader_of(folder, position)
    (item,) = reader.read()
    assert item.payload == b"b"
    assert item.position.spool != position.spool


def test_a_reader_that_is_there_before_the_first_segment_reads_the_spool_that_is_made_of_it(folder, reader_of):
    folder.mkdir(0o700, parents=True)
    found(Disk(), folder)  # as a writer that is killed in its first moment leaves it
    reader = reader_of(folder)
    assert reader.read() == []
    append(folder, b"a")
    (item,) = reader.read()
    assert item.position.spool == identify(Disk(), folder)
    reader.release(item.position)
    assert reader.backlog().events == 0


def test_only_what_lies_wholly_before_a_released_position_is_removed(folder, reader_of):
    append(folder, *(b"%d" % n * 50 for n in range(8)), segment_bytes=150)
    reader = reader_of(folder)
    items = reader.read()
    for item in items:
        reader.release(item.position)
        left = sorted(int(path.stem) for path in folder.glob("*.seg"))
        assert left[0] == item.position.segment
    assert reader.release(items[-1].position._replace(spool=uuid4(), segment=10**6)) == 0
    assert segment_path(folder, items[-1].position.segment).exists()


def test_the_backlog_counts_exactly_and_is_nothing_when_all_is_released(folder, reader_of):
    append(folder, *(b"%d" % n * 50 for n in range(20)), segment_bytes=300)
    reader = reader_of(folder)
    assert reader.backlog().events == 20
    left = 20
    before = 0
    while items := reader.read(max_records=3):
        assert reader.backlog().events == left, "what is read but not committed is still waiting"
        reader.release(items[-1].position)
        left -= len(items)
        told = reader.backlog()
        assert (told.events, told.is_exact) == (left, True)
        if left:
            assert told.oldest_written_at_us >= before
            before = told.oldest_written_at_us
    assert reader.backlog().oldest_written_at_us is None
    append(folder, b"new")
    assert reader.backlog().events == 1


def test_a_huge_backlog_is_estimated_first_and_then_counted(folder, monkeypatch):
    append(folder, *(b"%03d" % n for n in range(300)), segment_bytes=1000)
    monkeypatch.setattr("ingest.spool.backlog.HOPS_PER_LOOK", 50)
    counter = BacklogCounter(folder)
    first = counter.look(None)
    assert not first.is_exact
    assert 200 < first.events < 400
    until(lambda: counter.look(None).is_exact, 5, "counted to the end")
    assert counter.look(None).events == 300


def test_a_waiting_reader_is_woken_by_the_writer(folder, reader_of):
    reader = reader_of(folder)
    woken = []

    async def run():
        writer = SpoolWriter(folder, PLENTY)
        reader.read()
        await writer.append(b"first")  # the bell looks for a listener
        assert payloads(reader.read()) == [b"first"]
        thread = threading.Thread(target=lambda: woken.append(reader.wait(10)))
        thread.start()
        await writer.append(b"second")
        await asyncio.to_thread(thread.join, 10)
        await writer.close()

    asyncio.run(run())
    assert woken == [True]
    assert payloads(reader.read()) == [b"second"]


def test_without_a_bell_the_reader_still_sees_what_is_new(folder, reader_of):
    append(folder, b"a")
    (folder / "wake").unlink(missing_ok=True)
    (folder / "wake").mkdir()
    reader = reader_of(folder)
    other = reader_of(folder.parent / "1")
    assert payloads(reader.read()) == [b"a"]
    assert reader.read() == []
    assert other.read() == []
    started = time.monotonic()
    assert not wait([reader, other], 2 * POLL_SECONDS)
    assert time.monotonic() - started >= 2 * POLL_SECONDS
    append(folder, b"b")
    assert wait([reader, other], 10)
    assert payloads(reader.read()) == [b"b"]


def test_an_unfinished_record_is_neither_read_nor_a_reason_to_wake(folder, reader_of):
    append(folder, b"a", b"b" * 100)
    path = segment_path(folder, 1)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    reader = reader_of(folder)
    assert payloads(reader.read()) == [b"a"]
    assert reader.read() == []
    assert not reader.wait(0)
    assert reader.backlog().events == 1, "only whole records count"
    path.write_bytes(whole)
    assert reader.wait(0)
    assert payloads(reader.read()) == [b"b" * 100]


def test_spools_are_listed_by_number(tmp_path):
    assert spools(tmp_path / "spool") == []
    for name in ("10", "2", "0", "lost+found"):
        (tmp_path / "spool" / name).mkdir(parents=True)
    (tmp_path / "spool" / "3").touch()
    assert [path.name for path in spools(tmp_path / "spool")] == ["0", "2", "10"]


WRITE_UNTIL_KILLED = textwrap.dedent("""
    import asyncio, os, sys
    from pathlib import Path
    from ingest.spool.writer import SpoolWriter

    async def send(writer, first):
        for n in range(first, 10_000_000, 8):
            await writer.append(b"%d:" % n + b"x" * (n % 5000))
            os.write(1, b"%d\\n" % n)

    async def main():
        writer = SpoolWriter(Path(sys.argv[1]), 1 << 30, 200_000)
        await asyncio.gather(*(send(writer, int(sys.argv[2]) + lane) for lane in range(8)))

    asyncio.run(main())
""")


def test_a_writer_killed_in_the_middle_loses_nothing_it_acknowledged(folder, tmp_path, reader_of):
    acked: list[int] = []
    for turn in range(5):
        told = tmp_path / f"acked-{turn}"
        with told.open("wb") as out:
            writer = subprocess.Popen(
                [sys.executable, "-c", WRITE_UNTIL_KILLED, str(folder), str(turn * 1_000_000)], stdout=out
            )
            until(lambda told=told: told.stat().st_size > 2000, 20, "some acknowledged records")
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        acked += [int(line) for line in told.read_text().splitlines()]
    append(folder, b"-1:")  # nobody may be in the way of the next writer
    reader = reader_of(folder)
    read = []
    while items := reader.read():
        read += [item.payload for item in items if isinstance(item, Record)]
    assert all(len(payload.split(b":")[1]) == int(payload.split(b":")[0]) % 5000 for payload in read[:-1])
    assert not set(acked) - {int(payload.split(b":")[0]) for payload in read}
    assert len(acked) > 500


def test_a_frame_costs_twenty_bytes(folder):
    append(folder, b"a", b"b" * 10)
    assert segment_path(folder, 1).stat().st_size == HEADER_BYTES + 2 * FRAME_BYTES + 11
