"""Scenario C-05: a disk for the spool that gets full while PostgreSQL is away, and has room again."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proof.rig import proving
from tests.proof.verdict import Answer
from tests.support.cluster import Cluster
from tests.support.small_disk import MOUNTS, mounted
from tests.support.wait import until

pytestmark = [
    pytest.mark.timeout(900),
    MOUNTS,
]

RATE = 200
DISK_MB = 16
REFUSED = 500


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A data folder on a disk of its own."""
    with mounted(tmp_path / "data", f"{DISK_MB}m") as disk:
        yield disk


@pytest.mark.scenario("C-05", tier=2)
def test_a_full_disk_is_told_at_once_and_empties_itself_when_the_database_is_back(
    tmp_path: Path, cluster: Cluster, small_disk: Path
) -> None:
    with proving("C-05", tmp_path, cluster.url, least=500) as run:
        sending = run.send(rate=RATE)
        sending.wait_acknowledged(RATE)
        cluster.stop()
        until(lambda: refused(sending.answers()) > 0, 300, "the disk is full")
        at_full = sending.acknowledged()
        until(lambda: refused(sending.answers()) > REFUSED, 300, "so many are refused")
        assert shutil.disk_usage(small_disk).free < 2 << 20
        assert run.server.status("/healthz") == 200
        assert run.server.status("/readyz") == 503
        cluster.start()
        sending.wait_acknowledged(RATE, 120)
        slow = sorted(each.waited for each in sending.answers() if each.status == 503)
    assert at_full > RATE
    print(f"503 after {slow[len(slow) * 99 // 100] * 1e3:.0f} ms (p99), {len(slow)} of them")
    assert {each.status for each in run.answers() if each.status >= 400} == {503}


def refused(answers: list[Answer]) -> int:
    return sum(each.status == 503 for each in answers)
