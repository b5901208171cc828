"""Which server runs over a data folder: read from its `postmaster.pid` and from the processes."""

import hashlib
import os
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

POLL_SECONDS = 0.02


class Postmaster(NamedTuple):
    """What `postmaster.pid` says of a server that runs; its port is 0 while it is not known."""

    pid: int
    port: int
    is_ready: bool


def postmaster(data: Path) -> Postmaster | None:
    """Read which server runs over `data`, if one does."""
    pid = named_pid(data)
    if not pid or not is_ours(pid, data):
        return None
    lines = _pid_file(data)
    port = lines[3] if len(lines) > 3 else ""
    return Postmaster(pid, int(port) if port.isdigit() else 0, len(lines) > 7 and lines[7].strip() == "ready")


def _pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def named_pid(data: Path) -> int:
    """Return the number in `postmaster.pid`, whoever bears it now; 0 without one."""
    first = next(iter(_pid_file(data)), "").strip()
    return int(first) if first.isdigit() else 0


def token(data: Path) -> str:
    """Name the cluster after its place: a number in a file alone does not say whose server it is."""
    return f"cluster_name=errhouse-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"


def is_ours(pid: int, data: Path) -> bool:
    """Say whether the process `pid` is a server over `data`."""
    words = _command_line(pid)
    deadline = time.monotonic() + 1
    while not words and _exists(pid) and time.monotonic() < deadline:  # it is just becoming another program, or ending
        time.sleep(POLL_SECONDS)
        words = _command_line(pid)
    return token(data).encode() in words


def _command_line(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        if Path("/proc/self").exists():
            return []
        command = ["ps", "-p", str(pid), "-o", "command="]
        return subprocess.run(command, capture_output=True, check=False).stdout.split()


def _exists(pid: int) -> bool:
    """Say whether a process lives; one that ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False
