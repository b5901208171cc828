"""Scenario D-04, seen by everything but the loader: a peer that takes every byte and answers none holds nothing up."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.schedule_state import schedule_state
from tests.proof.proxy import Proxy, proxied
from tests.support.server import Server, serving
from tests.support.wait import until

NOTICED_SECONDS = 60
AGAIN_SECONDS = 5
STOPPED_SECONDS = 20

pytestmark = pytest.mark.scenario("D-04")


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    with proxied(database_url) as made:
        yield made


@pytest.fixture
def server(tmp_path: Path, proxy: Proxy, database_url: str) -> Iterator[Server]:
    with serving(tmp_path / "data", proxy.url(database_url)) as running:
        yield running
        proxy.fault.is_black_hole = False


@pytest.fixture
def unanswered(server: Server, proxy: Proxy) -> Iterator[Server]:
    until(lambda: heartbeat(server) == "ok", NOTICED_SECONDS, "the scheduler is at work")
    proxy.fault.is_black_hole = True
    until(lambda: heartbeat(server) != "ok", NOTICED_SECONDS, "the scheduler notices")
    yield server
    proxy.fault.is_black_hole = False


def heartbeat(server: Server) -> str:
    told = schedule_state(server.data_dir / "run")
    return told.database if told else ""


def test_a_process_that_ends_meanwhile_is_started_again_at_once(unanswered: Server) -> None:
    for role in ("receive", "load"):
        ended = next(each for each, its in unanswered.working().items() if its == role)
        ended.kill()
        until(
            lambda role=role, ended=ended: any(  # type: ignore[misc]
                its == role and each != ended for each, its in unanswered.working().items()
            ),
            AGAIN_SECONDS,
            f"{role} is there again",
        )


def test_the_scheduler_says_so_and_goes_on_afterwards(unanswered: Server, proxy: Proxy) -> None:
    proxy.fault.is_black_hole = False
    until(lambda: heartbeat(unanswered) == "ok", NOTICED_SECONDS, "its jobs are done again")
    told = schedule_state(unanswered.data_dir / "run")
    assert told is not None
    folded_at = told.last_fold_us

    def has_folded() -> bool:
        said = schedule_state(unanswered.data_dir / "run")
        return said is not None and said.last_fold_us > folded_at

    until(has_folded, NOTICED_SECONDS, "it folds again")


def test_a_service_that_is_told_to_stop_stops(unanswered: Server) -> None:
    assert unanswered.stop(STOPPED_SECONDS) == 0
