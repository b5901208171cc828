"""
The spool against a disk that forgets: whatever is killed or cut whenever, everything acknowledged is loaded.

The machine plays sender, loader and database; the database forgets nothing, the disk everything that was not synced.
How many histories are tried depends on the tier; ERRHOUSE_TEST_EXAMPLES says it otherwise.
"""

import os
from collections import Counter
from pathlib import Path
from random import Random

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from ingest.spool import Position, SpoolBroken
from ingest.spool.backlog import BacklogCounter
from ingest.spool.journal import Journal
from ingest.spool.reader import SpoolReader
from ingest.spool.segment_reader import Record
from tests.proof.lines import report
from tests.support.spool_disk import MemoryDisk, PowerCut

HOLDS = ("C-01",)
FOLDER = Path("/nowhere/spool/0")
TIER = os.environ.get("ERRHOUSE_TEST_TIER", "1")
EXAMPLES = int(os.environ.get("ERRHOUSE_TEST_EXAMPLES", {"1": 300, "2": 3_000, "3": 50_000}[TIER]))
STEPS = 40 if TIER == "1" else 60
seen: Counter[str] = Counter()


class SpoolMachine(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 2**32))
    def start(self, seed):
        structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
        self.random = Random(seed)
        self.disk = MemoryDisk(self.random)
        self.number = 0
        self.tried: list[bytes] = []
        self.acked: list[bytes] = []
        self.groups: dict[bytes, int] = {}  # of the acknowledged
        self.position: Position | None = None  # these two are the database
        self.loaded: list[bytes] = []
        self.in_flight: list = []
        self.journal: Journal | None = None
        self.reader: SpoolReader | None = None

    def _record(self):
        self.number += 1
        return b"%d:" % self.number + self.random.randbytes(self.random.choice((0, 1, 30, 511, 512, 1300)))

    def _guarded(self, act):
        try:
            act()
        except PowerCut:
            self._cut()

    def _cut(self):
        seen["power cuts"] += 1
        self.disk.power_cut()
        self.journal = self.reader = None
        self.in_flight = []

    def _write(self, count):
        if self.journal is None:
            self.journal = Journal(FOLDER, 2000, self.disk)
        records = [self._record() for _ in range(count)]
        self.tried += records
        self.journal._blocked_until = 0.0
        try:
            self.journal.commit(records)
        except SpoolBroken:
            seen["refused"] += len(records)
            return
        seen["acked"] += len(records)
        self.acked += records
        self.groups.update(dict.fromkeys(records, len(self.groups)))

    def _read(self, count):
        if self.reader is None:
            self.reader = SpoolReader(FOLDER, self.position, self.disk)
        self.in_flight += self.reader.read(count, 3000)

    def _load(self, count):
        items, self.in_flight = self.in_flight[:count], self.in_flight[count:]
        if items:
            self.loaded += [item.payload for item in items if isinstance(item, Record)]
            self.position = items[-1].position

    @rule(count=st.integers(1, 4))
    def write(self, count):
        self._guarded(lambda: self._write(count))

    @rule(count=st.integers(1, 4), after=st.integers(1, 7))
    def write_into_a_power_cut(self, count, after):
        self.disk.cut_after = after
        self._guarded(lambda: self._write(count))
        self.disk.cut_after = None

    @rule(
        count=st.integers(1, 4),
        failing=st.lists(
            st.sampled_from(("write", "sync", "create", "truncate", "sync_folder")), min_size=1, max_size=5
        ),
    )
    def write_on_a_failing_disk(self, count, failing):
        self._guarded(lambda: self._write(1))
        self.disk.failing.update(failing)
        self._guarded(lambda: self._write(count))
        self.disk.failing.clear()

    @rule(count=st.integers(1, 6))
    def read(self, count):
        self._read(count)

    @rule(count=st.integers(1, 12))
    def load(self, count):
        self._load(count)

    @rule(cut=st.none() | st.integers(1, 3))
    def release(self, cut):
        if self.reader is None or self.position is None:
            return
        self.disk.cut_after = cut
        self._guarded(lambda: self.reader.release(self.position))
        self.disk.cut_after = None

    @rule()
    def kill_the_writer(self):
        if self.journal is not None:
            segment = self.journal._segment
            self.disk.process_killed([self.journal._lock, *([segment.fd] if segment else [])])
            self.journal = None

    @rule()
    def kill_the_loader(self):
        if self.reader is not None:
            self.reader.close()
            self.reader = None
            self.in_flight = []

    @rule()
    def cut_the_power(self):
        self._cut()

    @rule()
    def count(self):
        if self.reader is None or self.disk.cut_after is not None:
            return
        told = self.reader.backlog()
        assert told == BacklogCounter(FOLDER, self.disk).look(self.reader._committed)

    def teardown(self):
        if not hasattr(self, "disk"):
            return
        seen["histories"] += 1
        self.disk.cut_after = None
        self.disk.failing.clear()
        self._write(1)  # seals whatever tail there is
        while True:
            self._read(100)
            if not self.in_flight:
                break
            self._load(100)
        lost = set(self.acked) - set(self.loaded)
        seen["lost"] += len(lost)
        assert not lost, f"acknowledged and lost: {sorted(lost)}"
        assert not set(self.loaded) - set(self.tried), "invented"
        # Within a group that had to be written twice, the power cut may keep the second record of the first try only.
        order = [self.groups[record] for record in dict.fromkeys(self.loaded) if record in self.groups]
        assert order == sorted(order), "out of order"
        self.reader.release(self.position)
        assert self.reader.backlog().events == 0
        assert self.reader.backlog().is_exact


@pytest.mark.timeout(3 * 3600)
class TestSpoolMachine(SpoolMachine.TestCase):
    settings = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )

    def runTest(self):  # noqa: N802 - unittest's name
        seen.clear()
        super().runTest()
        assert min(seen[each] for each in ("histories", "acked", "refused", "power cuts")) > EXAMPLES // 10, seen
        told = " ".join(f"{name} {seen[name]}" for name in ("histories", "acked", "refused", "power cuts"))
        report(f"C-01 pass {told} lost {seen['lost']}")
