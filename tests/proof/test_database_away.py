"""Scenarios D-01, D-02, D-03, D-06: PostgreSQL stops, crashes, is killed, comes and goes; senders do not notice."""

import os
import signal
import time
from pathlib import Path

import pytest

from models.embedded_postmaster import postmaster
from tests.proof.lines import report
from tests.proof.proxy import proxied
from tests.proof.rig import LATE_PART, Run, Sending, proving
from tests.support.cluster import FAST, IMMEDIATE, Cluster
from tests.support.wait import until

pytestmark = pytest.mark.timeout(900)

RATE = 500
OUTAGE_SECONDS = 60
CRASHES = 10
FLAPS = 30
FLAP_SECONDS = 2
ATTEMPTS_PER_SECOND = 1.0
"""So often a process may try to connect while there is nothing to connect to."""
REACHING = {"load", "schedule", "console"}
"""What reaches the database, beside the process that starts the others."""


def held(run: Run) -> None:
    """Hold to what is common to outages: nobody was refused, nothing good set aside, and no answer waited for it."""
    assert (run.verdict.refused, run.verdict.cut) == (0, 0), run.verdict
    assert run.verdict.late <= LATE_PART * run.verdict.sent, run.verdict
    assert run.verdict.set_aside == 0


def seen_by_loader(run: Run) -> None:
    until(lambda: run.server.readyz()["database"] != "ok", 30, "the loader meets the outage")


def sent_for(sending: Sending, seconds: float) -> None:
    """Return when so many more events are acknowledged as come in that time."""
    sending.wait_acknowledged(int(seconds * sending.plan.rate), seconds * 4 + 30)


@pytest.mark.scenario("D-01", tier=2)
def test_a_minute_without_postgresql_is_not_seen_by_senders(tmp_path: Path, cluster: Cluster) -> None:
    with proving("D-01", tmp_path, cluster.url, drained_seconds=120) as run:
        sending = run.send(rate=RATE, profile="small")
        sent_for(sending, 5)
        cluster.stop(FAST)
        seen_by_loader(run)
        sent_for(sending, OUTAGE_SECONDS)
        assert run.server.readyz()["spool_events"] > RATE * OUTAGE_SECONDS // 2
        cluster.start()
        sent_for(sending, 5)
    held(run)


@pytest.mark.scenario("D-02", tier=2)
def test_ten_stops_without_goodbye_cost_nothing(tmp_path: Path, cluster: Cluster) -> None:
    with proving("D-02", tmp_path, cluster.url) as run:
        sending = run.send(rate=RATE, profile="small")
        for _ in range(CRASHES):
            sent_for(sending, 2)
            cluster.stop(IMMEDIATE)
            seen_by_loader(run)
            cluster.start()
    assert (tmp_path / "postgres" / "log").read_text().count("database system was not properly shut down") >= CRASHES
    held(run)


@pytest.mark.scenario("D-03", tier=2)
def test_ten_kills_of_the_first_process_cost_nothing(tmp_path: Path, cluster: Cluster) -> None:
    with proving("D-03", tmp_path, cluster.url) as run:
        sending = run.send(rate=RATE, profile="small")
        for _ in range(CRASHES):
            sent_for(sending, 2)
            killed(tmp_path / "postgres" / "data")
            seen_by_loader(run)
            cluster.start()
    assert (tmp_path / "postgres" / "log").read_text().count("database system was not properly shut down") >= CRASHES
    held(run)


def killed(data: Path) -> None:
    """Kill the first process and return when it is gone; its children notice by themselves."""
    first = postmaster(data)
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: postmaster(data) is None, 30, "the first process is gone")


@pytest.mark.scenario("D-06", tier=2)
def test_a_database_that_comes_and_goes_is_not_stormed(tmp_path: Path, database_url: str) -> None:
    with (
        proxied(database_url) as proxy,
        proving("D-06", tmp_path, database_url, service_url=proxy.url(database_url)) as run,
    ):
        sending = run.send(rate=RATE, profile="small")
        sent_for(sending, 2)
        down_seconds = 0.0
        attempts = 0
        for _ in range(FLAPS):
            proxy.fault.is_refusing = True
            begun, before = time.monotonic(), proxy.connection_count
            sent_for(sending, FLAP_SECONDS)
            down_seconds += time.monotonic() - begun
            attempts += proxy.connection_count - before
            proxy.fault.is_refusing = False
            sent_for(sending, FLAP_SECONDS)
        process_count = 1 + sum(role in REACHING for role in run.server.working().values())
        assert "the database is away" in run.server.log()
    report(f"D-06 {attempts} connections asked for in {down_seconds:.0f} s by {process_count} processes")
    assert 0 < attempts <= ATTEMPTS_PER_SECOND * process_count * down_seconds
    held(run)
