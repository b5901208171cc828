"""Scenario H-06: four services that start at once over one database, each with a backlog in its spool."""

import os
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec
import psycopg
import pytest

from ingest.records import Door, Payload
from ingest.spool.journal import Journal
from ingest.spool.writer import SEGMENT_BYTES
from models.clock import now_us
from tests.proof import made
from tests.proof.lines import report
from tests.proof.rig import audited
from tests.proof.verdict import stored
from tests.support import warehouse
from tests.support.most import Most
from tests.support.server import serving

SERVICES = 4
BACKLOG = {"1": 2_000, "2": 20_000, "3": 100_000}[os.environ.get("ERRHOUSE_TEST_TIER", "1")]
SHARED = BACKLOG // 2
"""Events that the next service has in its spool too."""
SEED = "H-06"
GROUP = 500
LOOK_SECONDS = 0.05
MOST_CONNECTIONS = 20
DRAINED_SECONDS = 3600
CONNECTIONS = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


def fill(spool: Path, project_id: int, numbers: range) -> None:
    """Write a spool as a receiver would, which died before anything was loaded."""
    spool.mkdir(mode=0o700, parents=True)
    for folder in (spool.parent, spool.parent.parent):
        folder.chmod(0o700)
    journal = Journal(spool, SEGMENT_BYTES)
    encode = msgspec.msgpack.Encoder().encode
    for begin in range(numbers.start, numbers.stop, GROUP):
        records = [
            encode(Payload(now_us(), Door.ENVELOPE, made.body(SEED, number, "small"), project_id, {}))
            for number in range(begin, min(begin + GROUP, numbers.stop))
        ]
        journal.commit(records)
    journal.close()


@pytest.mark.timeout(DRAINED_SECONDS)
@pytest.mark.scenario("H-06", tier=2)
def test_services_that_start_at_once_with_a_backlog_each_load_every_event_once(
    tmp_path: Path, database_url: str
) -> None:
    with serving(tmp_path / "first", database_url):
        project_id, _ = warehouse.first_project(database_url)
    step = BACKLOG - SHARED
    spools = [range(number * step, number * step + BACKLOG) for number in range(SERVICES)]
    for number, numbers in enumerate(spools):
        fill(tmp_path / str(number) / "spool" / "0", project_id, numbers)
    distinct = spools[-1].stop
    with (
        psycopg.connect(database_url, autocommit=True) as looking,
        Most(lambda: (looking.execute(CONNECTIONS).fetchone() or (0,))[0], LOOK_SECONDS) as watch,
        ExitStack() as services,
    ):
        begun = time.monotonic()
        running = [
            services.enter_context(serving(tmp_path / str(number), database_url, wait=False))
            for number in range(SERVICES)
        ]
        for server in running:
            server.wait_ready(DRAINED_SECONDS)
            warehouse.loaded(server, DRAINED_SECONDS)
        seconds = time.monotonic() - begun
        for server in running:
            is_audited, why = audited(server, database_url)
            assert is_audited, why
    found = [each.event_id for each in stored(database_url)]
    counts = warehouse.tally(database_url)
    duplicates = SERVICES * BACKLOG - distinct
    report(
        f"H-06 pass services {SERVICES} backlog {BACKLOG} each rows {len(found)} duplicates {counts['duplicates']} "
        f"connections {watch.most} drained {seconds:.0f} s"
    )
    assert len(found) == len(set(found)) == distinct
    assert counts["duplicates"] == duplicates
    assert counts["payloads"] == SERVICES * BACKLOG
    assert counts["set_aside"] == 0
    assert watch.most <= MOST_CONNECTIONS
