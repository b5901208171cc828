"""Scenario B-05: the server, or the way to it, ends the loader's connection at any moment of a batch."""

import os
import time
from collections import Counter
from pathlib import Path
from random import Random

import psycopg
import pytest

from tests.conftest import TIER_VARIABLE
from tests.proof.lines import report
from tests.proof.proxy import proxied
from tests.proof.rig import proving
from tests.support.wait import until

IS_LONG = int(os.environ.get(TIER_VARIABLE, "1")) >= 3
END = """
    select state, pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name = 'errhouse load'
"""
WITHIN = 120
DRAINED_SECONDS = 900


@pytest.mark.scenario("B-05", tier=2)
@pytest.mark.timeout(1800)
def test_connections_ended_by_the_server_at_any_moment_lose_and_double_nothing(
    tmp_path: Path, database_url: str
) -> None:
    wanted = 200 if IS_LONG else 40
    random = Random("B-05")
    ended: Counter[str] = Counter()
    with (
        proving("B-05", tmp_path, database_url, drained_seconds=DRAINED_SECONDS) as run,
        psycopg.connect(database_url, autocommit=True) as operator,
    ):
        sending = run.send(rate=200, profile="small")
        sending.wait_acknowledged(100, DRAINED_SECONDS)
        failures = run.server.log().count("the database is away")
        while ended.total() - ended["idle"] < wanted:
            time.sleep(random.uniform(0.0, 0.05))  # any moment: most of them find it at its work, or with nothing to do
            ended.update(state for state, is_ended in operator.execute(END).fetchall() if is_ended)
        sending.wait_acknowledged(500, DRAINED_SECONDS)
        felt = run.server.log().count("the database is away") - failures
    report(f"B-05 ended {dict(ended)} of the loader's connections, {felt} batches were tried again")
    assert felt > wanted / 10


@pytest.mark.scenario("B-05", tier=2)
@pytest.mark.timeout(1800)
def test_connections_cut_after_any_byte_and_before_the_answer_to_a_commit_lose_and_double_nothing(
    tmp_path: Path, database_url: str
) -> None:
    wanted = 60 if IS_LONG else 12
    random = Random("B-05 cut")
    with (
        proxied(database_url) as proxy,
        proving(
            "B-05", tmp_path, database_url, service_url=proxy.url(database_url), drained_seconds=DRAINED_SECONDS
        ) as run,
    ):
        sending = run.send(rate=200, profile="small")
        sending.wait_acknowledged(100, DRAINED_SECONDS)
        for _ in range(wanted):
            proxy.fault.cuts_after_bytes = random.randrange(1_000, 200_000)
            before = proxy.cut_count
            until(lambda before=before: proxy.cut_count > before, WITHIN, "a connection is cut")  # type: ignore[misc]
            proxy.fault.cuts_after_bytes = 0
            proxy.fault.swallows_commit = True
            before = proxy.swallowed_count
            until(lambda before=before: proxy.swallowed_count > before, WITHIN, "a COMMIT is swallowed")  # type: ignore[misc]
            proxy.fault.swallows_commit = False
        sending.wait_acknowledged(500, DRAINED_SECONDS)
    report(
        f"B-05 through a proxy: {proxy.cut_count} connections cut after some bytes, "
        f"{proxy.swallowed_count} answers to a COMMIT swallowed"
    )
    assert min(proxy.cut_count, proxy.swallowed_count) >= wanted
