"""One embedded PostgreSQL server: make its folder, start it, see whether it runs, stop it; `embedded.py` locks."""

import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from models.embedded_binaries import OTHERWISE, Binaries, EmbeddedError
from models.embedded_postmaster import POLL_SECONDS, Postmaster, is_ours, named_pid, postmaster, token

NAME = "errhouse"  # of the role and of its database
READY_SECONDS = 300  # recovery after a crash reads up to max_wal_size
START_ATTEMPTS = 20
STOPPING = ((signal.SIGINT, 8.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 2.0))  # fast, immediate; WAL keeps the rows
LOG_BYTES = 16 * 1024 * 1024
PORTS = range(15433, 32000)  # below the ports that systems give to outgoing connections
SETTINGS = {
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_error_verbosity": "terse",  # a row's contents are personal data
    "log_min_error_statement": "panic",  # and so are a statement's
}


def private_file(path: Path, flags: int = os.O_RDWR) -> int:
    """Open a file that only the owner of its folder may read, made if missing."""
    handle = os.open(path, flags | os.O_CREAT, 0o600)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(handle, owner.st_uid, owner.st_gid)
    return handle


def initialize(home: Path, tools: Binaries) -> None:
    """Make the data folder under another name first, so that one that was interrupted is never taken for whole."""
    fresh = home / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    password = secrets.token_urlsafe(24)
    reader, writer = os.pipe()
    if tools.become:
        os.chown(fresh, *tools.become)
        os.fchown(reader, *tools.become)  # initdb opens it once more by name
    os.write(writer, password.encode() + b"\n")
    os.close(writer)
    command = [str(tools.folder / "initdb"), "-D", _seen(fresh, tools), "-U", NAME, "--pwfile=/dev/stdin"]
    command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
    command += ["--builtin-locale=C.UTF-8", "--data-checksums"]
    for name, value in {**SETTINGS, **_sized()}.items():
        command += ["--set", f"{name}={value}"]
    try:
        _tool(command, fresh, tools, stdin=reader)
    finally:
        os.close(reader)
    single = [str(tools.folder / "postgres"), "--single", "-D", _seen(fresh, tools), "postgres"]
    _tool(single, fresh, tools, text=f"CREATE DATABASE {NAME}\n")
    with os.fdopen(private_file(home / "password", os.O_WRONLY | os.O_TRUNC), "w") as file:
        file.write(password + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(home / "data")


def _tool(
    command: list[str], data: Path, tools: Binaries, *, stdin: int | None = None, text: str | None = None
) -> None:
    given = {"stdin": stdin} if text is None else {"input": text}
    done = subprocess.run(
        command, cwd=data, capture_output=True, text=True, check=False, **given, **tools.process_options()
    )
    if done.returncode:
        raise EmbeddedError(
            f"PostgreSQL could not make its data folder under {data.parent} ({_reason(done.stderr)}): "
            f"make room or mend that, {OTHERWISE}."
        )


def _reason(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    said = [line for line in lines if "error:" in line or "FATAL" in line or "PANIC" in line] or lines
    return said[-1].strip() if said else "it gave no reason"


def _sized() -> dict[str, str]:
    """Choose what depends on the machine: a small one gives less memory, a container with a small /dev/shm a file."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    is_roomy = memory >= 2 * 1024**3
    sized = {"shared_buffers": "256MB" if is_roomy else "128MB", "work_mem": "16MB" if is_roomy else "4MB"}
    # a query that gathers works as well: with more workers than other cores they only get in one another's way
    sized["max_parallel_workers_per_gather"] = str(max(1, min(2, (os.cpu_count() or 2) - 1)))
    shm = Path("/dev/shm")  # noqa: S108 - measured, not used
    if shm.is_dir() and shutil.disk_usage(shm).total < 256 * 1024**2:
        sized["dynamic_shared_memory_type"] = "mmap"
    return sized


def _seen(data: Path, tools: Binaries) -> str:
    """
    Name the data folder as the server is to see it; it starts with that folder as its working directory.

    Another user cannot enter our parents, which are 0700, by name; through its own working directory it need not.
    """
    return "/proc/self/cwd" if tools.become else str(data)


def start(home: Path, tools: Binaries) -> Postmaster:
    """Start the server on its remembered port, or on a new one when that is taken, and wait until it is ready."""
    data, log = home / "data", home / "log"
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(home / "log.1")
    port = _port(home)
    reason = ""
    for _ in range(START_ATTEMPTS):
        offset = log.stat().st_size if log.exists() else 0
        if server := ready(data, _spawned(home, tools, port)):
            return server
        with log.open(errors="replace") as file:
            file.seek(offset)
            reason = _reason(file.read())
        if "could not create any TCP/IP sockets" in reason:
            port = _port(home, taken=port)
        elif "shared memory block" in reason:  # the last children of a killed server are about to leave
            time.sleep(0.5)
        else:
            break
    raise EmbeddedError(f"The embedded PostgreSQL did not start ({reason}): see {log} and mend that, {OTHERWISE}.")


def _spawned(home: Path, tools: Binaries, port: int) -> int:
    data = home / "data"
    options = tools.process_options()
    named = named_pid(data)
    if named:
        # a number that went to another program since: PostgreSQL is told not to take that for a server
        options["env"] = {**options["env"], "PG_GRANDPARENT_PID": str(named)}
    command = [str(tools.folder / "postgres"), "-D", _seen(data, tools), "-p", str(port), "-c", token(data)]
    command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    # through a shell that ends at once, so that the server is nobody's child here and leaves no zombie
    shell = ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", *command]
    log = private_file(home / "log", os.O_WRONLY | os.O_APPEND)
    try:
        begun = subprocess.run(
            shell, cwd=data, stdout=subprocess.PIPE, stderr=log, start_new_session=True, check=True, **options
        )
    finally:
        os.close(log)
    return int(begun.stdout)


def ready(data: Path, pid: int) -> Postmaster | None:
    """Wait until the server `pid` takes connections; none when it ended instead."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        alive = is_ours(pid, data)  # read before the file, which may be written in between
        server = postmaster(data)
        if server and server.is_ready:
            return server
        if not alive:
            return None
        time.sleep(POLL_SECONDS)
    raise EmbeddedError(
        f"The embedded PostgreSQL is still recovering after {READY_SECONDS} s: see {data.parent / 'log'} and try again."
    )


def _port(home: Path, taken: int | None = None) -> int:
    file = home / "port"
    kept = file.read_text().strip() if file.exists() else ""
    if kept.isdigit() and int(kept) != taken and _is_free(int(kept)):
        return int(kept)
    chosen = next((port for port in random.sample(PORTS, 100) if port != taken and _is_free(port)), None)
    if chosen is None:
        raise EmbeddedError(f"No free port was found on 127.0.0.1 between {PORTS[0]} and {PORTS[-1]}: free one.")
    with os.fdopen(private_file(file, os.O_WRONLY | os.O_TRUNC), "w") as opened:
        opened.write(f"{chosen}\n")
    return chosen


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def stop(data: Path) -> None:
    """Stop the server over `data`: fast, then harder; the write-ahead log keeps every committed row in each case."""
    server = postmaster(data)
    if server is None:
        return
    for number, patience in STOPPING:
        os.kill(server.pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not is_ours(server.pid, data):
                return
            time.sleep(POLL_SECONDS)
    raise EmbeddedError(f"The embedded PostgreSQL (process {server.pid}) does not stop: end it and try again.")
