"""Scenario H-02: a report whose worker is killed is made by another in time, and one whose worker pauses is not."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from models.schedule_state import SCHEDULE_FILE
from tests.proof.lines import report
from tests.support import warehouse
from tests.support.scheduled import WITHIN, due_now, ended, last_minute, making, run_of
from tests.support.server import Server, serving
from tests.support.wait import until

TAKEN_OVER_SECONDS = 30
PAUSED_SECONDS = 10
SILENT_FOR = "select extract(epoch from now() - heartbeat_at)::float from warehouse.report_run where name = 'daily'"
MESSAGES = "select count(*)::int from warehouse.outbox"


@contextmanager
def two_at_it(folder: Path, url: str) -> Iterator[tuple[Server, psutil.Process, Path]]:
    """Run two services with a report that is due; gives the one that makes it, its process, and where it is sent."""
    target = folder / "reports"
    target.mkdir()
    with ExitStack() as stack:
        both = [stack.enter_context(serving(folder / name, url, "--roles", "schedule", wait=False)) for name in "ab"]
        told = [each.data_dir / "run" / SCHEDULE_FILE for each in both]
        until(lambda: all(each.exists() for each in told), WITHIN, "both schedulers are there")
        due_now(url, both[0].data_dir, "daily", last_minute(), "--target", f"file:{target}")
        at_it = until(lambda: next((each for each in both if making(each)), None), WITHIN, "a report is being made")
        assert at_it is not None
        process = making(at_it)
        assert process is not None, "it was made too quickly to be held"
        yield at_it, process, target


def made_once(url: str, target: Path, attempts: int) -> None:
    """Hold to one run, after so many attempts, and one message."""
    assert ended(url, "daily")["attempt_count"] == attempts
    until(lambda: list(target.glob("[!.]*")), WITHIN, "its message is sent")
    assert warehouse.value(url, MESSAGES) == 1


@pytest.mark.scenario("H-02", tier=2)
def test_a_report_whose_scheduler_was_killed_is_taken_over_within_half_a_minute(
    tmp_path: Path, database_url: str
) -> None:
    with two_at_it(tmp_path, database_url) as (server, _, target):
        server.kill()
        begun = time.monotonic()
        assert run_of(database_url, "daily")["status"] == "running"
        until(lambda: run_of(database_url, "daily")["attempt_count"] == 2, WITHIN, "another one takes it over")
        seconds = time.monotonic() - begun
        made_once(database_url, target, 2)
    report(f"H-02 pass taken over {seconds:.1f} s after the kill, one message")
    assert seconds <= TAKEN_OVER_SECONDS


@pytest.mark.scenario("H-02", tier=2)
def test_a_report_whose_scheduler_pauses_for_some_seconds_stays_its_own(tmp_path: Path, database_url: str) -> None:
    with two_at_it(tmp_path, database_url) as (server, process, target):
        (scheduler,) = [each for each, role in server.working().items() if role == "schedule"]
        paused = (scheduler, process)
        for each in paused:
            each.send_signal(signal.SIGSTOP)
        until(lambda: warehouse.value(database_url, SILENT_FOR) > PAUSED_SECONDS, WITHIN, "it pauses")
        for each in paused:
            each.send_signal(signal.SIGCONT)
        made_once(database_url, target, 1)
