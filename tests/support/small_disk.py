"""A small disk of a test's own, in memory, that can be filled to its last byte; only root may mount one."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MOUNTS = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mount") is None, reason="only root can mount a small disk"
)


@contextmanager
def mounted(folder: Path, size: str, *options: str) -> Iterator[Path]:
    """Mount one at a folder that is made for it; whatever is still open on it does not keep it mounted."""
    folder.mkdir()
    told = ",".join((f"size={size}", *options))
    subprocess.run(["mount", "-t", "tmpfs", "-o", told, "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
