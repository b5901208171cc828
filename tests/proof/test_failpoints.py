"""Scenario B-01: a crash and an error at every failpoint, with the database there and away."""

import subprocess
import sys
from pathlib import Path

import pytest

from models import failpoints
from reports import runs
from reports.making import perform
from tests.proof.lines import report
from tests.proof.swept import WITHIN, Sweep, sweeping
from tests.support import postgres, warehouse
from tests.support.lifecycle import past
from tests.support.loading import NOON
from tests.support.schedules import SHOP, given, keep
from tests.support.server import ROOT, environment

AROUND = 20  # events that are acknowledged after each failpoint; more are sent until it is met
FOLD = (failpoints.FOLD_BEGUN, failpoints.FOLD_DONE)
SCHEDULED = (failpoints.SCHEDULE_CLAIMED, failpoints.SCHEDULE_DONE)
ELSEWHERE = {
    "tests/reports/test_sending_killed.py": (
        failpoints.OUTBOX_READ,
        failpoints.ACTION_SENT,
        failpoints.ACTION_MARKED,
    ),
    "tests/reports/test_trackers_killed.py": (failpoints.TICKET_BEGUN, failpoints.TICKET_OPENED),
    "tests/reports/test_alerting_crash.py": (failpoints.ALERTS_PUT, failpoints.ALERTS_COMMITTED),
}
ROLES = {
    **dict.fromkeys(failpoints.RECEIVING, "receive"),
    **dict.fromkeys(failpoints.LOADING, "load"),
    **dict.fromkeys(FOLD, "schedule"),
}
PERFORM = """
import sys
from uuid import UUID
from reports.making import perform
from tests.support.schedules import SHOP
perform(sys.argv[1], UUID(sys.argv[2]), 1, SHOP)
"""
SILENT = "update warehouse.report_run set heartbeat_at = now() - interval '121 s' where status = 'running'"
RUNS = "select status, attempt_count from warehouse.report_run where status <> 'skipped'"
ARTIFACTS = "select count(*)::int from warehouse.report_artifact"
NEWEST_PARTITION = """
    select max(c.relname) from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'warehouse.fact_event'::regclass
"""


def test_every_failpoint_is_swept_here_or_held_elsewhere() -> None:
    swept = [*ROLES, *SCHEDULED]
    elsewhere = [point for points in ELSEWHERE.values() for point in points]
    assert sorted(swept + elsewhere) == sorted(failpoints.POINTS)
    constants = {value: name for name, value in vars(failpoints).items() if isinstance(value, str)}
    for path, points in ELSEWHERE.items():
        text = Path(path).read_text()
        assert "scenario(" in text
        assert all(constants[point] in text or f'"{point}' in text for point in points), path


@pytest.mark.scenario("B-01")
@pytest.mark.parametrize("database", ["there", "away"])
@pytest.mark.parametrize("action", ["kill", "raise"])
def test_a_crash_or_an_error_at_any_failpoint_loses_and_doubles_nothing(
    action: str, database: str, tmp_path: Path, database_url: str
) -> None:
    with sweeping(tmp_path, database_url, f"B-01 {action} {database}") as sweep:
        for point, role in ROLES.items():
            prepare(sweep, point)
            is_away_before = database == "away" and role == "receive"
            sweep.proxy.fault.is_refusing = is_away_before
            sweep.meet(role, point, action, lambda point=point: hasten(sweep, point))  # type: ignore[misc]
            sweep.proxy.fault.is_refusing = database == "away"
            sweep.sender.send_acknowledged(AROUND, WITHIN)
            sweep.proxy.fault.is_refusing = False
        verdict = sweep.verdict()
        deaths = sweep.count_deaths()
        was_away = "the database is away" in sweep.log()
    back = max(sweep.back_seconds)
    report(
        f"B-01 {action}, database {database}: {len(sweep.back_seconds)} failpoints, {verdict.line()}, "
        f"first 2xx after at most {back:.2f} s, deaths {deaths}"
    )
    assert (verdict.lost, verdict.duplicate, verdict.spurious, verdict.corrupt) == (0, 0, 0, 0)
    assert verdict.acknowledged >= AROUND * len(ROLES)
    assert was_away == (database == "away") or action == "raise"
    if action == "kill":
        assert {f"{role} -9": list(ROLES.values()).count(role) for role in set(ROLES.values())} == deaths


@pytest.mark.scenario("B-01")
@pytest.mark.parametrize("action", ["kill", "raise"])
@pytest.mark.parametrize("point", SCHEDULED)
def test_a_scheduled_run_that_ends_at_a_failpoint_is_taken_over_and_done_once(
    point: str, action: str, database_url: str
) -> None:
    with past(database_url) as house:
        house.load([1, 1, 2])
        keep(house.engine, given())
        run = runs.next_run(house.engine, "one", NOON)
        assert run
        ended = subprocess.run(
            [sys.executable, "-c", PERFORM, house.url, str(run.run_id)],
            cwd=ROOT,
            env=environment(PYTHONPATH=str(ROOT), ERRHOUSE_FAILPOINT=f"{point}:1:{action}"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == (-9 if action == "kill" else 1), ended.stderr
        assert (action == "kill") != (f"failpoint {point}" in ended.stderr)
        assert house.value(ARTIFACTS) == 0
        house.run(SILENT)
        again = runs.next_run(house.engine, "two", NOON)
        assert again
        perform(house.url, again.run_id, 2, SHOP)
        assert warehouse.rows(house.url, RUNS) == [{"status": "done", "attempt_count": 2}]
        assert house.value(ARTIFACTS) == len(again.formats)


def prepare(sweep: Sweep, point: str) -> None:
    """Bring about beforehand what a failpoint needs that does not come by itself."""
    if point == failpoints.PARTITION_MADE:
        name = warehouse.value(sweep.url, NEWEST_PARTITION)
        postgres.run(sweep.url, f"drop table warehouse.{name}")


def hasten(sweep: Sweep, point: str) -> None:
    """Bring it about afterwards."""
    if point == failpoints.SEGMENT_UNLINKED:
        sweep.restart("receive")  # which begins a new segment
