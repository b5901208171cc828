"""Disks for the spool's tests: one in memory that forgets what was not synced, and a real one that fails on demand."""

import errno
import os
from collections import Counter
from pathlib import Path
from random import Random

from ingest.spool.disk import Disk, Entry

BLOCK = 512


class PowerCut(BaseException):
    """The moment the machine stops; nothing below a test may catch it."""


class File:
    """A file's bytes as the system shows them, and as the disk has them."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.durable = b""


class MemoryDisk(Disk):
    """
    One folder, in memory, that separates what is visible from what is durable.

    `cut_after` operations that change something, the power is cut: before, or half-way through, the operation.
    `failing` names operations that raise EIO, once each.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.names: dict[str, File] = {}
        self.durable_names: dict[str, File] = {}
        self.fds: dict[int, File] = {}
        self.locks: dict[str, int] = {}
        self.next_fd = 3
        self.cut_after: int | None = None
        self.failing: Counter[str] = Counter()

    def power_cut(self) -> None:
        """Keep, of what was not synced, what the disk happens to have written back."""
        self.cut_after = None
        self.failing.clear()
        self.fds, self.locks = {}, {}
        names = {}
        for name in sorted({*self.names, *self.durable_names}):
            file = self.random.choice((self.names, self.durable_names)).get(name)
            if file is not None:
                names[name] = file
        self.names = names
        self.durable_names = dict(names)
        for file in {id(file): file for file in names.values()}.values():
            file.data = bytearray(self._survives(file))
            file.durable = bytes(file.data)

    def process_killed(self, fds: list[int]) -> None:
        """Give back what a process held."""
        for fd in fds:
            self.fds.pop(fd, None)
        self.locks = {name: fd for name, fd in self.locks.items() if fd not in fds}

    def _survives(self, file: File) -> bytes:
        written = bytes(file.data)
        if len(written) <= len(file.durable):
            return self.random.choice((written, file.durable))
        size = self.random.choice(
            (len(file.durable), len(written), self.random.randint(len(file.durable), len(written)))
        )
        data = bytearray(written[:size])
        if self.random.random() < 0.5:  # the length is known to the disk, some blocks are not there yet
            for at in range(len(file.durable), size, BLOCK):
                if self.random.random() < 0.5:
                    data[at : min(at + BLOCK, size)] = bytes(min(at + BLOCK, size) - at)
        return bytes(data)

    def _changes(self, operation: str) -> bool:
        """Count one operation; True when the power goes half-way through it."""
        if self.failing[operation]:
            self.failing[operation] -= 1
            raise OSError(errno.EIO, "injected")
        if self.cut_after is None:
            return False
        self.cut_after -= 1
        if self.cut_after > 0:
            return False
        if self.random.random() < 0.5:
            raise PowerCut
        return True

    def _new_fd(self, file: File) -> int:
        self.next_fd += 1
        self.fds[self.next_fd] = file
        return self.next_fd

    def prepare(self, folder: Path) -> None:
        pass

    def lock(self, path: Path) -> int:
        if path.name in self.locks:
            raise BlockingIOError(errno.EAGAIN, "locked")
        self.locks[path.name] = self._new_fd(File())
        return self.locks[path.name]

    def entries(self, _folder: Path) -> list[Entry]:
        return [Entry(name, len(file.data)) for name, file in self.names.items()]

    def load(self, path: Path) -> bytes | None:
        file = self.names.get(path.name)
        return None if file is None else bytes(file.data)

    def reserve(self, path: Path) -> None:
        pass

    def store(self, path: Path, data: bytes) -> None:
        if self._changes("store"):
            raise PowerCut
        file = File()
        file.data, file.durable = bytearray(data), bytes(data)
        self.names[path.name] = file
        self.durable_names = dict(self.names)

    def create(self, path: Path) -> int:
        half = self._changes("create")
        if path.name in self.names:
            raise FileExistsError
        self.names[path.name] = File()
        if half:
            raise PowerCut
        return self._new_fd(self.names[path.name])

    def open(self, path: Path) -> int:
        if path.name not in self.names:
            raise FileNotFoundError
        return self._new_fd(self.names[path.name])

    def write(self, fd: int, data: memoryview) -> int:
        half = self._changes("write")
        size = self.random.randint(1, len(data)) if half or self.random.random() < 0.2 else len(data)
        self.fds[fd].data += data[:size]
        if half:
            raise PowerCut
        return size

    def read(self, fd: int, size: int, offset: int) -> bytes:
        return bytes(self.fds[fd].data[offset : offset + size])

    def size(self, fd: int) -> int:
        return len(self.fds[fd].data)

    def truncate(self, fd: int, size: int) -> None:
        half = self._changes("truncate")
        del self.fds[fd].data[size:]
        if half:
            raise PowerCut

    def sync(self, fd: int) -> None:
        file = self.fds[fd]
        try:
            half = self._changes("sync")
        except OSError:
            # What fsync taught: pages that could not be written are clean afterwards, and lost with the power.
            file.durable = self._survives(file)
            raise
        if half:
            file.durable = self._survives(file)
            raise PowerCut
        file.durable = bytes(file.data)

    def sync_folder(self, _folder: Path) -> None:
        if self._changes("sync_folder"):
            raise PowerCut
        self.durable_names = dict(self.names)

    def close(self, fd: int) -> None:
        self.fds.pop(fd, None)
        self.locks = {name: held for name, held in self.locks.items() if held != fd}

    def unlink(self, path: Path) -> None:
        half = self._changes("unlink")
        self.names.pop(path.name, None)
        if half:
            raise PowerCut


class FailingDisk(Disk):
    """The real disk, but the operations in `errors` raise that errno, as often as `times` says; all calls are told."""

    def __init__(self) -> None:
        self.errors: dict[str, int] = {}
        self.times: Counter[str] = Counter()
        self.calls: list[tuple[str, int]] = []

    def fail(self, operation: str, code: int, times: int = 1_000_000) -> None:
        self.errors[operation] = code
        self.times[operation] = times

    def heal(self) -> None:
        self.times.clear()

    def _try(self, operation: str, fd: int = -1) -> None:
        self.calls.append((operation, fd))
        if self.times[operation] > 0:
            self.times[operation] -= 1
            raise OSError(self.errors[operation], os.strerror(self.errors[operation]))

    def create(self, path: Path) -> int:
        self._try("create")
        return super().create(path)

    def write(self, fd: int, data: memoryview) -> int:
        self._try("write", fd)
        return super().write(fd, data)

    def sync(self, fd: int) -> None:
        self._try("sync", fd)
        super().sync(fd)

    def sync_folder(self, folder: Path) -> None:
        self._try("sync_folder")
        super().sync_folder(folder)

    def read(self, fd: int, size: int, offset: int) -> bytes:
        self._try("read", fd)
        return super().read(fd, size, offset)
