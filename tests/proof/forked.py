"""
The processes of a service without the seconds each takes to start: `python -m tests.proof.forked PORT`.

What they do is the product's own; only that they are forked from one process which has imported everything, and that a
line on stdin, `ROLE FAILPOINT SEEN`, has the process of a role killed and the next one armed with a failpoint. One that
dies is started again at once, as the supervisor does. It ends when its stdin ends. Each death is a line on stdout: the
role and how it ended.
"""

import importlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(Path(os.environ["ERRHOUSE_DATA_DIR"]) / "run" / "metrics")

import uvloop  # noqa: F401 - so that no child has to import it

import ingest.app
import ingest.processes
import reports.cli
from ingest.cli import load_settings
from ingest.health import Health
from ingest.supervise import StopSignal, bound_socket, prepared
from models import failpoints
from models.settings import Settings

LOOK_SECONDS = 0.02


def schedule(settings: Settings) -> None:
    health = Health(settings.spool_dir, settings.DATA_DIR / "run", 60, settings.SPOOL_MAX_BYTES)
    reports.cli.schedule(settings, StopSignal(), health.waiting_since)


class House:
    """The processes, by role."""

    def __init__(self, roles: dict[str, Callable[[], None]]) -> None:
        self._roles = roles
        self._pids: dict[int, str] = {}
        self._alive = os.pipe()  # a child whose stdin ends, ends

    def run(self) -> None:
        for role in self._roles:
            self._start(role, "", "")
        while True:
            self._mind()
            if select.select([0], [], [], LOOK_SECONDS)[0]:
                orders = os.read(0, 65536).decode().splitlines()
                if not orders:
                    break
                for order in orders:
                    self._arm(*order.split(" "))
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def _arm(self, role: str, failpoint: str, seen: str) -> None:
        (pid,) = (pid for pid, its in self._pids.items() if its == role)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        del self._pids[pid]
        self._start(role, failpoint, seen)

    def _mind(self) -> None:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            role = self._pids.pop(pid)
            print(role, os.waitstatus_to_exitcode(status), flush=True)
            self._start(role, "", "")

    def _start(self, role: str, failpoint: str, seen: str) -> None:
        pid = os.fork()
        if pid:
            self._pids[pid] = role
            return
        try:
            os.dup2(self._alive[0], 0)
            os.close(self._alive[1])
            os.dup2(2, 1)  # its log; what the house says is read by the test
            os.environ["ERRHOUSE_FAILPOINT"] = failpoint
            os.environ["ERRHOUSE_FAILPOINT_SEEN"] = seen
            importlib.reload(failpoints)
            self._roles[role]()
        except BaseException as error:  # noqa: BLE001 - a child ends here, whatever happens
            print(f"{time.monotonic():.3f} {role}: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)


def main() -> None:
    settings = load_settings()
    prepared(settings.DATA_DIR)
    listening = bound_socket("127.0.0.1", int(sys.argv[1])).detach()
    House(
        {
            "receive": lambda: ingest.processes.receive(settings, 0, listening),
            "load": lambda: ingest.processes.load(settings),
            "schedule": lambda: schedule(settings),
        }
    ).run()


if __name__ == "__main__":
    main()
