"""What must still be written on a full disk, so that it can become emptier."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.spool.disk import Disk

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    with (folder / "filling").open("wb", buffering=0) as file:
        while os.statvfs(folder).f_bavail:
            file.write(bytes(4096))


def test_what_had_its_room_reserved_is_stored_though_the_disk_is_full(small_disk: Path) -> None:
    disk, path = Disk(), small_disk / "counted.json"
    disk.reserve(path)
    fill(small_disk)
    disk.store(path, b'{"record_count": 17}')
    assert disk.load(path) == b'{"record_count": 17}'
    with pytest.raises(OSError, match="No space left"):
        disk.store(small_disk / "other.json", b"{}")
