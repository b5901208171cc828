"""Reports in processes of their own: what they make, what they may need, and what becomes of those that fail."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from models.schedule_state import ScheduleState
from reports import apart, runs, schedules, worker
from reports.apart import Limits, run_apart
from reports.cron import Schedule
from reports.delivery.doors import doors
from reports.delivery.sending import Sender
from reports.delivery.targets_kept import Targets
from reports.errors import LostClaim, ReportsError
from reports.halt import Halt, Halted
from reports.making import perform
from reports.report import decoded
from reports.schedule import Work
from tests.support import warehouse
from tests.support.lifecycle import Past, past
from tests.support.loading import NOON, settings
from tests.support.schedules import SHOP, given, keep, program
from tests.support.server import ROOT
from tests.support.wait import until

MIB = 1024 * 1024
ROOM = Limits(300 * MIB, 60)
WITHIN = 60
SCHEDULER = """
import sys
from models.engine import engine_for
from reports import worker
from reports.apart import Limits
url, program, at = sys.argv[1], sys.argv[2], sys.argv[3]
from datetime import datetime
engine = engine_for(url)
command = (sys.executable, "-c", program)
worker.run_next(engine, lambda run: worker.do(engine, run, url, Limits(2**30, 60), program=command),
    datetime.fromisoformat(at))
"""


@pytest.fixture
def house(database_url: str) -> Iterator[Past]:
    with past(database_url) as made:
        made.load([1, 1, 2])
        yield made


def claimed(house: Past, at: datetime = NOON) -> runs.Run:
    found = runs.next_run(house.engine, "test", at)
    assert found is not None
    return found


def daily(**about: Any) -> Schedule:
    row: dict[str, Any] = {"cron": "0 8 * * *", "starts_at": NOON - timedelta(days=2), **about}
    return given("tiny", parameters={"period": "day", "top": "5"}, **row)


def outcome(house: Past, run: runs.Run) -> tuple[str, str | None]:
    with house.engine.connect() as connection:
        return runs.outcome(connection, run)


def done(house: Past, run: runs.Run, *lines: str, limits: Limits = ROOM) -> str:
    """Have a program stand for the process of a run; give why it failed."""
    worker.do(house.engine, run, house.url, limits, program=tuple(program(*lines)))
    status, error = outcome(house, run)
    assert status == "failed"
    assert error
    return error


def sent(house: Past, data_dir: Path) -> list[str | None]:
    """Send what is in the outbox; give what became of each message."""
    given_settings = settings(data_dir, DATABASE_URL=house.url)
    sender = Sender(house.engine, Targets(given_settings), doors(house.engine, given_settings))
    sender.tick()
    assert sender.settle(WITHIN)
    return [row["error"] for row in warehouse.rows(house.url, "select error from warehouse.outbox order by target")]


def test_a_run_makes_its_report_keeps_it_and_sends_it_and_made_again_it_is_the_same(
    house: Past, tmp_path: Path
) -> None:
    keep(house.engine, daily(targets=[f"file:{tmp_path}"]))
    run = claimed(house)
    perform(house.url, run.run_id, 1, SHOP)
    body = house.value("select body from warehouse.report_artifact")
    report = decoded(bytes(body))
    assert report.headline[0].value == 2
    assert (report.period.label, report.parameters) == ("2026-11-23", {"top": "5"})
    assert list(tmp_path.iterdir()) == []
    assert sent(house, tmp_path) == [None]
    assert [path.name for path in tmp_path.iterdir()] == ["tiny-2026-11-23.json"]
    assert (tmp_path / "tiny-2026-11-23.json").read_bytes() == body
    assert house.value("select sha256 from warehouse.report_artifact") == hashlib.sha256(body).digest()
    row = (
        "select row(status, row_count, code_version is null, memory_bytes > 1e7)::text from warehouse.report_run "
        "where status <> 'skipped'"
    )
    assert house.value(row) == "(done,1,f,t)"
    house.run("update warehouse.report_run set status = 'failed'", "delete from warehouse.report_artifact")
    again = runs.claim_missed(house.engine, daily(), run.scheduled_for, "hand")
    assert again
    perform(house.url, again.run_id, again.attempt_count, SHOP)
    assert house.value("select body from warehouse.report_artifact") == body


def test_a_report_that_does_not_arrive_everywhere_is_done_and_its_messages_tell(house: Past, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    keep(house.engine, daily(targets=[f"file:{missing}", f"file:{tmp_path}"]))
    run = claimed(house)
    perform(house.url, run.run_id, 1, SHOP, "https://errors.example.com")
    assert outcome(house, run) == ("done", None)
    message = house.value("select message from warehouse.outbox where target like '%%missing'")
    assert message["title"] == "Counts 2026-11-23"
    assert message["link"] == f"https://errors.example.com/reports/runs/{run.run_id}"
    assert {"name": "Events", "value": "2"} in message["facts"]
    here, there = sorted([*sent(house, tmp_path)], key=lambda error: error is not None)
    assert (here, there) == (None, f"There is no folder {missing}; make it, and let errhouse write to it.")
    assert len(list(tmp_path.iterdir())) == 1
    with house.engine.connect() as connection:
        (listed,) = schedules.listed(connection)
    assert listed.last_sent == f"file:{tmp_path} sent, file:{missing} failed"


def test_whoever_lost_a_run_neither_sends_nor_writes(house: Past, tmp_path: Path) -> None:
    keep(house.engine, daily(targets=[f"file:{tmp_path}"]))
    run = claimed(house)
    house.run("update warehouse.report_run set attempt_count = 2")
    with pytest.raises(LostClaim):
        perform(house.url, run.run_id, 1, SHOP)
    assert house.value("select count(*)::int from warehouse.outbox") == 0
    assert list(tmp_path.iterdir()) == []


def test_a_format_that_is_not_there_is_one_sentence(house: Past) -> None:
    keep(house.engine, daily(formats=["json", "papyrus"]))
    with pytest.raises(ReportsError, match="There is no format papyrus; there are json"):
        perform(house.url, claimed(house).run_id, 1, SHOP)


def test_a_report_that_takes_too_much_memory_fails_with_a_sentence(house: Past) -> None:
    keep(house.engine, daily())
    run = claimed(house)
    grow = ("held = []", "while True: held.append(bytearray(8 << 20))")
    said = done(house, run, *grow, limits=Limits(200 * MIB, 60))
    assert said.startswith("It needed more than the 200 MiB of memory it may have; ")
    assert "ERRHOUSE_REPORT_MEMORY_BYTES" in said
    assert house.value("select memory_bytes from warehouse.report_run where status = 'failed'") > 200 * MIB


def test_a_burst_past_the_limit_is_refused_by_the_process_itself() -> None:
    lines = ("from reports.apart import *", "hold_memory(Limits(64 << 20, 1))", "bytearray(2 << 30)")
    made = subprocess.run([*program(*lines)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "MemoryError" in made.stderr


def test_a_report_that_takes_too_long_is_ended_with_all_it_started(house: Past, tmp_path: Path) -> None:
    keep(house.engine, daily())
    run = claimed(house)
    told = tmp_path / "pid"
    lines = (
        "import subprocess, time",
        "child = subprocess.Popen(['sleep', '300'])",
        f"open({str(told)!r}, 'w').write(str(child.pid))",
        "time.sleep(300)",
    )
    said = done(house, run, *lines, limits=Limits(300 * MIB, 2))
    assert said.startswith("It took longer than the 2 seconds it may; ")
    until(lambda: not _lives(int(told.read_text())), WITHIN, "what it started is ended too")


def test_what_a_process_says_when_it_fails_is_what_is_told(house: Past) -> None:
    keep(house.engine, daily(catch_up="all", cron="0 * * * *"))
    at = NOON - timedelta(days=1)
    said = [
        done(house, claimed(house, at), *lines)
        for lines in (
            ("print('noise'); print('There is no such report.'); raise SystemExit(2)",),
            ("raise SystemExit(3)",),
            ("import os; os.kill(os.getpid(), 9)",),
            ("print('x' * 100_000); raise SystemExit(2)",),
        )
    ]
    assert said[0] == "There is no such report."
    assert said[1] == "Its process ended with status 3; the log says more."
    assert said[2].startswith("Its process was ended by SIGKILL, as the system does when memory runs out")
    assert len(said[3]) == apart.LONGEST_SENTENCE


def test_a_worker_that_is_told_that_its_run_is_lost_gives_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "BEAT_SECONDS", 0.0)
    ended = run_apart([*program("import time; time.sleep(60)")], os.environ, ROOM, beat=lambda: False)
    assert ended.error == "It was silent for too long, and another worker took it over."


def test_a_scheduler_holds_nothing_that_only_reports_need() -> None:
    heavy = "{'pandas', 'numpy', 'pyarrow', 'altair'}"
    lines = ("import sys, reports.schedule, reports.cli, ingest.cli", f"print({heavy} & set(sys.modules))")
    made = subprocess.run([*program(*lines)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert made.stdout == "set()\n"


def test_when_the_service_stops_the_report_is_ended_and_the_run_left_to_whoever_asks_next(house: Past) -> None:
    keep(house.engine, daily())
    run = claimed(house)
    command = tuple(program("import time; time.sleep(60)"))
    with pytest.raises(Halted):
        worker.do(house.engine, run, house.url, ROOM, lambda: True, command)
    assert outcome(house, run) == ("running", None)
    assert claimed(house)[:6] == run[:6]


def test_a_scheduler_killed_in_the_middle_is_taken_over_and_its_report_ends_with_it(
    house: Past, tmp_path: Path
) -> None:
    keep(house.engine, daily())
    told = tmp_path / "pid"
    at_it = f"import os, sys; open({str(told)!r}, 'w').write(str(os.getpid())); sys.stdin.read()"
    command = [sys.executable, "-c", SCHEDULER, house.url, at_it, NOON.isoformat()]
    scheduler = subprocess.Popen(command, cwd=ROOT)
    until(lambda: told.exists() and told.read_text(), WITHIN, "the report is begun")
    os.kill(scheduler.pid, signal.SIGKILL)
    scheduler.wait()
    until(lambda: not _lives(int(told.read_text())), WITHIN, "the report ends without its scheduler")
    assert runs.next_run(house.engine, "two", NOON) is None
    house.run("update warehouse.report_run set heartbeat_at = now() - interval '121 s' where status = 'running'")
    run = claimed(house)
    assert run.attempt_count == 2
    perform(house.url, run.run_id, 2, SHOP)
    assert outcome(house, run) == ("done", None)


def test_the_scheduler_s_job_does_all_that_is_due_and_goes_on_after_a_failure(house: Past, tmp_path: Path) -> None:
    keep(house.engine, daily(), given("second", cron="* * * * *", report="no_such_report"))
    given_settings = settings(tmp_path, DATABASE_URL=house.url)
    work = Work(house.engine, given_settings, lambda: NOON, Halt(house.engine))
    assert {"reports", "artifacts"} <= {job.name for job in work.jobs()}
    assert isinstance(work.state, ScheduleState)
    work.reports()
    failed = "select count(*)::int from warehouse.report_run where status = 'failed' and error is not null"
    assert house.value(failed) >= 1
    assert house.value("select count(*)::int from warehouse.report_run where status = 'running'") == 0
    work.artifacts()


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
