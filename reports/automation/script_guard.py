"""
Runs one script and sees to it that nothing of it is left: a process of its own, that every process of the script is
below, even those that were left behind by their parents.

It is started as a file by an isolated Python, so it imports nothing of ours. On standard input it is told one job as a
line of JSON; that the line's end stays open says that somebody waits. On standard output it tells how it ended.
"""

import base64
import ctypes
import fcntl
import json
import os
import pwd
import resource
import select
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

MIB = 1024 * 1024
MOST_MEMORY_BYTES = 512 * MIB  # of one process, and of all together
MOST_FILE_BYTES = 16 * MIB
MOST_FOLDER_BYTES = 64 * MIB
MOST_FILES = 64
MOST_PROCESSES = 64  # more than the user has already
MOST_OUTPUT_BYTES = 64 * 1024
TERM_SECONDS = 2.0
KILL_SECONDS = 8.0  # what is still there then waits for a disk, or for the network of one
GRACE_SECONDS = 0.25  # for what ends a moment after the script
LOOK_SECONDS = 0.1  # between two looks; the first come sooner
FIRST_LOOK_SECONDS = 0.005
BLOCK_BYTES = 4096  # that a file or folder takes at least
DEEPEST = 50_000
GULP_BYTES = MIB  # read at one look, so that endless output costs little
HIGH = 50  # handles from here on are ours

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

Seen = dict[int, str]
"""Processes: id, and the instant of the start, by which another of the same id is told apart."""


def main() -> None:
    """Do the one job that is told."""
    job = json.loads(sys.stdin.buffer.readline())
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, _stopped)
    sys.setrecursionlimit(DEEPEST)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    script, event = (_high(job[name]) for name in ("script", "event"))
    folder = Path(tempfile.mkdtemp(prefix="errhouse-script-"))
    try:
        told = _done(job, script, event, folder)
    finally:
        os.spawnv(os.P_WAIT, "/bin/rm", ["rm", "-rf", "--", str(folder)])  # noqa: S606 - however deep it is
    sys.stdout.write(json.dumps(told) + "\n")


def _done(job: dict[str, Any], script: int, event: int, folder: Path) -> dict[str, Any]:
    user = pwd.getpwuid(job["uid"]) if job["uid"] is not None else None
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)
    most = MOST_PROCESSES + _task_count(user.pw_uid if user else os.getuid())
    ours, theirs = (_high(each) for each in os.pipe())
    why, says_why = (_high(each) for each in os.pipe())
    pid = os.fork()
    if pid == 0:
        _become(job, script, event, theirs, says_why, user, most, folder)
    for each in (script, event, theirs, says_why):
        os.close(each)
    with os.fdopen(why, "rb") as told:
        refused = told.read().decode("utf-8", "replace")
    watch = Watch(pid, ours, folder)
    cut = None if refused else watch.until_it_ends(time.monotonic() + job["seconds"])
    left_behind = watch.end()
    return {
        "refused": refused or None,
        "cut": cut,
        "status": watch.status,
        "left_behind": left_behind and not cut,
        "survivors": len(below(os.getpid())),
        "output": base64.b64encode(watch.output).decode(),
    }


class Watch:
    """One script under way: its status when it has ended, and what it printed."""

    def __init__(self, pid: int, handle: int, folder: Path) -> None:
        self.status: int | None = None
        self.output = bytearray()
        self._pid = pid
        self._handle: int | None = handle
        self._folder = folder
        os.set_blocking(handle, False)

    def until_it_ends(self, deadline: float) -> str | None:
        """Wait for the script; give why it must be ended, None when it ended by itself."""
        look = FIRST_LOOK_SECONDS
        while self._reap() and self.status is None:
            if time.monotonic() > deadline:
                return "time"
            if sum(_resident_bytes(pid) for pid in below(os.getpid())) > MOST_MEMORY_BYTES:
                return "memory"
            if _size(self._folder) > MOST_FOLDER_BYTES:
                return "disk"
            if self._is_alone():
                return "alone"
            self._read(look)
            look = min(2 * look, LOOK_SECONDS)
        return None

    def end(self) -> bool:
        """End all there is: SIGTERM, two seconds, SIGKILL until nothing is left. Say whether there was anything."""
        self._wait(GRACE_SECONDS if self.status is not None else 0)
        is_left = self._reap()
        if is_left:
            _signal(below(os.getpid()), signal.SIGTERM)
        self._wait(TERM_SECONDS)
        deadline = time.monotonic() + KILL_SECONDS
        while self._reap() and time.monotonic() < deadline:
            stopped: Seen = {}
            while new := {pid: start for pid, start in below(os.getpid()).items() if stopped.get(pid) != start}:
                _signal(new, signal.SIGSTOP)  # who is stopped starts no more of them
                stopped |= new
            _signal(stopped, signal.SIGKILL)
            self._read(FIRST_LOOK_SECONDS)
        self._read(0)
        return is_left

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._reap() and time.monotonic() < deadline:
            self._read(FIRST_LOOK_SECONDS)

    def _reap(self) -> bool:
        """Take note of those that ended; say whether anything of the script is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._pid:
                self.status = status

    def _is_alone(self) -> bool:
        """Whether nobody waits for us any more, or we were asked to stop."""
        return bool(_STOPPED) or bool(select.select([0], [], [], 0)[0])

    def _read(self, wait: float) -> None:
        """After a while, read what was printed meanwhile, and keep its beginning; endless output waits for us."""
        time.sleep(wait)
        left = GULP_BYTES
        while self._handle is not None and left > 0:
            try:
                some = os.read(self._handle, 65536)
            except BlockingIOError:
                return
            if not some:
                os.close(self._handle)
                self._handle = None
            left -= len(some)
            self.output += some[: MOST_OUTPUT_BYTES - len(self.output)]


def below(root: int) -> Seen:
    """Give every process that descends from one."""
    children: dict[int, list[tuple[int, str]]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - the names alone, many times a second
        if name.isdigit() and (fields := _stat(int(name))):
            children.setdefault(int(fields[1]), []).append((int(name), fields[19]))
    found: Seen = {}
    todo = [root]
    while todo:
        for pid, start in children.get(todo.pop(), ()):
            found[pid] = start
            todo.append(pid)
    return found


def _signal(processes: Seen, number: signal.Signals) -> None:
    for pid, start in processes.items():
        with suppress(OSError):
            handle = os.pidfd_open(pid)
            try:
                if (fields := _stat(pid)) and fields[19] == start:
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)


def _stat(pid: int) -> list[str] | None:
    """Give the fields of /proc/PID/stat after the name: the state is 0, the parent 1, the instant of the start 19."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].decode("ascii").split()
    except OSError:
        return None


def _resident_bytes(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * resource.getpagesize()  # without what it shares with its file


def _size(folder: Path) -> int:
    size = 0
    for place, folders, names in os.walk(folder):
        size += BLOCK_BYTES * len(folders)
        for name in names:
            with suppress(OSError):
                size += max(os.lstat(f"{place}/{name}").st_blocks * 512, BLOCK_BYTES)
            if size > MOST_FOLDER_BYTES:
                return size
    return size


def _task_count(uid: int) -> int:
    count = 0
    for name in os.listdir("/proc"):  # noqa: PTH208 - the names alone
        if name.isdigit():
            with suppress(OSError):
                told = Path(f"/proc/{name}/status").read_text(encoding="utf-8", errors="replace")
                if int(told.partition("\nUid:")[2].split(maxsplit=1)[0]) == uid:
                    count += int(told.partition("\nThreads:")[2].split(maxsplit=1)[0])
    return count


def _become(
    job: dict[str, Any],
    script: int,
    event: int,
    output: int,
    says_why: int,
    user: pwd.struct_passwd | None,
    most_processes: int,
    folder: Path,
) -> None:
    """In the child: give up everything that the script is not to have, and become it. Never returns."""
    try:
        os.setsid()
        os.chdir(folder)
        os.umask(0o077)
        for source, handle in ((event, 0), (output, 1), (output, 2), (script, 3)):
            os.dup2(source, handle)
        os.closerange(4, says_why)
        os.closerange(says_why + 1, 1 << 16)
        _yield_to_others()
        if job["no_network"]:
            _leave_network()
        for name, most in _limits(job["cpu_seconds"], most_processes):
            hard = resource.getrlimit(name)[1]
            soft, wanted = most if hard == resource.RLIM_INFINITY else (min(most[0], hard), min(most[1], hard))
            resource.setrlimit(name, (soft, wanted))
        if user:
            os.initgroups(user.pw_name, user.pw_gid)
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
        _prctl(PR_SET_NO_NEW_PRIVS, 1)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            with suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
        os.execve(3, job["argv"], job["environment"])  # noqa: S606 - that is what all this is for
    except OSError as error:
        os.write(says_why, (error.strerror or "it cannot be started").encode())
    except BaseException as error:  # noqa: BLE001 - a child must not go on as its parent
        os.write(says_why, type(error).__name__.encode())
    os._exit(126)


def _limits(cpu_seconds: int, most_processes: int) -> list[tuple[int, tuple[int, int]]]:
    return [
        (resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1)),
        (resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES)),
        (resource.RLIMIT_DATA, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES)),
        (resource.RLIMIT_NPROC, (most_processes, most_processes)),
        (resource.RLIMIT_FSIZE, (MOST_FILE_BYTES, MOST_FILE_BYTES)),
        (resource.RLIMIT_CORE, (0, 0)),
        (resource.RLIMIT_NOFILE, (MOST_FILES, MOST_FILES)),
    ]


def _yield_to_others() -> None:
    """Let everybody else go first, and be the first to go when memory runs out."""
    os.nice(19)
    for path, what in (("/proc/self/autogroup", "19"), ("/proc/self/oom_score_adj", "1000")):
        with suppress(OSError):
            Path(path).write_text(what, encoding="ascii")


def _leave_network() -> None:
    kinds = CLONE_NEWNET if os.geteuid() == 0 else CLONE_NEWUSER | CLONE_NEWNET
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(kinds) != 0:
        raise OSError(ctypes.get_errno(), f"it cannot be kept from the network ({os.strerror(ctypes.get_errno())})")


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _high(handle: int) -> int:
    """Move a handle to where no script has one."""
    moved: int = fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, HIGH)
    os.close(handle)
    return moved


_STOPPED: list[int] = []


def _stopped(number: int, _frame: object) -> None:
    _STOPPED.append(number)


if __name__ == "__main__":
    main()
