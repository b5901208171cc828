"""Scenario C-05: a disk for the spool that gets full while PostgreSQL is away, and has room again."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proof.rig import proving
from tests.proof.verdict import Answer
from tests.support.cluster import Cluster
from tests.support.wait import until

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="only root can mount a small disk"),
]

RATE = 200
DISK_MB = 16
REFUSED = 500


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A data folder on a disk of its own; whatever is still open on it does not keep it mounted."""
    folder = tmp_path / "data"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


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
