"""
A report is made in a process of its own, with limits: whatever becomes of it, the scheduler goes on.

Memory is what the process really holds (resident), read ten times a second by its parent: a limit on addresses would
count what Arrow and the drawing engine only reserve. Between two looks the process is held by a limit on its data
(`hold_memory`), twice as high and more, past which it gets no memory and says so itself. It is a session of its own
and is ended as a group; it ends by itself when its parent is gone, for then its standard input ends.
"""

import os
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from reports.halt import Halted

LOOK_SECONDS = 0.1
BEAT_SECONDS = 4.0  # a run is lost after twenty seconds of silence
BURST_BYTES = 512 * 1024 * 1024
LONGEST_SENTENCE = 500
MIB = 1024 * 1024


class Limits(NamedTuple):
    """What one report may need."""

    memory_bytes: int
    seconds: float


class Ended(NamedTuple):
    """How a process ended: None for `error` when it did what it was to do."""

    error: str | None
    memory_bytes: int


def run_apart(
    command: Sequence[str],
    environment: Mapping[str, str],
    limits: Limits,
    beat: Callable[[], bool],
    is_stopped: Callable[[], bool] = lambda: False,
) -> Ended:
    """
    Run a command to its end, within limits; what it prints when it fails is the sentence to tell.

    Takes: `beat`, called every few seconds, which says whether to go on.
    Raises: Halted when the service stops meanwhile.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.PIPE, stdout=said, start_new_session=True
        )
        try:
            error, most = _watched(process, limits, beat, is_stopped)
        finally:
            _end(process)
        return Ended(error or _sentence(process.returncode, said), most)


def hold_memory(limits: Limits) -> None:
    """In the process itself: refuse it memory far past its limit, should it grow between two looks of its parent."""
    most = 2 * limits.memory_bytes + BURST_BYTES
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or hard > most:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def too_much_memory(limits: Limits) -> str:
    """Say that a report needed more memory than it may."""
    return (
        f"It needed more than the {limits.memory_bytes // MIB} MiB of memory it may have; ask for a shorter period or "
        "fewer groupings, or raise ERRHOUSE_REPORT_MEMORY_BYTES."
    )


def too_much_time(limits: Limits) -> str:
    """Say that a report took longer than it may."""
    return (
        f"It took longer than the {limits.seconds:g} seconds it may; ask for a shorter period or fewer groupings, "
        "or raise ERRHOUSE_REPORT_TIME_LIMIT_SECONDS."
    )


def _watched(
    process: "subprocess.Popen[bytes]", limits: Limits, beat: Callable[[], bool], is_stopped: Callable[[], bool]
) -> tuple[str | None, int]:
    """Give why it was ended, None when it ended by itself, and the most memory it held."""
    begun = beaten = time.monotonic()
    most = 0
    while True:
        most = max(most, _resident_bytes(process.pid))
        if most > limits.memory_bytes:
            return too_much_memory(limits), most
        if process.poll() is not None:
            return None, most
        if is_stopped():
            raise Halted
        now = time.monotonic()
        if now - begun > limits.seconds:
            return too_much_time(limits), most
        if now - beaten > BEAT_SECONDS:
            beaten = now
            if not beat():
                return "It was silent for too long, and another worker took it over.", most
        with suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_SECONDS)


def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)  # what it may have started too
    if process.stdin:
        with suppress(OSError):
            process.stdin.close()
    process.wait()


def _resident_bytes(pid: int) -> int:
    """Read what a process holds; 0 where the system does not tell, and then the limit on its data is the only one."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def _sentence(status: int, said: IO[bytes]) -> str | None:
    if status == 0:
        return None
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
        return f"Its process was ended by {name}, as the system does when memory runs out; the system's log says more."
    said.seek(0, os.SEEK_END)
    said.seek(max(0, said.tell() - 4096))
    lines = said.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:LONGEST_SENTENCE] if lines else f"Its process ended with status {status}; the log says more."
