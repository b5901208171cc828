"""`kill -9` of receivers, loader and supervisor under load: what was acknowledged is a row, once."""

import time
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random

import psutil
import pytest

from models import failpoints
from tests.support import warehouse
from tests.support.crowd import Report, under_load
from tests.support.server import ROLES, Server, role, serving
from tests.support.wait import until

SEED = 20
KILLS = 20
RATE = 200
MOST_SECONDS = 100
AGAIN_SECONDS = 10
BACK_SECONDS = 60  # a deadline on a busy machine; a few seconds are usual


def sending(server: Server, url: str, seed: str) -> AbstractContextManager[Report]:
    project = warehouse.first_project(url)
    return under_load(server.port, project, rate=RATE, seed=seed, most_seconds=MOST_SECONDS)


def pid(server: Server, name: str) -> int:
    return int((server.data_dir / "run" / f"{name}.pid").read_text())


def assert_each_acknowledged_event_is_one_row(url: str, report: Report) -> None:
    query = "select replace(event_id::text, '-', '') as id from analytics.events"
    found = Counter(row["id"] for row in warehouse.rows(url, query))
    assert [event_id for event_id, count in found.items() if count > 1] == []
    assert report.acknowledged - set(found) == set()
    assert set(found) - report.sent == set()
    assert warehouse.value(url, "select count(*) from warehouse.set_aside") == 0
    counts = warehouse.tally(url)
    assert counts["loaded"] == len(found)
    assert len(report.acknowledged) >= 1000


@pytest.mark.scenario("B-01")
def test_a_receiver_that_dies_before_it_was_ever_there_is_started_again_while_the_others_start(
    tmp_path: Path, database_url: str
) -> None:
    data_dir, seen = tmp_path / "data", tmp_path / "seen"
    with serving(data_dir, database_url):
        pass
    dies = {"ERRHOUSE_FAILPOINT": f"{failpoints.SEGMENT_CREATED}:1:kill", "ERRHOUSE_FAILPOINT_SEEN": str(seen)}
    with serving(data_dir, database_url, wait=False, **dies) as server:
        until(seen.exists, BACK_SECONDS, "it died")
        until(lambda: server.status("/healthz") == 200, AGAIN_SECONDS, "another is there")


@pytest.mark.scenario("B-03")
def test_an_acknowledged_event_survives_kill_9_of_receivers_and_loader(tmp_path: Path, database_url: str) -> None:
    random = Random(SEED)
    turns = ["receive-0", "load", "receive-1", "both"] * (KILLS // 4)
    killed: Counter[str] = Counter()
    gone: dict[str, int] = {}
    with serving(tmp_path / "data", database_url, ERRHOUSE_WORKERS="2") as server:
        with sending(server, database_url, "kill") as report:
            for turn in turns:
                names = ["receive-0", "load"] if turn == "both" else [turn]
                victims = {
                    name: until(lambda n=name: alive(server, n, gone), BACK_SECONDS, f"{name} runs") for name in names
                }
                time.sleep(random.uniform(0.05, 0.5))  # a kill hits any moment of the work
                for victim in victims.values():
                    victim.kill()
                gone.update({name: victim.pid for name, victim in victims.items()})
                killed.update(names)
            until(lambda: deaths_seen(server) == killed.total(), BACK_SECONDS, "every kill was seen")
        warehouse.loaded(server)
        assert killed.total() > KILLS
        assert_each_acknowledged_event_is_one_row(database_url, report)
        print(f"{dict(killed)} {report}")


def test_what_was_acknowledged_is_loaded_after_the_supervisor_was_killed(tmp_path: Path, database_url: str) -> None:
    with serving(tmp_path / "data", database_url) as server:
        with sending(server, database_url, "supervisor") as report:
            until(lambda: len(report.acknowledged) > 600, BACK_SECONDS, "events are acknowledged")
            children = server.children()
            assert {role(each) for each in children} == {*ROLES, "nursery"}
            server.process.kill()
            server.process.wait()
            _, left = psutil.wait_procs(children, BACK_SECONDS)
            assert left == []
            server.start()
            before = len(report.acknowledged)
            until(lambda: len(report.acknowledged) > before + 600, BACK_SECONDS, "events are acknowledged again")
        warehouse.loaded(server)
        assert_each_acknowledged_event_is_one_row(database_url, report)
        print(report)


def deaths_seen(server: Server) -> int:
    return server.log().count("died and is started again")


def alive(server: Server, name: str, gone: dict[str, int]) -> psutil.Process | None:
    number = pid(server, name)
    if gone.get(name) == number:
        return None
    try:
        process = psutil.Process(number)
        # it does its work: a receiver has opened its spool, a loader has told of itself
        return process if process.is_running() and any("spool" in file.path for file in process.open_files()) else None
    except (psutil.Error, OSError):
        return None
