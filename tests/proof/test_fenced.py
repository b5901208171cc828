"""Scenario H-03: a worker that sleeps past its lease; what it writes afterwards does not count."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine

from models.engine import engine_for
from reports import runs
from reports.delivery.message import Artifact
from reports.runs import Outcome
from tests.proof.lines import report
from tests.support import warehouse
from tests.support.schedules import START, given, keep
from tests.support.sending import House
from tests.support.server import ROOT
from tests.support.vendor import vendor
from tests.support.wait import until

TIMES = 100
WITHIN = 60
MINUTE = timedelta(minutes=1)
LATE, IN_TIME = (Artifact("json", "json", "application/json", body) for body in (b'"late"', b'"in time"'))
SILENT_RUNS = "update warehouse.report_run set heartbeat_at = now() - interval '121 s' where status = 'running'"
SILENT_MESSAGES = "update warehouse.outbox set claimed_until = now() - interval '1 s' where status = 'sending'"

# Claims a run at each instant that it is told, and ends it when it is told to go on.
REPORTER = """
import sys
from datetime import datetime
from models.engine import engine_for
from reports import runs
from reports.delivery.message import Artifact
engine = engine_for(sys.argv[1], pool_size=1)
made = runs.Outcome("done", artifacts=[Artifact("json", "json", "application/json", b'"late"')])
for line in sys.stdin:
    run = runs.next_run(engine, "sleeper", datetime.fromisoformat(line.strip()))
    print(run.run_id, flush=True)
    sys.stdin.readline()
    with engine.begin() as connection:
        print(runs.beat(connection, run), runs.end(connection, run, made), flush=True)
"""
# Sends what is due whenever it is told to, and halts itself with a message in its hands: before it is sent.
SENDER = """
import signal, sys, threading
from pathlib import Path
from types import SimpleNamespace
import structlog
from models.engine import engine_for
from reports.delivery.doors import doors
from reports.delivery.sending import Sender
from reports.delivery.targets_kept import Targets
from reports.errors import DeliveryError
from tests.support import sending
from tests.support.loading import settings
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
engine = engine_for(sys.argv[1], pool_size=2)
given = settings(Path(sys.argv[2]), SEAL_KEY_FILE=Path(sys.argv[2]) / "seal.key")

def send(target, message, out):
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # kill() may leave this thread at it for a while
    if message.key.endswith("fails"):
        raise DeliveryError("It failed, but late.", permanent=False)
    return sending.send(target, message, out)

told = SimpleNamespace(**{**vars(sending.TOLD), "send": send})
sender = Sender(engine, Targets(given), doors(engine, given), [told])
for _ in sys.stdin:
    sender.tick()
    sender.settle(60)
    print("settled", flush=True)
"""


class Worker:
    """A process that is told lines and answers with lines, and can be halted in between."""

    def __init__(self, program: str, *arguments: object) -> None:
        self.halted = 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, line: object) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "it has ended"
        return line.strip()

    def halt(self) -> None:
        os.kill(self._process.pid, signal.SIGSTOP)
        self.wait_halted()

    def wait_halted(self) -> None:
        process = psutil.Process(self._process.pid)
        until(lambda: process.status() == psutil.STATUS_STOPPED, WITHIN, "it is halted")
        self.halted += 1

    def go_on(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def worker(program: str, *arguments: object) -> Iterator[Worker]:
    made = Worker(program, *arguments)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url, pool_size=4)
    yield made
    made.dispose()


def execute(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)


@pytest.mark.scenario("H-03")
def test_a_report_s_worker_that_was_halted_past_its_lease_ends_no_run(database_url: str, engine: Engine) -> None:
    keep(engine, given(cron="* * * * *"))
    with worker(REPORTER, database_url) as sleeper:
        for number in range(1, TIMES + 1):
            at = START + number * MINUTE
            sleeper.tell(at.isoformat())
            claimed = sleeper.answer()
            sleeper.halt()
            sleeper.tell("go on")
            execute(engine, SILENT_RUNS)
            taken = runs.next_run(engine, "awake", at)
            assert taken is not None
            assert (str(taken.run_id), taken.attempt_count) == (claimed, 2)
            if number % 2:  # the late one is heard of after the end, or while the other is still at it
                with engine.begin() as connection:
                    assert runs.end(connection, taken, Outcome("done", artifacts=[IN_TIME]))
            sleeper.go_on()
            assert sleeper.answer() == "False False"
            if not number % 2:
                with engine.begin() as connection:
                    assert runs.end(connection, taken, Outcome("done", artifacts=[IN_TIME]))
        assert sleeper.halted == TIMES
    made = warehouse.rows(
        database_url, "select worker, status, count(*)::int as n from warehouse.report_run group by 1, 2"
    )
    assert made == [{"worker": "awake", "status": "done", "n": TIMES}]
    bodies = warehouse.rows(database_url, "select body, count(*)::int as n from warehouse.report_artifact group by 1")
    assert [(bytes(row["body"]), row["n"]) for row in bodies] == [(IN_TIME.body, TIMES)]
    report(f"H-03 pass {TIMES} halted workers of reports: 0 of their runs ended by them")


@pytest.mark.scenario("H-03")
def test_a_sender_that_was_halted_past_its_lease_makes_no_message_sent_twice_to_who_knows_keys(
    database_url: str, engine: Engine, tmp_path: Path
) -> None:
    house = House(engine, tmp_path)
    keys = [f"m{number}-{'fails' if number % 2 else 'arrives'}" for number in range(TIMES)]
    with vendor() as receiver, worker(SENDER, database_url, tmp_path) as sleeper:
        house.target("ops", receiver.url, most=100_000)
        for key in keys:
            house.put(key)
            execute(engine, "update warehouse.outbox set created_at = now(), due_at = now() where status = 'waiting'")
            sleeper.tell("send")
            sleeper.wait_halted()
            execute(engine, SILENT_MESSAGES)
            house.clock.now = warehouse.value(database_url, "select now()")
            house.sent(house.sender())
            sleeper.go_on()
            assert sleeper.answer() == "settled"
        arrived = Counter(json.loads(request.body)["key"] for request in receiver.requests)
        assert sleeper.halted == TIMES
    assert arrived == {
        key: 1 if key.endswith("fails") else 2 for key in keys
    }  # the same key, which says that it is one
    rows = warehouse.rows(
        database_url, "select status, attempt_count, count(*)::int as n from warehouse.outbox group by 1, 2"
    )
    assert rows == [{"status": "sent", "attempt_count": 2, "n": TIMES}]
    attempts = "select outcome, count(*)::int as n from warehouse.delivery group by 1 order by 1"
    assert warehouse.rows(database_url, attempts) == [
        {"outcome": "delivered", "n": TIMES + TIMES // 2},
        {"outcome": "temporary", "n": TIMES // 2},
    ]
    report(f"H-03 pass {TIMES} halted senders: {len(arrived)} distinct messages arrived, all sent, none again")
