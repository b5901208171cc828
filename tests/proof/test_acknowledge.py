"""Scenarios A: the answer a sender waits for, and what it promises."""

from pathlib import Path

import pytest

from tests.proof.rig import proving

STEADY_SECONDS = 20


@pytest.mark.scenario("A-01")
def test_a_steady_load_is_answered_in_time_and_every_event_is_a_row(tmp_path: Path, database_url: str) -> None:
    with proving("A-01", tmp_path, database_url) as run:
        run.send(rate=500, count=500 * STEADY_SECONDS).wait_sent(STEADY_SECONDS * 3)
    assert run.verdict.late == 0
    assert run.verdict.refused == run.verdict.cut == 0
