"""Scenarios A: the answer a sender waits for, and what it promises."""

from pathlib import Path

import pytest

from tests.proof.lines import report
from tests.proof.rig import proving
from tests.proof.verdict import LATE_SECONDS
from tests.support.wait import until

STEADY_SECONDS = 20
BURSTS = 5
PATIENCE_SECONDS = 30  # what is late is told; the sender itself may be what is slow


@pytest.mark.scenario("A-01")
def test_a_steady_load_is_answered_in_time_and_every_event_is_a_row(tmp_path: Path, database_url: str) -> None:
    with proving("A-01", tmp_path, database_url) as run:
        run.send(rate=500, count=500 * STEADY_SECONDS).wait_sent(STEADY_SECONDS * 3)
    assert run.verdict.late == 0
    assert run.verdict.refused == run.verdict.cut == 0


@pytest.mark.timeout(600)
@pytest.mark.scenario("A-02", tier=2)
def test_bursts_of_new_connections_are_all_taken(tmp_path: Path, database_url: str) -> None:
    with proving("A-02", tmp_path, database_url) as run:
        for number in range(BURSTS):
            burst = {"rate": 3000, "count": 3000, "first": number * 3000, "profile": "small", "is_keepalive": False}
            run.send(**burst, timeout_seconds=PATIENCE_SECONDS).wait_sent(120)
            until(lambda: run.server.readyz()["spool_events"] == 0, 60, "the burst is loaded")
    waits = [each.waited for each in run.answers()]
    late = sum(wait > LATE_SECONDS for wait in waits)
    report(f"A-02 requests {len(waits)}, answered after more than 1 s {late}, the last after {max(waits):.2f} s")
    assert run.verdict.cut == 0
    assert run.verdict.acknowledged + run.verdict.refused == BURSTS * 3000
