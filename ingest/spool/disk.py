"""
What the spool asks of the operating system, and nothing more.

A class, because the tests put a disk in its place that forgets what was not synced, or that fails on demand.
"""

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

FOLDER_MODE = 0o700
FILE_MODE = 0o600
RESERVED_BYTES = 4096  # a block of most file systems


class Entry(NamedTuple):
    """One name in a folder; `size` is None for anything that is not a regular file."""

    name: str
    size: int | None


class Disk:
    """The real one. Every method raises OSError as the system does, but for the names it lists as harmless."""

    def prepare(self, folder: Path) -> None:
        """
        Make the folder ours alone: create it durably, and take away what others may do in it.

        Raises: PermissionError, with a sentence, when folder or a file in it belongs to somebody else.
        """
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(mode=FOLDER_MODE, exist_ok=True)
            self.sync_folder(path.parent)
        _own(folder, FOLDER_MODE)
        for entry in self.entries(folder):
            if entry.size is not None:
                with suppress(FileNotFoundError):  # the other process removes and renames meanwhile
                    _own(folder / entry.name, FILE_MODE)

    def lock(self, path: Path) -> int:
        """Take the lock file for as long as this process lives; BlockingIOError when another has it."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise
        return fd

    def entries(self, folder: Path) -> list[Entry]:
        """List a folder; names that vanish meanwhile are left out."""
        found = []
        with os.scandir(folder) as names:
            for name in names:
                try:
                    is_file = name.is_file(follow_symlinks=False)
                    found.append(Entry(name.name, name.stat(follow_symlinks=False).st_size if is_file else None))
                except FileNotFoundError:
                    continue
        return found

    def load(self, path: Path) -> bytes | None:
        """Read a small file; None when there is none."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    def reserve(self, path: Path) -> None:
        """Take the room that the next `store` to this path needs, so that it succeeds on a full disk too."""
        fd = os.open(_draft(path), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
        try:
            if not os.fstat(fd).st_size:
                os.write(fd, bytes(RESERVED_BYTES))
        finally:
            os.close(fd)

    def store(self, path: Path, data: bytes) -> None:
        """Write a small file so that after a crash it is there whole, or as it was."""
        draft = _draft(path)
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)  # not cut: its room is what there is
        try:
            os.write(fd, data)
            os.ftruncate(fd, len(data))
            os.fsync(fd)
        finally:
            os.close(fd)
        draft.rename(path)
        self.sync_folder(path.parent)

    def create(self, path: Path) -> int:
        """Open a file for appending that must not exist yet."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW
        return os.open(path, flags, FILE_MODE)

    def open(self, path: Path) -> int:
        """Open a file for reading; never follows a link, never waits for a pipe."""
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)

    def write(self, fd: int, data: memoryview) -> int:
        """Append; may take less than it was given."""
        return os.write(fd, data)

    def read(self, fd: int, size: int, offset: int) -> bytes:
        """Read at an offset; less than `size` at the end of the file."""
        return os.pread(fd, size, offset)

    def size(self, fd: int) -> int:
        """Say how long the file is now."""
        return os.fstat(fd).st_size

    def truncate(self, fd: int, size: int) -> None:
        """Cut a file."""
        os.ftruncate(fd, size)

    def sync(self, fd: int) -> None:
        """Make a file's bytes and length durable."""
        os.fdatasync(fd)

    def sync_folder(self, folder: Path) -> None:
        """Make a folder's names durable."""
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def close(self, fd: int) -> None:
        """Close a file or give back a lock."""
        os.close(fd)

    def unlink(self, path: Path) -> None:
        """Remove a name; one that is gone already is fine."""
        path.unlink(missing_ok=True)

    def move(self, path: Path, folder: Path) -> None:
        """Move a file into a folder, which is made when missing, without taking the place of another."""
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        target = folder / path.name
        number = 1
        while target.exists():
            number += 1
            target = folder / f"{path.name}.{number}"
        path.rename(target)
        self.sync_folder(folder)


def _draft(path: Path) -> Path:
    return path.with_name(path.name + ".tmp")


def _own(path: Path, mode: int) -> None:
    found = path.stat(follow_symlinks=path.is_dir())
    if found.st_uid != os.geteuid():
        msg = f"{path} belongs to user {found.st_uid}, this is user {os.geteuid()}: run as that user, or chown it"
        raise PermissionError(msg)
    if stat.S_IMODE(found.st_mode) != mode:
        path.chmod(mode)
