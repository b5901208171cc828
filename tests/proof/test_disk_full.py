"""Scenario D-11: PostgreSQL's disk is full, and then it has room again."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proof.lines import report
from tests.proof.rig import proving
from tests.support.cluster import IMMEDIATE, Cluster
from tests.support.postgres import run
from tests.support.small_disk import MOUNTS, mounted
from tests.support.wait import until

pytestmark = [
    pytest.mark.timeout(900),
    MOUNTS,
]

RATE = 200
FULL_SECONDS = 20
DISK_MB = 300
BLOCK = 1 << 20


@pytest.fixture
def small_disk(cluster: Cluster) -> Iterator[Path]:
    """A disk for a tablespace; in PostgreSQL's own folder, since it cannot enter those of tests."""
    owner = cluster.data.stat()
    options = (f"uid={owner.st_uid}", f"gid={owner.st_gid}", "mode=0700")
    with mounted(cluster.data / "small", f"{DISK_MB}m", *options) as disk:
        yield disk
        cluster.stop(IMMEDIATE)


def fill(disk: Path) -> Path:
    """Leave no byte on a disk; give the file that takes the room."""
    ballast = disk / "ballast"
    with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:  # noqa: PT012
        while True:
            file.write(bytes(BLOCK))
    return ballast


@pytest.mark.scenario("D-11", tier=2)
def test_a_full_disk_of_the_database_delays_rows_until_there_is_room(
    tmp_path: Path, cluster: Cluster, small_disk: Path
) -> None:
    run(cluster.url, "create tablespace small location '/proc/self/cwd/small'")
    run(cluster.url, "create database small tablespace small")
    with proving("D-11", tmp_path, cluster.url_of("small"), drained_seconds=120) as scenario:
        sending = scenario.send(rate=RATE, profile="small")
        sending.wait_acknowledged(RATE * 2)
        ballast = fill(small_disk)
        until(lambda: "53100" in scenario.server.readyz()["database"], 60, "the loader is told that the disk is full")
        sending.wait_acknowledged(RATE * FULL_SECONDS, FULL_SECONDS * 10)
        waiting = scenario.server.readyz()["spool_events"]
        assert waiting > RATE * FULL_SECONDS // 2
        assert shutil.disk_usage(small_disk).free < BLOCK
        ballast.unlink()
        until(lambda: scenario.server.readyz()["database"] == "ok", 60, "the loader goes on")
        sending.wait_acknowledged(RATE * 2)
    report(f"D-11 {waiting} events waited while the {DISK_MB} MB of the database were full")
    assert (scenario.verdict.refused, scenario.verdict.cut, scenario.verdict.set_aside) == (0, 0, 0), scenario.verdict
