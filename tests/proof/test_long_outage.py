"""Scenario C-07: an outage so long that memory, a start and the way back are put to the test by what waits."""

import os
import time
from pathlib import Path

import httpx
import pytest

from tests.conftest import TIER_VARIABLE
from tests.proof.lines import report
from tests.proof.proxy import proxied
from tests.proof.rig import LATE_PART, LOOK_SECONDS, MIB, proving, resident_bytes
from tests.support import warehouse
from tests.support.builders import auth, event
from tests.support.most import Most
from tests.support.server import Server
from tests.support.wait import until

pytestmark = pytest.mark.timeout(1800)

RATE = 500
OUTAGE_SECONDS = 360 if int(os.environ.get(TIER_VARIABLE, "1")) >= 3 else 60
RATE_MEANWHILE = 100
TIMES_AS_FAST = 3
MOST_GROWTH_MIB = 100
FIRST_ANSWER_SECONDS = 5
"""So much later than with nothing waiting may the first event be taken; how long that takes is the machine's."""


@pytest.mark.scenario("C-07", tier=2)
def test_a_long_outage_costs_no_memory_no_start_and_is_made_up_for(tmp_path: Path, database_url: str) -> None:
    with (
        proxied(database_url) as proxy,
        proving("C-07", tmp_path, database_url, service_url=proxy.url(database_url), drained_seconds=600) as run,
    ):
        server = run.server
        usual = seconds_to_answer(server, database_url)
        sending = run.send(rate=RATE, profile="small")
        sending.wait_acknowledged(RATE * 5)
        before = resident_bytes(server)
        proxy.fault.is_refusing = True
        until(lambda: server.readyz()["database"] != "ok", 30, "the loader meets the outage")
        with Most(lambda: resident_bytes(server), LOOK_SECONDS) as memory:
            sending.wait_acknowledged(RATE * OUTAGE_SECONDS, OUTAGE_SECONDS * 5)
        growth = (memory.most - before) / MIB
        sending.stop()
        first_answer = seconds_to_answer(server, database_url)
        waiting = server.readyz()["spool_events"]
        assert waiting > RATE * OUTAGE_SECONDS // 2

        meanwhile = run.send(rate=RATE_MEANWHILE, profile="small")
        meanwhile.wait_acknowledged(RATE_MEANWHILE * 2)
        proxy.fault.is_refusing = False
        until(lambda: server.readyz()["loaded_total"], 60, "the loader goes on")
        begun, taken = time.monotonic(), meanwhile.acknowledged()
        waiting, loaded = server.readyz()["spool_events"], server.readyz()["loaded_total"]
        until(lambda: server.readyz()["spool_events"] <= RATE_MEANWHILE, 600, "what waited is loaded")
        seconds = time.monotonic() - begun
        taken, loaded = meanwhile.acknowledged() - taken, server.readyz()["loaded_total"] - loaded
    report(
        f"C-07 {waiting} events waited: memory grew by {growth:.0f} MB in {OUTAGE_SECONDS} s, first answer after "
        f"{first_answer:.1f} s, with nothing waiting after {usual:.1f} s; then {loaded / seconds:.0f} events/s loaded "
        f"beside {taken / seconds:.0f} taken"
    )
    assert growth <= MOST_GROWTH_MIB
    assert first_answer <= usual + FIRST_ANSWER_SECONDS
    assert loaded >= TIMES_AS_FAST * taken
    assert (run.verdict.cut, run.verdict.set_aside) == (0, 0), run.verdict
    # a machine too busy for so many events sheds some
    assert run.verdict.late + run.verdict.refused <= LATE_PART * run.verdict.sent, run.verdict


def seconds_to_answer(server: Server, database_url: str) -> float:
    """Restart a service; give how long its start takes until an event is taken."""
    project = warehouse.first_project(database_url)
    server.stop()
    begun = time.monotonic()
    server.start(wait=False)
    until(lambda: answered(server.url, *project), 60, "the first event is taken")
    return time.monotonic() - begun


def answered(url: str, project_id: int, key: str) -> bool:
    """Say whether an event is taken."""
    at = f"{url}/api/{project_id}/store/"
    try:
        return httpx.post(at, json=event(), headers=auth(key), timeout=1, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
