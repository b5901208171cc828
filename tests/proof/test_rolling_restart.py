"""Scenario A-08: every process is started again under load, and no sender notices."""

import fcntl
import json
import os
import pty
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.proof.lines import report
from tests.proof.rig import Run, proving
from tests.proof.verdict import LATE_SECONDS
from tests.support import warehouse
from tests.support.builders import auth, event
from tests.support.server import Server, serving
from tests.support.wait import until

RATE = 300
ROUNDS = 10
ROUND_SECONDS = 60
DRAIN_SECONDS = 10
AGAIN = "every process was started again"
ON_TERMINAL = "import os, sys; os.open(sys.argv[1], os.O_RDWR); os.execvp(sys.argv[2], sys.argv[2:])"


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """Let services hear of SIGHUP; whoever runs the tests by nohup ignores it, and so would all they start."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def said(server: Server, event: str) -> list[dict[str, Any]]:
    """Give the lines of the log that tell of something."""
    lines = (json.loads(line) for line in server.log().splitlines() if line.startswith("{"))
    return [line for line in lines if line["event"] == event]


def working(server: Server) -> dict[int, str]:
    """Give the processes of the service, each with what it does."""
    return {each.pid: role for each, role in server.working().items()}


def hang_up(server: Server) -> None:
    os.kill(server.process.pid, signal.SIGHUP)


def started_again(run: Run) -> None:
    """Have everything started again, and see that it was: every process is another one."""
    before = working(run.server)
    done = len(said(run.server, AGAIN))
    hang_up(run.server)
    until(lambda: len(said(run.server, AGAIN)) > done, ROUND_SECONDS, AGAIN)
    roles = sorted(before.values())
    until(lambda: sorted(working(run.server).values()) == roles, ROUND_SECONDS, "the last to be asked for is born")
    assert not set(before) & set(working(run.server))


@pytest.mark.scenario("A-08")
def test_a_sender_with_one_connection_is_answered_all_along(tmp_path: Path, database_url: str) -> None:
    statuses: Counter[int] = Counter()
    told: set[str | None] = set()
    with serving(tmp_path / "data", database_url) as server:
        project_id, key = warehouse.first_project(database_url)
        before = working(server)
        hang_up(server)
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=LATE_SECONDS)) as connection:

            def sent() -> bool:
                connection.request("POST", f"/api/{project_id}/store/", json.dumps(event()), auth(key))
                answer = connection.getresponse()
                answer.read()
                statuses[answer.status] += 1
                told.add(answer.getheader("connection"))
                return True

            until(lambda: sent() and said(server, AGAIN), ROUND_SECONDS, AGAIN)
        assert not set(before) & set(working(server))
        warehouse.loaded(server)
        assert statuses == {200: warehouse.value(database_url, "select count(*) from warehouse.fact_event")}
        assert told == {None, "close"}, "the first receiver has ended its connection with an answer"


@pytest.mark.timeout(600)
@pytest.mark.scenario("A-08", tier=2)
@pytest.mark.parametrize("workers", [1, 2])
def test_restarts_under_load_are_noticed_by_no_sender(tmp_path: Path, database_url: str, workers: int) -> None:
    with proving("A-08", tmp_path, database_url, ERRHOUSE_WORKERS=str(workers)) as run:
        run.send(rate=RATE / 2, profile="small")
        run.send(rate=RATE / 2, profile="small", is_keepalive=False).wait_acknowledged(RATE)
        for _ in range(ROUNDS):
            started_again(run)
        drains = [line["seconds"] for line in said(run.server, "a receiver has left")]
        took = [line["seconds"] for line in said(run.server, AGAIN)]
    report(
        f"A-08 restarts {ROUNDS} with receivers {workers}, each within {max(took)} s; "
        f"{len(drains)} receivers left, each within {max(drains)} s"
    )
    assert (run.verdict.refused, run.verdict.cut) == (0, 0)
    assert run.verdict.late == 0
    assert len(drains) == ROUNDS * workers
    assert max(drains) <= DRAIN_SECONDS
    assert not said(run.server, "a process did not stop in time and is killed")
    assert not said(run.server, "a process of the service died and is started again")
    assert not said(run.server, "a loader died with a batch in hand, smaller ones follow")
    assert len(list((run.server.data_dir / "spool").iterdir())) == workers + 1


@pytest.mark.scenario("A-08", tier=2)
def test_a_receiver_that_cannot_start_leaves_the_one_before_at_work(tmp_path: Path, database_url: str) -> None:
    with serving(tmp_path / "data", database_url) as server:
        spool = server.data_dir / "spool" / "1"
        spool.mkdir(mode=0o700)
        with (spool / "writer.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = working(server)
            hang_up(server)
            why = "not everything was started again: a receiver did not start, as was said before"
            until(lambda: said(server, why), ROUND_SECONDS, "it gives up")
        assert working(server) == before
        assert server.status("/readyz") == 200


@pytest.mark.scenario("A-08", tier=2)
def test_a_terminal_that_is_closed_ends_the_service_it_was_started_on(tmp_path: Path, database_url: str) -> None:
    ours, its = pty.openpty()
    prefix = [sys.executable, "-c", ON_TERMINAL, os.ttyname(its)]
    with serving(tmp_path / "data", database_url, prefix=prefix) as server:
        os.close(its)
        hang_up(server)
        until(lambda: said(server, AGAIN), ROUND_SECONDS, "a signal alone starts everything again")
        os.close(ours)
        assert server.process.wait(ROUND_SECONDS) == 0
        assert len(said(server, AGAIN)) == 1
