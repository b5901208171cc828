"""Scenarios B-02 to B-04 and B-07: processes that are killed or halted while events come in."""

import os
import signal
import time
from pathlib import Path
from random import Random

import pytest

from tests.conftest import TIER_VARIABLE
from tests.proof.killing import BACK_SECONDS, Killer, part, seconds_to_answer
from tests.proof.lines import report
from tests.proof.rig import proving
from tests.support import warehouse
from tests.support.server import Server
from tests.support.wait import until

IS_LONG = int(os.environ.get(TIER_VARIABLE, "1")) >= 3
EVERYBODY = ("receive-0", "receive-1", "load")
VICTIMS = (EVERYBODY, EVERYBODY, ("receive-0", "load"), ("receive-1",), ("load",))
DRAINED_SECONDS = 600


@pytest.mark.scenario("B-02", tier=2)
@pytest.mark.timeout(3600)
def test_random_kills_of_receivers_and_loader_lose_and_double_nothing(tmp_path: Path, database_url: str) -> None:
    kills = 300 if IS_LONG else 50
    random = Random("B-02")
    with proving("B-02", tmp_path, database_url, drained_seconds=DRAINED_SECONDS, ERRHOUSE_WORKERS="2") as run:
        sending = run.send(rate=500, profile="small")
        sending.wait_acknowledged(100, DRAINED_SECONDS)
        killer = Killer(run.server)
        outages: list[float] = []
        while len(killer.moments) < kills:
            time.sleep(random.uniform(0.3, 3.0))  # a kill hits any moment of the work, or of the start
            names = random.choice(VICTIMS)
            if killer.kill(*names) and names == EVERYBODY:  # no receiver is left, nor was any that did not die now
                outages.append(killer.moments[-1])
        killer.wait_seen()
        sending.wait_acknowledged(1000, DRAINED_SECONDS)
    back = seconds_to_answer(outages, run.answers())
    report(
        f"B-02 {len(killer.moments)} kills {dict(sorted(killer.killed.items()))}; all receivers gone {len(outages)} "
        f"times, {len(outages) - len(back)} of them again before an answer, otherwise first 2xx after "
        f"p50 {part(back, 0.5):.2f} p95 {part(back, 0.95):.2f} max {part(back, 1):.2f} s"
    )
    assert len(outages) > kills / 10
    assert back  # the last one at the latest
    assert min(killer.killed[name] for name in EVERYBODY) > kills / 10


@pytest.mark.scenario("B-03", tier=2)
@pytest.mark.timeout(3600)
def test_loader_and_receiver_killed_alone_and_together_lose_and_double_nothing(
    tmp_path: Path, database_url: str
) -> None:
    alone, together = (100, 50) if IS_LONG else (15, 8)
    random = Random("B-03")
    turns = [("load",)] * alone + [("receive-0",)] * alone + [("receive-0", "load")] * together
    with proving("B-03", tmp_path, database_url, drained_seconds=DRAINED_SECONDS) as run:
        sending = run.send(rate=200, profile="small")
        sending.wait_acknowledged(100, DRAINED_SECONDS)
        killer = Killer(run.server)
        for names in turns:
            killer.kill_working(*names)
            time.sleep(random.uniform(0.0, 0.5))
        killer.wait_seen()
        sending.wait_acknowledged(1000, DRAINED_SECONDS)
    assert killer.killed == {"load": alone + together, "receive-0": alone + together}
    back = seconds_to_answer(killer.moments[alone:], run.answers())
    report(
        f"B-03 killed {dict(killer.killed)}, {together} times both at once; first 2xx after a receiver's death "
        f"p50 {part(back, 0.5):.2f} p95 {part(back, 0.95):.2f} s"
    )


@pytest.mark.scenario("B-04", tier=2)
@pytest.mark.timeout(1800)
def test_processes_that_are_halted_and_continued_lose_and_double_nothing(tmp_path: Path, database_url: str) -> None:
    stops = 20 if IS_LONG else 5
    turns = [("receive-0",), ("load",), ("schedule",), ("receive-0", "load"), ("receive-0", "load", "schedule")]
    halted: list[tuple[float, float]] = []
    with proving("B-04", tmp_path, database_url, drained_seconds=DRAINED_SECONDS) as run:
        sending = run.send(rate=100, profile="small")
        sending.wait_acknowledged(100, DRAINED_SECONDS)
        killer = Killer(run.server)
        for number in range(stops):
            processes = [
                until(lambda each=name: killer.living(each), BACK_SECONDS, name) for name in turns[number % len(turns)]
            ]  # type: ignore[misc]
            begun = time.monotonic()
            for process in processes:
                process.send_signal(signal.SIGSTOP)
            time.sleep(5)  # longer than a sender waits, and than a heartbeat
            for process in processes:
                process.send_signal(signal.SIGCONT)
            if "receive-0" in turns[number % len(turns)]:
                halted.append((begun, time.monotonic()))
            sending.wait_acknowledged(200, DRAINED_SECONDS)
        sending.wait_acknowledged(500, DRAINED_SECONDS)
    late = [each for each in run.answers() if each.is_late]
    outside = [each for each in late if not any(begun - 1 < each.due < over + 1 for begun, over in halted)]
    report(f"B-04 {stops} stops of 5 s; late {len(late)}, of those outside of a receiver's stop {len(outside)}")
    assert len(late) - len(outside) >= len(halted) * 100  # a halted receiver was felt
    assert run.server.log().count("is started again") == 0  # none of them had to be killed


@pytest.mark.scenario("B-07", tier=2)
@pytest.mark.timeout(1800)
def test_kills_during_the_start_lose_and_double_nothing_and_never_step_back(tmp_path: Path, database_url: str) -> None:
    kills = 30 if IS_LONG else 12
    random = Random("B-07")
    reached: list[tuple[int, int]] = []
    at = "select segment::int, byte_offset::int from warehouse.spool_position"
    # so small that a start has many batches to be killed in
    with proving(
        "B-07", tmp_path, database_url, drained_seconds=DRAINED_SECONDS, ERRHOUSE_LOAD_BATCH_EVENTS="20"
    ) as run:
        run.server.kill()
        begun = time.monotonic()
        start(run.server)
        usual = time.monotonic() - begun
        loader = Killer(run.server).living("load")
        assert loader is not None
        loader.send_signal(signal.SIGSTOP)
        run.send(rate=300, profile="small", count=5000).wait_sent(120)
        run.server.kill()
        before = warehouse.tally(database_url)["loaded"]
        for _ in range(kills):
            run.server.start(wait=False)
            time.sleep(random.uniform(0.2, 1.4) * usual)
            run.server.kill()
            found = warehouse.rows(database_url, at)
            reached += [(each["segment"], each["byte_offset"]) for each in found]  # one spool, once it is begun
        during = warehouse.tally(database_url)["loaded"] - before
        start(run.server)
    assert reached == sorted(reached)
    progress = len(set(reached))
    assert progress > 1, reached
    assert during > 0
    report(f"B-07 {kills} kills in the start: {progress} times further on, {during} events loaded meanwhile")


def start(server: Server) -> None:
    server.start(wait=False)
    server.wait_ready(BACK_SECONDS)
