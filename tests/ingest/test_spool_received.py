"""What a spool received is known to the record: across rotations, crashes, errors of the disk, and after removal."""

import errno
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ingest.spool import COUNTED, Position, SpoolBroken, segment_path, segments
from ingest.spool.journal import Journal
from ingest.spool.reader import SpoolReader
from ingest.spool.received import is_whole, received, waiting
from tests.support.spool_disk import FailingDisk, MemoryDisk

SMALL = 100  # bytes of a segment: a few records, then the next one
NOWHERE = Path("/nowhere/spool/0")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "0"


def write(folder: Path, count: int, segment_bytes: int = SMALL, disk: FailingDisk | None = None) -> Journal:
    """Write so many records, each a group, and leave the writer as it is."""
    journal = Journal(folder, segment_bytes, disk)
    for number in range(count):
        journal.commit([b"record %d" % number])
    return journal


def killed(journal: Journal) -> None:
    """Let a writer go as the system does when it is killed: files and lock, and nothing said."""
    journal.close()


def load(folder: Path, most: int = 1_000, at: tuple[Position, int] | None = None) -> tuple[Position, int]:
    """Read, commit and release; give the committed position and the records before it."""
    reader = SpoolReader(folder, at[0] if at else None)
    items = reader.read(most)
    position = items[-1].position
    reader.release(position)
    reader.close()
    return position, (at[1] if at else 0) + len(items)


@pytest.mark.parametrize("segment_bytes", [1, SMALL, 1_000_000])
def test_what_was_written_is_received_while_it_is_written_and_afterwards(folder: Path, segment_bytes: int) -> None:
    assert Journal(folder, segment_bytes).close() is None
    assert received(folder) == 0
    journal = write(folder, 20, segment_bytes)
    assert (received(folder), is_whole(folder)) == (20, True)
    killed(journal)
    write(folder, 5, segment_bytes).close()
    assert (received(folder), is_whole(folder)) == (25, True)


def test_loaded_segments_that_are_removed_are_still_received(folder: Path) -> None:
    write(folder, 30).close()
    at = load(folder, 25)
    assert min(segments(FailingDisk(), folder)) > 1
    assert (at[1], waiting(folder, at[0]), received(folder)) == (25, 5, 30)
    write(folder, 30).close()
    at = load(folder, at=at)
    assert (at[1], waiting(folder, at[0]), received(folder)) == (60, 0, 60)
    assert is_whole(folder)


def test_a_torn_tail_counts_as_the_loader_counts_it(folder: Path) -> None:
    killed(write(folder, 3, 1_000_000))
    with segment_path(folder, 1).open("ab") as file:
        file.write(b"half a record")
    assert received(folder) == 3  # it may still become one
    write(folder, 2, 1_000_000).close()
    assert received(folder) == 6
    assert load(folder)[1] == 6


def test_a_damaged_record_counts_as_the_loader_counts_it(folder: Path) -> None:
    killed(write(folder, 3, 1_000_000))
    data = bytearray(segment_path(folder, 1).read_bytes())
    data[data.index(b"record 1")] ^= 1
    segment_path(folder, 1).write_bytes(data)
    write(folder, 1).close()
    assert (received(folder), load(folder)[1]) == (4, 4)


def test_a_segment_that_was_given_up_counts_what_can_be_read_of_it(folder: Path) -> None:
    disk = FailingDisk()
    journal = write(folder, 3, 1_000_000, disk)
    disk.fail("sync", errno.EIO, times=1)
    journal.commit([b"twice"])  # written, not known to be durable, and so written again
    at = load(folder)
    assert (at[1], received(folder)) == (5, 5)
    assert segment_path(folder, 1).exists()  # not counted yet: it must not go
    journal.tend()
    SpoolReader(folder, at[0]).release(at[0])
    assert not segment_path(folder, 1).exists()
    assert received(folder) == 5
    journal.close()


def test_while_the_count_cannot_be_written_records_are_taken_and_nothing_uncounted_is_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FailingDisk()
    journal = write(folder, 2, 1, disk)

    def full(path: Path, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, f"no space for {path.name}")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "store", full)
        for number in range(4):
            journal.commit([b"more %d" % number])
        at = load(folder)
        assert (at[1], received(folder), len(segments(disk, folder))) == (6, 6, 5)
        killed(journal)
    assert received(folder) == 6
    Journal(folder, 1).close()
    reader = SpoolReader(folder, at[0])
    assert reader.read() == []
    assert (received(folder), waiting(folder, at[0])) == (6, 0)
    for _ in range(3):
        Journal(folder, 1).close()
    assert reader.release(at[0]) > 0
    assert received(folder) == 6
    reader.close()


@pytest.mark.parametrize("damage", [None, b"", b"{", b'{"format":1}'])
def test_a_spool_that_was_never_counted_or_lost_its_count_starts_with_what_is_there(
    folder: Path, damage: bytes | None
) -> None:
    write(folder, 10).close()
    at = load(folder, 5)
    left = received(folder) - min(segments(FailingDisk(), folder)) + 1
    (folder / COUNTED).unlink()
    if damage is not None:
        (folder / COUNTED).write_bytes(damage)
    assert not is_whole(folder)
    assert 5 <= received(folder) < 10
    for _ in range(6):  # each start reads a little of what is there
        write(folder, 1).close()
    assert (received(folder) >= left, is_whole(folder)) == (True, False)
    assert waiting(folder, at[0]) == 11


def test_a_count_that_is_lost_before_anything_was_removed_is_whole_again(folder: Path) -> None:
    write(folder, 10).close()
    (folder / COUNTED).unlink()
    assert is_whole(folder)
    write(folder, 1).close()
    assert (received(folder), is_whole(folder)) == (11, True)


def test_a_spool_that_is_wiped_is_another_one(folder: Path) -> None:
    write(folder, 10).close()
    for segment in segments(FailingDisk(), folder):
        segment_path(folder, segment).unlink()
    write(folder, 2).close()
    assert (received(folder), is_whole(folder)) == (2, True)


def test_a_position_whose_segment_is_gone_must_be_read_again(folder: Path) -> None:
    write(folder, 10).close()
    old, _ = load(folder, 1)
    load(folder)
    assert waiting(folder, old) is None
    assert waiting(folder, old._replace(spool=UUID(int=1))) == waiting(folder, None) > 0  # another's fits nothing


class ReceivedMachine(RuleBasedStateMachine):
    """Writer and loader come, go and are killed; the database forgets nothing, neither does the disk."""

    @initialize(seed=st.integers(0, 2**32))
    def start(self, seed: int) -> None:
        structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
        self.random = Random(seed)
        self.disk = MemoryDisk(self.random)
        self.journal: Journal | None = None
        self.reader: SpoolReader | None = None
        self.read_ahead: list = []
        self.position: Position | None = None
        self.record_count = 0
        self.taken = 0
        self.failed = 0

    def _writer(self) -> Journal:
        if self.journal is None:
            self.journal = Journal(NOWHERE, self.random.choice((1, 300, 10_000)), self.disk)
        return self.journal

    @rule(groups=st.lists(st.integers(1, 4), min_size=1, max_size=4))
    def append(self, groups: list[int]) -> None:
        journal = self._writer()
        for size in groups:
            journal._blocked_until = 0.0
            try:
                journal.commit([self.random.randbytes(self.random.choice((0, 10, 200))) for _ in range(size)])
            except SpoolBroken:
                self.failed += size
            else:
                self.taken += size

    @rule(failing=st.lists(st.sampled_from(("write", "sync", "create", "sync_folder", "store")), max_size=4))
    def append_on_a_failing_disk(self, failing: list[str]) -> None:
        self._writer()
        self.disk.failing.update(failing)
        self.failed += 2 * len(failing)  # so much may be there twice
        self.append([1, 2])
        self.disk.failing.clear()

    @rule()
    def kill_the_writer(self) -> None:
        if self.journal is not None:
            segment = self.journal._segment
            self.disk.process_killed([self.journal._lock, *([segment.fd] if segment else [])])
            self.journal = None

    @rule()
    def tear_what_the_writer_wrote_last(self) -> None:
        if self.journal is not None and (segment := self.journal._segment):
            self.disk.fds[segment.fd].data += b"half"
            self.kill_the_writer()
            self.failed += 1

    @rule()
    def tend(self) -> None:
        if self.journal is not None:
            self.journal.tend()

    @rule(count=st.integers(1, 6))
    def read(self, count: int) -> None:
        if self.reader is None:
            self.reader = SpoolReader(NOWHERE, self.position, self.disk)
        self.read_ahead += self.reader.read(count, 3000)

    @rule(count=st.integers(1, 12))
    def load(self, count: int) -> None:
        items, self.read_ahead = self.read_ahead[:count], self.read_ahead[count:]
        if items:
            self.position = items[-1].position
            self.record_count += len(items)

    @rule()
    def release(self) -> None:
        if self.reader is not None and self.position is not None:
            if not self.read_ahead and (ahead := self.reader.next_segment()):
                self.position = ahead
            self.reader.release(self.position)

    @rule()
    def kill_the_loader(self) -> None:
        if self.reader is not None:
            self.reader.close()
            self.reader = None
            self.read_ahead = []

    @invariant()
    def nothing_is_counted_twice_or_not_at_all(self) -> None:
        if not hasattr(self, "disk"):
            return
        told = received(NOWHERE, self.disk)
        assert told == self.record_count + (waiting(NOWHERE, self.position, self.disk) or 0)
        assert self.taken <= told <= self.taken + self.failed
        assert is_whole(NOWHERE, self.disk)


TestReceivedMachine = ReceivedMachine.TestCase
TestReceivedMachine.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
