"""One script run apart, by a guard that ends it and everything it started; and no more than a few at once."""

import base64
import fcntl
import json
import os
import pwd
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from reports.automation import script_guard
from reports.automation.script_folder import Script, in_memory
from reports.errors import DeliveryError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LANG = "C.UTF-8"
MOST_AT_ONCE = 4
SLOT_SECONDS = 5.0  # to wait for one of the others to end
GUARD_SECONDS = 15.0  # that the guard may take, besides the script
LOOK_SECONDS = 0.05
MOST_CHARS = 64 * 1024
LEFT_BEHIND = "It left processes behind, which were ended."


class Job(NamedTuple):
    """What is run, and within which limits."""

    run_id: UUID
    arguments: Sequence[str]
    seconds: float
    cpu_seconds: int
    has_network: bool


class Ended(NamedTuple):
    """How it ended: `exit_code` is None when it was ended; `error` says why, or what else was not as it should be."""

    exit_code: int | None
    error: str | None
    output: str


@contextmanager
def slot(run_dir: Path) -> Iterator[int]:
    """Be one of the few that run a script on this machine, and give the handle that says so. Raises DeliveryError."""
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    deadline = time.monotonic() + SLOT_SECONDS
    while (handle := _free(run_dir)) is None:
        if time.monotonic() > deadline:
            raise DeliveryError(
                f"{MOST_AT_ONCE} scripts are running, which is as many as may; it is tried again.",
                permanent=False,
                retry_after=SLOT_SECONDS,
            )
        time.sleep(LOOK_SECONDS)
    try:
        yield handle
    finally:
        os.close(handle)


def user_of(name: str) -> int | None:
    """Give the user to run scripts as; None when that is who we are. Raises DeliveryError."""
    if os.geteuid() != 0:
        return None
    try:
        uid = pwd.getpwnam(name).pw_uid
    except KeyError:
        raise DeliveryError(
            f"There is no user {name!r} to run scripts as; set ERRHOUSE_SCRIPTS_USER.", permanent=True
        ) from None
    if uid == 0:
        raise DeliveryError("Scripts are not run as root; set ERRHOUSE_SCRIPTS_USER to another user.", permanent=True)
    return uid


def run(script: Script, job: Job, event: bytes, user: int | None, held: int) -> Ended:
    """
    Run a script to its end, with an event on its standard input; nothing of it is left afterwards.

    Takes: `held`, the handle of a slot, which the guard keeps as long as it lives.
    Raises: DeliveryError when it cannot be started.
    """
    handle = in_memory("event", event)
    told = {
        "script": script.handle,
        "event": handle,
        "argv": [script.name, *job.arguments],
        "environment": {"PATH": PATH, "LANG": LANG, "ACTION_ID": str(job.run_id)},
        "uid": user,
        "seconds": job.seconds,
        "cpu_seconds": job.cpu_seconds,
        "no_network": not job.has_network,
    }
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", script_guard.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PATH": PATH, "LANG": LANG},
        cwd="/",
        pass_fds=(script.handle, handle, held),
        start_new_session=True,
    )
    try:
        answer = _answer(guard, json.dumps(told).encode() + b"\n", job.seconds + GUARD_SECONDS)
    finally:
        os.close(handle)
        guard.kill()
        guard.communicate()
    try:
        return _ended(job, json.loads(answer))
    except ValueError:
        count = end_by_id(job.run_id)
        return Ended(None, f"Its guard was ended from outside; {count} processes of it were ended, too.", "")


def end_by_id(run_id: UUID) -> int:
    """End every process that has the id of a run in its environment; say how many there were."""
    found = by_id(run_id)
    for pid in found:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def by_id(run_id: UUID) -> list[int]:
    """Give the processes that have the id of a run in their environment."""
    mark = f"ACTION_ID={run_id}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def printable(output: bytes) -> str:
    """Give what a script printed so that it cannot speak to a terminal, a page or the database."""
    text = output.decode("utf-8", "backslashreplace")
    escaped = (char if char.isprintable() or char in "\n\t" else _escaped(char) for char in text)
    return "".join(escaped)[:MOST_CHARS]


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04x}"


def _free(run_dir: Path) -> int | None:
    for number in range(MOST_AT_ONCE):
        handle = os.open(run_dir / f"script-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
        else:
            return handle
    return None


def _answer(guard: "subprocess.Popen[bytes]", told: bytes, seconds: float) -> bytes:
    """Tell the guard its job, and give what it says; the pipe to it stays open, which says that we wait."""
    if guard.stdin is None or guard.stdout is None:
        raise TypeError("the guard has no pipes")
    with suppress(BrokenPipeError):
        guard.stdin.write(told)
        guard.stdin.flush()
    answer = b""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([guard.stdout], [], [], left)[0]:
            some = os.read(guard.stdout.fileno(), 65536)
            if not some:
                break
            answer += some
    return answer


def _ended(job: Job, told: dict[str, Any]) -> Ended:
    if told["refused"]:
        raise DeliveryError(
            f"The script could not be started: {_started(told['refused'])}; see that its first line names a program, "
            "as #!/bin/sh does.",
            permanent=True,
        )
    output = printable(base64.b64decode(told["output"]))
    status = told["status"]
    code = os.waitstatus_to_exitcode(status) if status is not None else None
    error = None
    if told["survivors"]:
        error = f"{told['survivors']} processes of it could not be ended; look for ACTION_ID={job.run_id} in /proc."
    elif told["cut"]:
        return Ended(None, _cut(told["cut"], job), output)
    elif code is not None and code < 0:
        return Ended(None, _signalled(-code, job), output)
    elif told["left_behind"]:
        error = LEFT_BEHIND
    return Ended(code if code is not None and code >= 0 else None, error, output)


def _started(why: str) -> str:
    return "".join(char for char in why if char.isprintable())[:200]


def _cut(why: str, job: Job) -> str:
    return {
        "time": f"It took longer than the {job.seconds:g} seconds it may, and was ended.",
        "memory": "It held more than 512 MiB of memory, and was ended.",
        "disk": "It wrote more than 64 MiB into its folder, and was ended.",
        "alone": "It was ended because errhouse stopped.",
    }[why]


def _signalled(number: int, job: Job) -> str:
    if number == signal.SIGXCPU:
        return f"It needed more than the {job.cpu_seconds} seconds of processor time it may, and was ended."
    if number == signal.SIGXFSZ:
        return "It wrote a file larger than the 16 MiB it may, and was ended."
    name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
    return f"It was ended by {name}."
