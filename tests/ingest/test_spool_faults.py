"""A disk that fails: nobody gets a false promise, nothing acknowledged is lost, and it goes on without a human."""

import asyncio
import errno
import time

import pytest

from ingest.spool import SpoolBroken
from ingest.spool.reader import SpoolReader
from ingest.spool.segment import FRAME_BYTES
from ingest.spool.segment_reader import Damaged, Record
from ingest.spool.writer import SpoolWriter
from tests.support.spool_disk import FailingDisk

HOLDS = ("C-06",)
PLENTY = 1 << 30
ERRORS = [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EMFILE]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr("ingest.spool.journal.RETRY_SECONDS", 0.0)


@pytest.fixture
def disk():
    return FailingDisk()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "spool" / "0"


def read_all(folder, disk=None):
    reader = SpoolReader(folder, None, disk)
    items = []
    while some := reader.read():
        items += some
    reader.close()
    return items


@pytest.mark.parametrize("operation", ["write", "sync", "create", "sync_folder"])
@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
def test_one_error_costs_a_segment_and_nobody_notices(folder, disk, operation, code):
    async def run():
        writer = SpoolWriter(folder, PLENTY, 1, disk)
        await writer.append(b"before")
        disk.fail(operation, code, times=1)
        await asyncio.gather(writer.append(b"during 1"), writer.append(b"during 2"))
        await writer.append(b"after")
        stats = writer.stats()
        await writer.close()
        return stats

    stats = asyncio.run(run())
    assert (stats.failure_count, stats.is_degraded) == (1, True)
    items = read_all(folder)
    assert not [item for item in items if isinstance(item, Damaged)]
    assert list(dict.fromkeys(item.payload for item in items)) == [b"before", b"during 1", b"during 2", b"after"]


@pytest.mark.parametrize("operation", ["write", "sync", "create", "sync_folder"])
@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
def test_while_nothing_can_be_written_everybody_is_told_and_afterwards_it_goes_on(folder, disk, operation, code):
    async def run():
        writer = SpoolWriter(folder, PLENTY, 1, disk)
        await writer.append(b"before")
        disk.fail(operation, code)
        for _ in range(3):
            told = await asyncio.gather(*(writer.append(b"during") for _ in range(5)), return_exceptions=True)
            assert {type(one) for one in told} == {SpoolBroken}
            assert len({id(one) for one in told}) == 5
        assert writer.stats().is_degraded
        disk.heal()
        await writer.append(b"after")
        await writer.close()

    asyncio.run(run())
    read = [item.payload for item in read_all(folder) if isinstance(item, Record)]
    assert (read[0], read[-1]) == (b"before", b"after")
    assert set(read) <= {b"before", b"during", b"after"}, "late is allowed, invented is not"


def test_a_file_that_failed_to_sync_is_never_touched_again(folder, disk):
    async def run():
        writer = SpoolWriter(folder, PLENTY, 1 << 20, disk)
        await writer.append(b"before")
        disk.fail("sync", errno.EIO, times=1)
        disk.calls.clear()
        await writer.append(b"during")
        calls = list(disk.calls)
        await writer.close()
        return calls

    calls = asyncio.run(run())
    assert [operation for operation, _ in calls] == [
        *("write", "sync"),  # fails
        *("create", "write", "sync", "sync_folder"),  # the next segment with its header
        *("write", "sync"),  # the record
    ]


def test_every_record_is_synced_before_it_is_acknowledged_and_names_before_records(folder, disk):
    async def run():
        writer = SpoolWriter(folder, PLENTY, 100, disk)
        for n in range(20):
            disk.calls.clear()
            await writer.append(b"%d" % n * 30)
            operations = [operation for operation, _ in disk.calls]
            assert operations[-2:] == ["write", "sync"]
            # the next segment with its header, and how much was in those before it
            assert operations[:-2] in ([], ["create", "write", "sync", "sync_folder", "sync_folder"])
        await writer.close()

    asyncio.run(run())


def test_a_full_disk_does_not_fill_up_with_what_nobody_was_promised(folder, disk):
    async def run():
        writer = SpoolWriter(folder, PLENTY, 1 << 20, disk)
        await writer.append(b"before")
        size = sum(path.stat().st_size for path in folder.glob("*.seg"))
        write = disk.write

        def half(fd, data):
            if len(data) > 5000:
                return write(fd, data[:5000])
            raise OSError(errno.ENOSPC, "no space")

        disk.write = half
        with pytest.raises(SpoolBroken):
            await writer.append(b"x" * 10_000)
        assert sum(path.stat().st_size for path in folder.glob("*.seg")) < size + 200
        del disk.write
        await writer.append(b"after")
        await writer.close()

    asyncio.run(run())
    assert [item.payload for item in read_all(folder)] == [b"before", b"after"]


def test_after_two_failures_the_disk_is_left_in_peace_for_a_moment(folder, disk, monkeypatch):
    monkeypatch.setattr("ingest.spool.journal.RETRY_SECONDS", 60.0)

    async def run():
        writer = SpoolWriter(folder, PLENTY, 1 << 20, disk)
        disk.fail("write", errno.ENOSPC)
        for _ in range(50):
            with pytest.raises(SpoolBroken):
                await writer.append(b"x")
        assert len(list(folder.glob("*.seg"))) == 2
        await writer.close()

    asyncio.run(run())


def test_a_receiver_starts_on_a_full_disk_and_says_so_at_each_append(folder, disk):
    async def run():
        await SpoolWriter(folder, PLENTY).close()
        disk.fail("create", errno.ENOSPC)
        writer = SpoolWriter(folder, PLENTY, 1 << 20, disk)
        with pytest.raises(SpoolBroken, match="No space left on device"):
            await writer.append(b"x")
        disk.heal()
        await writer.append(b"y")
        await writer.close()

    asyncio.run(run())
    assert [item.payload for item in read_all(folder)] == [b"y"]


def test_whatever_goes_wrong_in_the_thread_is_told_to_those_who_wait(folder, disk):
    async def run():
        writer = SpoolWriter(folder, PLENTY, 1 << 20, disk)
        disk.sync = lambda _fd: {}["surprise"]
        with pytest.raises(SpoolBroken, match="KeyError"):
            await writer.append(b"x")
        del disk.sync
        await writer.append(b"y")
        await writer.close()

    asyncio.run(run())
    assert read_all(folder)[-1].payload == b"y"


def test_a_bad_sector_costs_its_own_records_only(folder, disk):
    records = [b"%d" % n * 3000 for n in range(10)]

    async def run():
        writer = SpoolWriter(folder, PLENTY)
        for record in records:
            await writer.append(record)
        await writer.close()
        await SpoolWriter(folder, PLENTY).close()

    asyncio.run(run())
    read = disk.read

    def bad(fd, size, offset):
        if offset <= 14_000 < offset + size:
            raise OSError(errno.EIO, "bad sector")
        return read(fd, size, offset)

    disk.read = bad
    started = time.monotonic()
    items = read_all(folder, disk)
    assert time.monotonic() - started < 3
    # The sector from 12288 to 16384 holds parts of the fifth and the sixth record.
    assert [item.payload for item in items if isinstance(item, Record)] == records[:4] + records[6:]
    assert sum(len(item.data) for item in items if isinstance(item, Damaged)) == 2 * (FRAME_BYTES + 3000)
