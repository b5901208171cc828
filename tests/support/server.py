"""A real `errhouse serve` in its own processes: start it, wait until it is ready, stop it, kill it, read its log."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support.wait import until

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 60
ROLES = frozenset({"receive", "load", "schedule", "console"})
STOP_SECONDS = 30


def command() -> list[str]:
    """Give the words that start `errhouse`: the console script of this environment, else its entry point."""
    script = Path(sys.executable).with_name("errhouse")
    return [str(script)] if script.exists() else [sys.executable, "-c", "from ingest.cli import main; main()"]


def environment(**extra: str) -> dict[str, str]:
    """Give an environment without settings of ours or of libpq, other than `extra`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ERRHOUSE_", "PG"))}
    return {**kept, "PYTHONUNBUFFERED": "1", **extra}


def errhouse(*arguments: str, data_dir: Path, database_url: str | None = None, **env: str) -> Any:
    """Run one command to its end and give what it said, as `subprocess.run` does."""
    settings = {"ERRHOUSE_DATA_DIR": str(data_dir), **env}
    if database_url:
        settings["ERRHOUSE_DATABASE_URL"] = database_url
    return subprocess.run(
        [*command(), *arguments],
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def role(process: psutil.Process) -> str:
    """Name a process of a service by what it does, as the system shows it; "" for what is gone or none of them."""
    try:
        title = process.name()
    except psutil.Error:
        return ""
    return title.removeprefix("err:").partition("-")[0] if title.startswith("err:") else ""


class Server:
    """One `errhouse serve`, on one port, data folder and database for its whole life, however often it is restarted."""

    def __init__(
        self,
        data_dir: Path,
        database_url: str | None,
        arguments: tuple[str, ...],
        env: Mapping[str, str],
        prefix: Sequence[str] = (),
    ) -> None:
        self.data_dir = data_dir
        self.port = int(env.get("ERRHOUSE_PORT") or free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = data_dir.parent / f"{data_dir.name}.serve.log"
        self._arguments = arguments
        self._prefix = prefix
        self._process: subprocess.Popen[bytes] | None = None
        self._env = {"ERRHOUSE_DATA_DIR": str(data_dir), "ERRHOUSE_PORT": str(self.port), **env}
        if database_url:
            self._env["ERRHOUSE_DATABASE_URL"] = database_url

    def start(self, *, wait: bool = True) -> None:
        """Start it; with `wait`, return when it is ready."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._prefix, *command(), "serve", *self._arguments],
                cwd=ROOT,
                env=environment(**self._env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            self.wait_ready()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The supervising process."""
        assert self._process is not None, "start it first"
        return self._process

    def wait_ready(self, deadline_seconds: float = READY_SECONDS) -> None:
        """Return when `/readyz` says 200; fail with the log when it does not in time or the process ends."""

        def answered() -> bool:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log()}"
            return self.status("/readyz") == 200

        try:
            until(answered, deadline_seconds, f"{self.url}/readyz says 200")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None

    def status(self, path: str) -> int:
        """Return the status of a GET, 0 when nobody answers."""
        try:
            return httpx.get(self.url + path, timeout=5, trust_env=False).status_code
        except httpx.HTTPError:
            return 0

    def readyz(self) -> dict[str, Any]:
        """Return what `/readyz` says, whatever its status."""
        answer: dict[str, Any] = httpx.get(self.url + "/readyz", timeout=5, trust_env=False).json()
        return answer

    def children(self) -> list[psutil.Process]:
        """Return its processes below the supervising one."""
        below: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return below

    def working(self) -> dict[psutil.Process, str]:
        """Return those of its processes that do its work, each with its role: receive, load, schedule or console."""
        found = {each: role(each) for each in self.children()}
        return {each: its for each, its in found.items() if its in ROLES}

    def receiver(self) -> psutil.Process:
        """Return a receiver of it."""
        return next(each for each, its in self.working().items() if its == "receive")

    def stop(self, deadline_seconds: float = STOP_SECONDS) -> int:
        """Ask it to drain and stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(deadline_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not stop within {deadline_seconds:g} s\n{self.log()}") from None

    def kill(self) -> None:
        """End all its processes at once, as a power cut would; an embedded PostgreSQL is not among them."""
        below = [each for each in self.children() if each.name() != "postgres"]
        self.process.kill()  # first, lest it starts again what is killed
        for each in below:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.wait(STOP_SECONDS)
        psutil.wait_procs(below, STOP_SECONDS)

    def log(self) -> str:
        """Return everything it printed and logged since its first start."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def end(self) -> None:
        """Stop it if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self.stop()


@contextmanager
def serving(
    data_dir: Path,
    database_url: str | None = None,
    *arguments: str,
    wait: bool = True,
    prefix: Sequence[str] = (),
    **env: str,
) -> Iterator[Server]:
    """
    Run `errhouse serve ARGUMENTS…` for as long as the context, ready from the start.

    Takes: `env`, more settings; `prefix`, the words of a command that runs another (`strace`, `prlimit`).
    """
    server = Server(data_dir, database_url, arguments, env, prefix)
    try:
        server.start(wait=wait)
        yield server
    finally:
        server.end()
