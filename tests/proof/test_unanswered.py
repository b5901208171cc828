"""
Scenario D-04, seen by everything but the loader: a peer that takes every byte and answers none holds nothing up.

Nor does a migration that has to wait.
"""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from models.schedule_state import ScheduleState, schedule_state
from tests.proof.proxy import Proxy, proxied
from tests.support import warehouse
from tests.support.server import Server, serving
from tests.support.wait import until

NOTICED_SECONDS = 60
AGAIN_SECONDS = 5
STOPPED_SECONDS = 20
MIGRATION_LOCK = 0x657272686F757365  # as in migrations/env.py, which only alembic can import
WAITS = """
    select count(*) > 0 from pg_stat_activity
    where application_name = 'errhouse migrate' and wait_event = 'advisory' and datname = current_database()
"""

pytestmark = pytest.mark.scenario("D-04")


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    with proxied(database_url) as made:
        yield made


@pytest.fixture
def server(tmp_path: Path, proxy: Proxy, database_url: str) -> Iterator[Server]:
    with serving(tmp_path / "data", proxy.url(database_url)) as running:
        yield running


@pytest.fixture
def unanswered(server: Server, proxy: Proxy) -> Iterator[Server]:
    until(lambda: heartbeat(server) == "ok", NOTICED_SECONDS, "the scheduler is at work")
    proxy.fault.is_black_hole = True
    until(lambda: heartbeat(server) != "ok", NOTICED_SECONDS, "the scheduler notices")
    yield server
    proxy.fault.is_black_hole = False


def scheduler(server: Server) -> ScheduleState:
    return schedule_state(server.data_dir / "run") or ScheduleState(0)


def heartbeat(server: Server) -> str:
    return scheduler(server).database


def is_started_again(server: Server, role: str) -> None:
    """Kill the process of a role, and wait for the next."""
    ended = next(each for each, its in server.working().items() if its == role)
    ended.kill()

    def is_there() -> bool:
        return any(its == role and each != ended for each, its in server.working().items())

    until(is_there, AGAIN_SECONDS, f"{role} is there again")


def test_a_process_that_ends_meanwhile_is_started_again_at_once(unanswered: Server) -> None:
    is_started_again(unanswered, "receive")
    is_started_again(unanswered, "load")


def test_the_scheduler_says_so_and_goes_on_afterwards(unanswered: Server, proxy: Proxy) -> None:
    proxy.fault.is_black_hole = False
    until(lambda: heartbeat(unanswered) == "ok", NOTICED_SECONDS, "its jobs are done again")
    folded_at = scheduler(unanswered).last_fold_us
    until(lambda: scheduler(unanswered).last_fold_us > folded_at, NOTICED_SECONDS, "it folds again")


def test_a_service_that_is_told_to_stop_stops(unanswered: Server) -> None:
    assert unanswered.stop(STOPPED_SECONDS) == 0


def test_a_service_that_waits_for_another_s_migration_starts_a_killed_receiver_again_and_stops_when_it_is_told_to(
    tmp_path: Path, database_url: str
) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir, database_url) as server:
        assert server.readyz()["ready"]
    with psycopg.connect(database_url) as other:
        other.execute("select pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
        with serving(data_dir, database_url, wait=False) as server:
            until(lambda: server.status("/healthz") == 200, NOTICED_SECONDS, "it receives")
            until(lambda: warehouse.value(database_url, WAITS), NOTICED_SECONDS, "it waits for the other")
            is_started_again(server, "receive")
            assert server.stop(STOPPED_SECONDS) == 0
    with serving(data_dir, database_url) as server:
        assert server.readyz()["ready"]
