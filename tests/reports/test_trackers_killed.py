"""A sender that is killed around the opening of tickets: each issue gets one ticket, in every tracker."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Engine

from models.engine import engine_for
from models.failpoints import ACTION_SENT, TICKET_BEGUN, TICKET_OPENED
from reports.delivery import outbox
from reports.delivery.targets import Target
from tests.support import warehouse
from tests.support.contracts import ISSUE, MESSAGE
from tests.support.loading import NOON
from tests.support.sending import House
from tests.support.server import ROOT
from tests.support.tracker import Tracker, options
from tests.support.vendor import vendor

CHANNELS = ("github", "gitlab", "jira")
ISSUES = 30
KILLS = 51
POINTS = (TICKET_BEGUN, TICKET_OPENED, ACTION_SENT)
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

LEFT = "select count(*) from warehouse.outbox where status in ('waiting', 'sending')"
url, folder = sys.argv[1], Path(sys.argv[2])

def send():
    engine = engine_for(url, pool_size=5)
    given = settings(folder, SEAL_KEY_FILE=folder / "seal.key")
    sender = Sender(engine, Targets(given), doors(engine, given))
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
# as if the minutes of whoever was killed had passed
LATER = (
    "update warehouse.outbox set claimed_until = now() - interval '1 s' where status = 'sending'",
    "update warehouse.outbox set due_at = now() where status = 'waiting'",
    "update warehouse.ticket set begun_at = now() - interval '3 min' where number is null",
)


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


def run(engine: Engine, senders: subprocess.Popen[str], failpoint: str = "") -> int:
    """Run a sender until it has sent everything, or is killed at a point; give how it ended."""
    assert senders.stdin
    assert senders.stdout
    with engine.begin() as connection:
        for statement in LATER:
            connection.exec_driver_sql(statement)
    senders.stdin.write(f"{failpoint}\n")
    senders.stdin.flush()
    ended = int(senders.stdout.readline())
    assert ended in {0, -signal.SIGKILL}
    return ended


def put(house: House, target: str) -> None:
    """Put two messages for each issue: it is new, and it comes back."""
    with house.engine.begin() as connection:
        for number in range(1, ISSUES + 1):
            for transition in ("new", "regressed"):
                issue = msgspec.structs.replace(ISSUE, issue_id=number, transition=transition)
                key = f"rule:ops:1:{number}:{transition}"
                made = msgspec.structs.replace(MESSAGE, key=key, issue=issue, about_event=None)
                assert outbox.put(connection, made, target, NOON)


@pytest.mark.scenario("B-01")
def test_fifty_kills_open_no_ticket_twice_and_lose_none(
    engine: Engine, database_url: str, tmp_path: Path, senders: subprocess.Popen[str]
) -> None:
    house = House(engine, tmp_path)
    killed: Counter[str] = Counter()
    trackers = {channel: Tracker() for channel in CHANNELS}
    with vendor(trackers["github"]) as one, vendor(trackers["gitlab"]) as two, vendor(trackers["jira"]) as three:
        for channel, server in zip(CHANNELS, (one, two, three), strict=True):
            target = Target(channel, channel, options(channel, server.port), True, 100_000)
            with engine.begin() as connection:
                house.targets.keep(connection, target, NOON, is_replaced=True)
            put(house, channel)
        with engine.begin() as connection:  # by the database's own clock
            connection.exec_driver_sql("update warehouse.outbox set created_at = now(), due_at = now()")
        for kill in range(KILLS):
            point = POINTS[kill % 3]
            if run(engine, senders, f"{point}:{1 + kill % 2}"):
                killed[point] += 1
        assert run(engine, senders) == 0
    assert set(killed) == set(POINTS)
    assert sum(killed.values()) == KILLS
    for tracker in trackers.values():
        keys = Counter(str(each.body).split("errhouse")[-1][:20] for each in tracker.issues)
        assert len(tracker.issues) == len(keys) == ISSUES  # distinct = expected, lost 0, twice 0
        assert all(len(each.comments) <= 1 for each in tracker.issues)
    rows = warehouse.rows(database_url, "select status, count(*)::int as n from warehouse.outbox group by status")
    assert rows == [{"status": "sent", "n": 2 * len(CHANNELS) * ISSUES}]
    opened = warehouse.rows(
        database_url, "select count(distinct number)::int as n from warehouse.ticket group by target"
    )
    assert opened == [{"n": ISSUES}] * len(CHANNELS)
