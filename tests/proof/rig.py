"""
A scenario's rig: a real service, a sender it does not know of, and the verdict at the end.

Whatever a scenario does in between, at its end every accepted event is loaded, nothing is lost, doubled, invented or
changed, the counters agree with the rows to the unit (`errhouse db audit`), and a fresh event becomes a row within five
seconds: `proving` holds it to that, and to having been more than a formality.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil

from tests.proof.lines import report
from tests.proof.sender import Plan
from tests.proof.verdict import Answer, Verdict, judged, ledger
from tests.support import warehouse
from tests.support.builders import auth, event
from tests.support.most import Most
from tests.support.server import ROOT, Server, environment, errhouse, serving
from tests.support.wait import until

LEAST_ACKNOWLEDGED = 1000
LIVE_SECONDS = 5
STOP_SECONDS = 60
LOOK_SECONDS = 0.25
MIB = 1024 * 1024
LATE_PART = 0.02
"""Of the answers, where PostgreSQL is away: nearly all would be late if they waited for it. A machine with nothing else
to do has none."""


class Sending:
    """A sender at work."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.proof.sender"],
            cwd=ROOT,
            env=environment(PYTHONPATH=str(ROOT)),
            stdin=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(plan) + b"\n")
        self._process.stdin.flush()

    def answers(self) -> list[Answer]:
        """Give what became of the requests by now."""
        path = Path(self.plan.ledger)
        return ledger(path) if path.exists() else []

    def acknowledged(self) -> int:
        return sum(each.is_acknowledged for each in self.answers())

    def wait_acknowledged(self, more: int, deadline_seconds: float = 60) -> None:
        """Return when so many more are acknowledged."""
        wanted = self.acknowledged() + more
        until(lambda: self.acknowledged() >= wanted, deadline_seconds, f"{more} more events are acknowledged")

    def wait_sent(self, deadline_seconds: float) -> None:
        """Return when everything of the plan is sent and answered."""
        self._process.wait(deadline_seconds)

    def stop(self) -> None:
        """Send no more, and return when each request has its line."""
        self._close()
        assert self._process.wait(STOP_SECONDS) == 0

    def kill(self) -> None:
        """End it, whatever it does."""
        self._close()
        self._process.kill()
        self._process.wait()

    def _close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()


def resident_bytes(server: Server) -> int:
    """Give the resident memory of receivers and loader together; of those that are there."""
    total = 0
    with suppress(psutil.Error, AssertionError):
        for child, role in server.working().items():
            with suppress(psutil.Error):
                if role in {"receive", "load"}:
                    total += child.memory_info().rss
    return total


class Run:
    """One scenario under way; `verdict` and `drain_seconds` are there when its context has ended."""

    def __init__(self, name: str, server: Server, url: str, seed: str, folder: Path) -> None:
        self.name = name
        self.server = server
        self.url = url
        self.seed = seed
        self.sendings: list[Sending] = []
        self.verdict: Verdict
        self.drain_seconds = 0.0
        self.memory = Most(lambda: resident_bytes(server), LOOK_SECONDS).start()
        self._folder = folder

    def send(self, **overrides: Any) -> Sending:
        """Start a sender; its numbers begin where `first` says, so that two of them do not meet."""
        project_id, key = warehouse.first_project(self.url)
        number = len(self.sendings)
        told = {
            "port": self.server.port,
            "project_id": project_id,
            "key": key,
            "first": number * 10_000_000,
            "core": (os.cpu_count() or 1) - 1,
            **overrides,
        }
        plan = Plan(seed=self.seed, ledger=str(self._folder / f"ledger-{number}"), **told)
        sending = Sending(plan)
        self.sendings.append(sending)
        return sending

    def answers(self) -> list[Answer]:
        return [each for sending in self.sendings for each in sending.answers()]

    def finish(self, drained_seconds: float) -> None:
        """Stop the senders, wait until everything is loaded, and judge."""
        for sending in self.sendings:
            sending.stop()
        begun = time.monotonic()
        warehouse.loaded(self.server, drained_seconds)
        self.drain_seconds = time.monotonic() - begun
        self.memory.stop()
        self._probe()
        self.verdict = judged(self.answers(), self.url, self.seed)

    def line(self, *, is_good: bool) -> str:
        return (
            f"{self.name} {'pass' if is_good else 'FAIL'} {self.verdict.line()} drain {self.drain_seconds:.1f} s "
            f"rss {self.memory.most / MIB:.0f} MB seed {self.seed}"
        )

    def _probe(self) -> None:
        """Send one fresh event, which must be a row within five seconds."""
        project_id, key = warehouse.first_project(self.url)
        one = event()
        sent = httpx.post(
            f"{self.server.url}/api/{project_id}/store/", json=one, headers=auth(key), timeout=5, trust_env=False
        )
        assert sent.status_code == 200, sent.text
        found = "select count(*) from warehouse.fact_event where event_id = %s::uuid"
        until(lambda: warehouse.value(self.url, found, one["event_id"]), LIVE_SECONDS, "a fresh event is a row")


@contextmanager
def proving(
    name: str,
    folder: Path,
    url: str,
    *,
    seed: str | None = None,
    service_url: str | None = None,
    least: int = LEAST_ACKNOWLEDGED,
    drained_seconds: float = 60,
    prefix: Sequence[str] = (),
    **env: str,
) -> Iterator[Run]:
    """
    Run a scenario; at its end everything the promise says must hold.

    Takes: `name`, the scenario's id; `url` of the database, and `service_url` where the service reaches it by another
    way; `least`, how many events must have been acknowledged for it to say anything; `prefix`, what runs the service;
           `env`, more settings.
    """
    given = os.environ.get("ERRHOUSE_TEST_SEED")
    seed = given or seed or name
    with serving(folder / "data", service_url or url, prefix=prefix, **env) as server:
        run = Run(name, server, url, seed, folder)
        try:
            yield run
            run.finish(drained_seconds)
            told = run.verdict
            is_audited, why = audited(server, url)
            faults = (told.lost, told.duplicate, told.spurious, told.corrupt)
            is_good = is_audited and not any(faults) and told.acknowledged >= least
            report(run.line(is_good=is_good))
            assert faults == (0, 0, 0, 0), told
            assert is_audited, why
            assert told.acknowledged >= least, told
        finally:
            run.memory.stop()
            for sending in run.sendings:
                sending.kill()


def audited(server: Server, url: str) -> tuple[bool, str]:
    """Prove by `errhouse db audit` that events, rollups, tallies and spools agree."""
    done = errhouse("db", "audit", data_dir=server.data_dir, database_url=url)
    return done.returncode == 0, done.stdout + done.stderr
