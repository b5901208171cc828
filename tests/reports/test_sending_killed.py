"""A sender killed between reading, sending and writing down: nothing is lost, and the key tells what came twice."""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from models.engine import engine_for
from models.failpoints import ACTION_MARKED, ACTION_SENT, OUTBOX_READ
from tests.support import warehouse
from tests.support.sending import House
from tests.support.server import ROOT
from tests.support.vendor import vendor

KILLS = 51  # seventeen at each of the three points
MESSAGES = 80
# Loads everything once; for each line it is told, a process of its own sends until nothing is left or it is killed.
SENDERS = """
import importlib, os, sys, time
from pathlib import Path
from models.engine import engine_for
from models import failpoints
from reports.delivery.doors import doors
from reports.delivery.sending import Sender
from reports.delivery.targets_kept import Targets
from tests.support.loading import settings
from tests.support.sending import TOLD

LEFT = "select count(*) from warehouse.outbox where status in ('waiting', 'sending')"
url, folder = sys.argv[1], Path(sys.argv[2])

def send():
    engine = engine_for(url, pool_size=3)
    given = settings(folder, SEAL_KEY_FILE=folder / "seal.key")
    sender = Sender(engine, Targets(given), doors(engine, given), [TOLD])
    while True:
        sender.tick()
        sender.settle(5)
        with engine.connect() as connection:
            if not connection.exec_driver_sql(LEFT).scalar():
                return
        time.sleep(0.02)

for line in sys.stdin:
    child = os.fork()
    if not child:
        os.environ["ERRHOUSE_FAILPOINT"] = line.strip()
        importlib.reload(failpoints)
        send()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
# as if the minute of whoever was killed had passed
SILENT = "update warehouse.outbox set claimed_until = now() - interval '1 s' where status = 'sending'"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url, pool_size=2)
    yield made
    made.dispose()


@pytest.fixture
def senders(database_url: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SENDERS, database_url, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as made:
        yield made
        made.kill()


def run(house: House, senders: subprocess.Popen[str], failpoint: str = "") -> int:
    """Run a sender until it has sent everything, or is killed at a point; give how it ended."""
    assert senders.stdin
    assert senders.stdout
    with house.engine.begin() as connection:
        connection.exec_driver_sql(SILENT)
    senders.stdin.write(f"{failpoint}\n")
    senders.stdin.flush()
    ended = int(senders.stdout.readline())
    assert ended in {0, -signal.SIGKILL}
    return ended


@pytest.mark.scenario("B-01")
def test_fifty_kills_lose_no_message_and_send_none_twice_to_who_knows_keys(
    engine: Engine, database_url: str, tmp_path: Path, senders: subprocess.Popen[str]
) -> None:
    house = House(engine, tmp_path)
    points = (OUTBOX_READ, ACTION_SENT, ACTION_MARKED)
    killed: Counter[str] = Counter()
    with vendor() as receiver:
        house.target("ops", receiver.url, most=100_000)
        house.put(*(f"m{number}" for number in range(MESSAGES)))
        with house.engine.begin() as connection:  # by the database's own clock
            connection.exec_driver_sql("update warehouse.outbox set created_at = now(), due_at = now()")
        for kill in range(KILLS):
            point = points[kill % 3]
            if run(house, senders, f"{point}:{1 + kill % 2}"):
                killed[point] += 1
        assert run(house, senders) == 0
        keys = Counter(json.loads(request.body)["key"] for request in receiver.requests)
    assert sum(killed.values()) == KILLS
    assert set(keys) == {f"m{number}" for number in range(MESSAGES)}  # distinct = expected, lost 0
    assert sum(keys.values()) - MESSAGES <= killed[ACTION_SENT]
    rows = warehouse.rows(database_url, "select status, count(*)::int as n from warehouse.outbox group by status")
    assert rows == [{"status": "sent", "n": MESSAGES}]
