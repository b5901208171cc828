"""What must still be written on a full disk, so that it can become emptier."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.spool.disk import Disk
from tests.support.small_disk import MOUNTS, mounted

pytestmark = MOUNTS


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "64k") as disk:
        yield disk


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
