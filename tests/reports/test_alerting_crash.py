"""A storm, crashes and two schedulers: what is told stays bounded, and nothing of it is lost or told twice."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.support import warehouse
from tests.support.alerts import House, alerts, titled
from tests.support.server import ROOT, environment

EVALUATE = """
import sys
from models.clock import now
from models.engine import engine_for
from reports.alerts.alerting import Alerting
engine = engine_for(sys.argv[1])
Alerting(engine, "https://errhouse.example", lambda _, names: dict.fromkeys(names, 20), lambda _: {}).loaded()
"""
STORM = 10_000


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    with alerts(database_url) as made:
        yield made


def evaluate_apart(house: House, failpoint: str = "") -> int:
    """Evaluate in a process of its own, which dies where it is told to."""
    done = subprocess.run(
        [sys.executable, "-c", EVALUATE, house.url],
        cwd=ROOT,
        env=environment(ERRHOUSE_FAILPOINT=failpoint, PYTHONPATH=os.fspath(ROOT)),
        check=False,
        timeout=60,
        capture_output=True,
    )
    assert done.returncode in {0, -9}, done.stderr
    return done.returncode


def test_a_storm_of_ten_thousand_new_issues_is_twenty_messages_and_one_digest(house: House) -> None:
    house.clock.now = house.clock.now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    house.rule("new", "new_issue", targets=["chat", "mail"])
    begun = time.monotonic()
    for batch in range(STORM // 2000):
        house.load(*(titled(f"Boom{batch}x{number}") for number in range(2000)))
        evaluating = time.monotonic()
        house.evaluate()
        assert time.monotonic() - evaluating < 20
        house.passes(seconds=5)
    assert time.monotonic() - begun < 200
    for target in ("chat", "mail"):
        rows = [row for row in house.outbox() if row["target"] == target]
        assert [row["kind"] for row in rows].count("alert") == 20
        (digest,) = [row for row in rows if row["kind"] == "digest"]
        assert digest["message"]["title"] == "9,980 more alerts were held back"
        assert len(digest["message"]["text"].splitlines()) == 10
    assert len(house.outbox()) == 42
    assert warehouse.value(house.url, "select count(*)::int from warehouse.alert_state") == 20
    assert warehouse.value(house.url, "select count(*)::int from warehouse.alert_feed") == 0


@pytest.mark.scenario("B-01")
def test_a_crash_at_any_place_neither_loses_nor_doubles(house: House) -> None:
    house.rule("new", "new_issue")
    for turn in range(6):
        house.load(titled(f"Boom{turn}"))
        assert evaluate_apart(house, ("alerts_put", "alerts_committed")[turn % 2]) == -9
        assert len(house.outbox()) == turn + turn % 2
        assert evaluate_apart(house) == 0
        assert len(house.outbox()) == turn + 1
    assert len(set(house.titles())) == 6


def test_a_kill_at_any_time_neither_loses_nor_doubles(house: House) -> None:
    house.most = 1000
    house.rule("new", "new_issue", targets=["a"])
    for turn in range(8):
        house.load(*(titled(f"Boom{turn}x{number}") for number in range(2)))
        process = subprocess.Popen(
            [sys.executable, "-c", EVALUATE, house.url],
            cwd=ROOT,
            env=environment(PYTHONPATH=os.fspath(ROOT)),
            stderr=subprocess.DEVNULL,
        )
        time.sleep(0.5 + 0.1 * turn)  # somewhere in its start, its transaction or after it
        process.kill()
        process.wait()
        house.evaluate()
    while house.evaluate():
        pass
    alerts_told = house.outbox("alert")
    held = sum(int(row["message"]["facts"][0]["value"]) for row in house.outbox("digest"))
    assert len({row["key"] for row in alerts_told}) == len(alerts_told)
    assert len(alerts_told) + held == 16


def test_two_schedulers_at_once_tell_everything_once(house: House) -> None:
    house.most = 1000
    house.rule("new", "new_issue")
    house.rule("fresh", "freshness", lag="1m")
    house.figures = {"loader_lag_seconds": 100.0}
    others = [house.another() for _ in range(2)]
    stop = threading.Event()

    def go_on(which: int) -> None:
        while not stop.is_set():
            others[which].loaded()
            others[which].asked()

    threads = [threading.Thread(target=go_on, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(10):
        house.load(*(titled(f"Boom{turn}x{number}") for number in range(10)))
    stop.set()
    for thread in threads:
        thread.join(30)
    house.evaluate()
    assert len([title for title in house.titles() if title.startswith("New issue")]) == 100
    assert house.titles().count("Events wait to be loaded") == 1
