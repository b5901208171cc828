"""
The folder of scripts: which files of it may be run, and what they are.

What is run is a sealed copy in memory of what was opened and hashed, so nothing can be swapped in between.
"""

import fcntl
import os
import pwd
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from reports.errors import DeliveryError

NAME = re.compile(r"[a-z0-9_-]{1,64}(\.[a-z0-9]{1,8})?", re.ASCII)
MOST_BYTES = 16 * 1024 * 1024
MOST_FILES = 1000  # that are listed
WRITABLE = stat.S_IWGRP | stat.S_IWOTH
SEALS = 0x000F  # F_SEAL_SEAL, _SHRINK, _GROW and _WRITE
IS_SUPPORTED = sys.platform == "linux" and hasattr(os, "memfd_create") and hasattr(os, "pidfd_open")


class Script(NamedTuple):
    """A script that may be run: a handle to read and execute it by, and its hash."""

    name: str
    handle: int
    sha256: bytes


class Listed(NamedTuple):
    """A file of the folder: `why_not` says why it cannot be run, None when it can."""

    name: str
    sha256: str | None
    owner: str | None
    why_not: str | None


@contextmanager
def opened(folder: Path, name: str) -> Iterator[Script]:
    """Open a script, for as long as the context. Raises DeliveryError when there is none that may be run."""
    if not IS_SUPPORTED:
        raise _refused("Scripts are run on Linux only, where everything they start can be found and ended.")
    if not NAME.fullmatch(name):
        raise _refused(
            f"{name!r} is no name of a script; it is made of a-z, 0-9, _ and -, with a short ending such as .sh."
        )
    place = _folder(folder)
    try:
        body = _body(folder, place, name)
    finally:
        os.close(place)
    handle = in_memory(name, body)
    try:
        yield Script(name, handle, sha256(body).digest())
    finally:
        os.close(handle)


def listed(folder: Path) -> list[Listed]:
    """Tell of every file of the folder whether it may be run. Raises DeliveryError when none of them may."""
    place = _folder(folder)
    try:
        names = sorted(os.listdir(place))[:MOST_FILES]  # noqa: PTH208 - of a handle
        owners = {name: _owner(place, name) for name in names}
    finally:
        os.close(place)
    found = []
    for name in names:
        try:
            with opened(folder, name) as script:
                found.append(Listed(name, script.sha256.hex(), owners[name], None))
        except DeliveryError as wrong:
            found.append(Listed(name, None, owners[name], str(wrong)))
    return found


def in_memory(name: str, body: bytes) -> int:
    """Give a handle of bytes in memory that nobody can change, to be read from their beginning."""
    made = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(body)
        while view:
            view = view[os.write(made, view) :]
        fcntl.fcntl(made, fcntl.F_ADD_SEALS, SEALS)
        return os.open(f"/proc/self/fd/{made}", os.O_RDONLY | os.O_CLOEXEC)  # what can be written is not executed
    finally:
        os.close(made)


def _folder(folder: Path) -> int:
    """Open the folder, after a look at it and at every folder above it."""
    try:
        above = folder.resolve(strict=True).parents
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _refused(f"There is no folder {folder} for scripts; make it: mkdir -m 755 {folder}") from None
    except OSError as error:
        raise _refused(f"The folder of scripts {folder} cannot be used ({error.strerror}); make it a folder.") from None
    try:
        _ours(folder, os.fstat(place))
        for each in above:
            found = os.lstat(each)
            if found.st_mode & WRITABLE and not found.st_mode & stat.S_ISVTX:
                raise _refused(f"Others may write to {each}, so that the scripts in {folder} are not safe; chmod it.")
    except DeliveryError:
        os.close(place)
        raise
    return place


def _body(folder: Path, place: int, name: str) -> bytes:
    path = folder / name
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
    except FileNotFoundError:
        raise _refused(f"There is no script {path}; `errhouse script list` shows those that are there.") from None
    except OSError as error:
        raise _refused(
            f"The script {path} cannot be opened ({error.strerror}); it must be a file of its own."
        ) from None
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise _refused(f"{path} is no regular file, and only those are run.")
    with os.fdopen(handle, "rb") as file:
        _ours(path, found)
        if not found.st_mode & stat.S_IXUSR:
            raise _refused(f"{path} cannot be executed; chmod u+x {path}")
        body = file.read(MOST_BYTES + 1)
    if not body or len(body) > MOST_BYTES:
        raise _refused(f"{path} is empty or larger than 16 MiB; a script is a small program.")
    return body


def _ours(path: Path, found: os.stat_result) -> None:
    if found.st_uid not in {os.geteuid(), 0}:
        raise _refused(f"{path} belongs to {_user(found.st_uid)}; it must be root's, or of the user of errhouse.")
    if found.st_mode & WRITABLE:
        raise _refused(f"Others may write to {path}; make it safe: chmod go-w {path}")


def _owner(place: int, name: str) -> str | None:
    with suppress(OSError):
        return _user(os.stat(name, dir_fd=place, follow_symlinks=False).st_uid)
    return None


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _refused(why: str) -> DeliveryError:
    return DeliveryError(why, permanent=True)
