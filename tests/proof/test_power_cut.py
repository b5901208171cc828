"""Scenario C-02: power cuts, as copies of a mounted file system's image, taken at random moments and recovered."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from uuid import UUID

import psutil
import pytest

from ingest.spool import Position
from ingest.spool.reader import SpoolReader
from ingest.spool.segment_reader import Damaged, Record
from tests.proof.lines import report
from tests.proof.spool_at_work import number_of
from tests.support.server import ROOT, environment
from tests.support.wait import until

CUTS = 200
RATE = 300
IMAGE_MB = 32
RECOVERY_SECONDS = 30
UNSYNCED = "unsynced"


def mounts() -> bool:
    """Say whether images of file systems can be mounted here."""
    if os.geteuid() != 0 or not all(shutil.which(tool) for tool in ("mkfs.ext4", "mount", "losetup")):
        return False
    return subprocess.run(["losetup", "-f"], check=False, capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.timeout(7200),
    pytest.mark.skipif(not mounts(), reason="only root, with loop devices and ext4, can mount an image"),
]


@contextmanager
def mounted(image: Path, at: Path, options: str) -> Iterator[Path]:
    at.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", f"loop,{options}", str(image), str(at)], check=True, capture_output=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True, capture_output=True)


class Work:
    """The spool at work, and what it has told by now."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._log = log
        with log.open("wb") as out:
            command = [sys.executable, "-m", "tests.proof.spool_at_work", str(folder), str(RATE)]
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment(PYTHONPATH=str(ROOT)), stdout=out)
        self._file = log.open("rb")
        self.acked: set[int] = set()
        self.loaded: set[int] = set()
        self.refused = 0
        self.position: Position | None = None

    def look(self) -> int:
        """Take in what was told since the last look; give how many are acknowledged."""
        while line := self._file.readline():
            if not line.endswith(b"\n"):
                self._file.seek(-len(line), os.SEEK_CUR)  # it is being written
                break
            word, *more = line.decode().split()
            if word == "ACK":
                self.acked.add(int(more[0]))
            elif word == "AT":
                self.position = Position(UUID(more[0]), int(more[1]), int(more[2]))
                self.loaded.update(map(int, more[3:]))
            else:
                self.refused += 1
        return len(self.acked)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop it where it is, calls to the system that it is in included, and let it go on."""
        os.kill(self.process.pid, signal.SIGSTOP)
        threads = psutil.Process(self.process.pid)
        until(lambda: threads.status() == psutil.STATUS_STOPPED, 30, "it stands still")
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    def end(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self._file.close()


@pytest.mark.scenario("C-02", tier=3)
def test_what_was_acknowledged_before_the_power_went_is_read_afterwards(tmp_path: Path) -> None:
    image, copy, random = tmp_path / "image", tmp_path / "copy", Random(2)
    with image.open("wb") as file:
        file.truncate(IMAGE_MB << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True)
    torn = pieces = read = unpromised = empty = waited = 0
    longest = 0.0
    with mounted(image, tmp_path / "disk", "commit=600") as disk:
        work = Work(disk / "spool", tmp_path / "told")
        try:
            for number in range(CUTS):
                wanted = work.look() + random.randint(1, RATE)
                until(lambda wanted=wanted: work.look() >= wanted, 120, "more is acknowledged")  # type: ignore[misc]
                with work.stopped():
                    work.look()
                    waiting, position = work.acked - work.loaded, work.position
                    (disk / f"{UNSYNCED}-{number}").write_bytes(b"what nobody has synced")
                    shutil.copy(image, copy)
                with mounted(copy, tmp_path / "recovered", "errors=remount-ro") as recovered:
                    assert not size(recovered / f"{UNSYNCED}-{number}"), (
                        "a copy holds what was synced, and nothing else"
                    )
                    begun = time.monotonic()
                    found, bad, tails = recover(recovered / "spool", position)
                    longest = max(longest, time.monotonic() - begun)
                    empty += sum(path.stat().st_size == 0 for path in recovered.rglob("*.seg"))
                read += len(found)
                torn += tails
                pieces += bad
                unpromised += len(found - waiting)
                waited += len(waiting)
                assert waiting <= found, f"acknowledged and lost: {sorted(waiting - found)[:20]}"
        finally:
            work.end()
    assert longest < RECOVERY_SECONDS
    assert waited > CUTS, "most cuts were in the middle of something"
    report(
        f"C-02 pass cuts {CUTS} acked {len(work.acked)} waiting at cuts {waited} read {read} unpromised {unpromised} "
        f"torn {torn} empty segments {empty} damaged {pieces} recovery at most {longest:.2f} s"
    )


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def recover(folder: Path, position: Position | None) -> tuple[set[int], int, int]:
    """Read what is there behind a position: numbers, pieces that are no record, tails of NULs."""
    reader = SpoolReader(folder, position)
    found: set[int] = set()
    bad = 0
    while items := reader.read():
        for item in items:
            if isinstance(item, Record):
                number = number_of(item.payload)
                assert number is not None, "an invented record"
                found.add(number)
            else:
                assert isinstance(item, Damaged)
                bad += 1
    reader.close()
    return found, bad, reader.torn_count
