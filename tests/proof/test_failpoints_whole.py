"""Scenario B-01 with whole services: at every failpoint `errhouse serve` as it is run, and its own supervisor."""

import time
from pathlib import Path

import pytest

from models import failpoints
from tests.proof.lines import report
from tests.proof.one_by_one import OneByOne
from tests.proof.proxy import proxied
from tests.proof.rig import audited
from tests.proof.verdict import judged
from tests.support import postgres, warehouse
from tests.support.scheduled import due_now, last_minute
from tests.support.server import Server, free_port, serving

AROUND = 100
WITHIN = 180
SCHEDULED = (failpoints.SCHEDULE_CLAIMED, failpoints.SCHEDULE_DONE)
POINTS = (*failpoints.RECEIVING, *failpoints.LOADING, failpoints.FOLD_BEGUN, failpoints.FOLD_DONE, *SCHEDULED)
NEWEST_PARTITION = """
    select max(c.relname) from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'warehouse.fact_event'::regclass
"""
SILENT = "update warehouse.report_run set heartbeat_at = now() - interval '121 s' where status = 'running'"
RUNS = "select status, count(*)::int as runs from warehouse.report_run group by status"


@pytest.mark.scenario("B-01", tier=2)
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("database", ["there", "away"])
@pytest.mark.parametrize("action", ["kill", "raise"])
def test_a_service_that_crashes_or_fails_at_any_failpoint_loses_and_doubles_nothing(
    action: str, database: str, tmp_path: Path, database_url: str
) -> None:
    seed = f"B-01 whole {action} {database}"
    data_dir = tmp_path / "data"
    back: list[float] = []
    with proxied(database_url) as proxy:
        service_url = proxy.url(database_url)
        port = free_port()
        with serving(data_dir, service_url, ERRHOUSE_PORT=str(port)):
            sender = OneByOne(port, warehouse.first_project(database_url), seed)
            sender.send_acknowledged(AROUND, WITHIN)
        for point in POINTS:
            prepare(point, database_url, data_dir)
            seen = tmp_path / f"seen-{point}"
            settings = {"ERRHOUSE_FAILPOINT": f"{point}:1:{action}", "ERRHOUSE_FAILPOINT_SEEN": str(seen)}
            server = Server(data_dir, service_url, (), {"ERRHOUSE_PORT": str(port), **settings})
            proxy.fault.is_refusing = database == "away" and point in failpoints.RECEIVING
            server.start(wait=False)
            try:
                sender.send_until(seen.exists, WITHIN, f"{point} is met")
                begun = time.monotonic()
                sender.send_acknowledged(1, WITHIN)
                back.append(time.monotonic() - begun)
                proxy.fault.is_refusing = database == "away"
                sender.send_acknowledged(AROUND, WITHIN)
            except AssertionError as error:
                raise AssertionError(f"{error}\n{server.log()[-4000:]}") from None
            finally:
                server.kill()
                sender.close()
            proxy.fault.is_refusing = False
        postgres.run(database_url, SILENT)
        with serving(data_dir, service_url) as server:
            warehouse.loaded(server, WITHIN)
            is_audited, why = audited(server, database_url)
    verdict = judged(sender.answers, database_url, seed)
    report(
        f"B-01 whole services, {action}, database {database}: {len(back)} failpoints, {verdict.line()}, "
        f"first 2xx after at most {max(back):.2f} s"
    )
    assert (verdict.lost, verdict.duplicate, verdict.spurious, verdict.corrupt) == (0, 0, 0, 0)
    assert is_audited, why
    assert verdict.acknowledged >= AROUND * len(POINTS)


def prepare(point: str, url: str, data_dir: Path) -> None:
    """Bring about what a failpoint needs that does not come by itself."""
    if point == failpoints.PARTITION_MADE:
        postgres.run(url, f"drop table warehouse.{warehouse.value(url, NEWEST_PARTITION)}")
    elif point in SCHEDULED:
        due_now(url, data_dir, point, last_minute())
