"""Who runs what: each instant once, whatever number of schedulers ask, and whatever becomes of one of them."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from models.clock import database_time
from models.engine import engine_for
from reports import runs, schedules
from reports.cron import instants
from reports.delivery.message import Artifact
from reports.runs import Outcome, Run
from tests.support import warehouse
from tests.support.schedules import START, given, keep
from tests.support.server import ROOT

TICKS = 1000
SCHEDULERS = 4
TICK = timedelta(minutes=1)
HOUR = timedelta(hours=1)
WITHIN = 250
BODY = Artifact("json", "json", "application/json", b"{}")
SCHEDULER = """
import sys
from datetime import datetime
from models.engine import engine_for
from reports import runs
from reports.delivery.message import Artifact
url, number = sys.argv[1:]
engine = engine_for(url, pool_size=1)
made = runs.Outcome("done", artifacts=[Artifact("json", "json", "application/json", b"{}")])
for line in sys.stdin:
    at, how = line.split()
    while run := runs.next_run(engine, number, datetime.fromisoformat(at)):
        print(run.name, run.scheduled_for.isoformat(), flush=True)
        if how == "hang":
            sys.stdin.read()
        with engine.begin() as connection:
            assert runs.end(connection, run, made)
    print(flush=True)
"""


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url, pool_size=4)
    yield made
    made.dispose()


def end(engine: Engine, run: Run, how: Outcome) -> bool:
    with engine.begin() as connection:
        return runs.end(connection, run, how)


def silence(engine: Engine) -> None:
    """Let every worker have been silent for longer than it may."""
    with engine.begin() as connection:
        connection.execute(text("update warehouse.report_run set heartbeat_at = now() - interval '121 s'"))


def all_runs(url: str) -> list[dict[str, Any]]:
    return warehouse.rows(url, "select * from warehouse.report_run order by name, scheduled_for")


def claimed(engine: Engine, at: datetime, worker: str = "one") -> Run:
    found = runs.next_run(engine, worker, at)
    assert found is not None
    return found


class Scheduler:
    """A process of its own that does, at each tick it is told, what it finds due."""

    def __init__(self, url: str, number: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SCHEDULER, url, str(number)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, at: datetime, how: str = "work") -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{at.isoformat()} {how}\n")
        self._process.stdin.flush()

    def begun(self) -> Iterator[tuple[str, datetime]]:
        """Give what it begins at this tick."""
        assert self._process.stdout
        while (line := self._process.stdout.readline()) != "\n":
            assert line, "it has ended"
            name, at = line.split()
            yield name, datetime.fromisoformat(at)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.mark.scenario("H-02")
def test_four_schedulers_at_once_for_a_thousand_ticks_run_each_instant_once_though_one_is_killed_at_it(
    database_url: str, engine: Engine
) -> None:
    keep(
        engine,
        given("often", cron="*/10 * * * *", catch_up="all"),
        given("latest", cron="*/15 * * * *", settle=timedelta(minutes=10)),
        given("berlin", cron="30 2 * * *", zone="Europe/Berlin", catch_up="skip"),
    )
    schedulers = [Scheduler(database_url, number) for number in range(SCHEDULERS)]
    victim = schedulers[0]
    begun: list[tuple[str, datetime]] = []
    lost: tuple[str, datetime] | None = None
    try:
        for tick in range(1, TICKS + 1):
            is_last = victim in schedulers and tick > TICKS // 2
            for each in schedulers:
                each.tell(START + tick * TICK, "hang" if is_last and each is victim else "work")
            for each in list(schedulers):
                for run in each.begun():
                    begun.append(run)
                    if is_last and each is victim:
                        lost = run
                        break
            if lost and victim in schedulers:
                victim.kill()
                schedulers.remove(victim)
                silence(engine)
    finally:
        for each in schedulers:
            each.kill()
    last = START + TICKS * TICK
    wanted = [
        *(("often", each) for each in instants("*/10 * * * *", "UTC", START, last)),
        *(("latest", each) for each in instants("*/15 * * * *", "UTC", START, last - timedelta(minutes=10))),
        *(("berlin", each) for each in instants("30 2 * * *", "Europe/Berlin", START, last)),
    ]
    assert lost
    assert sorted(begun) == sorted([*wanted, lost])
    rows = all_runs(database_url)
    assert [(row["name"], row["scheduled_for"]) for row in rows] == sorted(wanted)
    assert {row["status"] for row in rows} == {"done"}
    attempts = {(row["name"], row["scheduled_for"]): row["attempt_count"] for row in rows if row["attempt_count"] > 1}
    assert attempts == {lost: 2}
    assert {row["worker"] for row in rows} == {"0", "1", "2", "3"}
    assert warehouse.value(database_url, "select count(*)::int from warehouse.report_artifact") == len(wanted)


@pytest.mark.scenario("H-03")
def test_several_that_see_the_same_silence_take_a_run_over_once(database_url: str, engine: Engine) -> None:
    keep(engine, given())
    killed = claimed(engine, START + HOUR, "killed")
    assert runs.next_run(engine, "two", START + HOUR) is None
    silence(engine)
    found: list[Run | None] = []
    barrier = threading.Barrier(SCHEDULERS)

    def take(number: int) -> None:
        barrier.wait(WITHIN)
        found.append(runs.next_run(engine, str(number), START + HOUR))

    threads = [threading.Thread(target=take, args=(number,)) for number in range(SCHEDULERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WITHIN)
    (taken,) = [each for each in found if each]
    assert (taken.run_id, taken.attempt_count) == (killed.run_id, 2)
    with engine.begin() as connection:
        assert not runs.beat(connection, killed)
        assert runs.beat(connection, taken)
    assert not end(engine, killed, Outcome("done", artifacts=[BODY]))
    assert warehouse.value(database_url, "select count(*)::int from warehouse.report_artifact") == 0
    assert end(engine, taken, Outcome("done", artifacts=[BODY]))
    assert not end(engine, taken, Outcome("failed", "late"))
    (row,) = all_runs(database_url)
    assert (row["status"], row["error"], row["worker"]) == ("done", None, taken.worker)


def test_a_run_that_never_ends_is_given_up_and_the_next_goes_on(database_url: str, engine: Engine) -> None:
    keep(engine, given())
    for attempt in (1, 2, 3):
        assert claimed(engine, START + HOUR).attempt_count == attempt
        silence(engine)
    after = claimed(engine, START + 2 * HOUR)
    assert after.scheduled_for == START + 2 * HOUR
    first = all_runs(database_url)[0]
    assert (first["status"], first["error"]) == ("failed", runs.GIVEN_UP)


def test_a_run_keeps_what_its_schedule_said_when_it_was_claimed(engine: Engine) -> None:
    keep(engine, given(parameters={"top": "5"}, targets=["file:/srv"]))
    run = claimed(engine, START + HOUR)
    with engine.begin() as connection:
        schedules.remove(connection, "counts")
        found = runs.read(connection, run.run_id, 1)
        assert found == run
        assert runs.read(connection, run.run_id, 2) is None
    assert (run.parameters, run.targets, run.zone) == ({"top": "5"}, ["file:/srv"], "UTC")


def test_after_an_outage_the_latest_is_run_and_the_others_are_written_down(database_url: str, engine: Engine) -> None:
    keep(engine, given(), given("every", catch_up="all"), given("none", catch_up="skip"))
    late = START + timedelta(hours=3, minutes=30)
    done = []
    while run := runs.next_run(engine, "one", late):
        done.append((run.name, (run.scheduled_for - START) // HOUR))
        assert end(engine, run, Outcome("done"))
    assert sorted(done) == [("counts", 3), ("every", 1), ("every", 2), ("every", 3)]
    skipped = [(row["name"], row["error"]) for row in all_runs(database_url) if row["status"] == "skipped"]
    assert skipped == [("counts", runs.MISSED)] * 2 + [("none", runs.MISSED)] * 3


def test_a_paused_schedule_does_nothing_and_owes_nothing_for_that_time(engine: Engine) -> None:
    keep(engine, given())
    with engine.begin() as connection:
        schedules.switch(connection, "counts", START + timedelta(minutes=1), is_enabled=False)
    assert runs.next_run(engine, "one", START + 2 * HOUR) is None
    with engine.begin() as connection:
        schedules.switch(connection, "counts", START + timedelta(hours=2, minutes=1), is_enabled=True)
    assert runs.next_run(engine, "one", START + timedelta(hours=2, minutes=2)) is None
    assert claimed(engine, START + 3 * HOUR).scheduled_for == START + 3 * HOUR


def test_a_change_of_its_time_makes_nothing_due_that_is_past(engine: Engine) -> None:
    keep(engine, given())
    now = START + timedelta(minutes=90)
    keep(engine, given(starts_at=now, cron="*/5 * * * *"))
    assert runs.next_run(engine, "one", now) is None
    keep(engine, given(starts_at=now + HOUR, cron="*/5 * * * *", formats=["html"]))
    assert claimed(engine, now + timedelta(minutes=5)).formats == ["html"]


def test_a_schedule_that_cannot_be_followed_holds_up_no_other(engine: Engine) -> None:
    keep(engine, given("broken", zone="Europe/Atlantis"), given("well"))
    assert claimed(engine, START + HOUR).name == "well"


def test_without_a_time_of_its_own_what_is_due_is_told_by_the_database_s_clock(engine: Engine) -> None:
    keep(engine, given(cron="* * * * *"))
    run = runs.next_run(engine, "one")
    assert run is not None
    with engine.connect() as connection:
        now = database_time(connection)
    assert timedelta(0) <= now - run.scheduled_for < timedelta(minutes=2)


def test_by_hand_what_failed_or_was_skipped_is_begun_anew_and_what_is_done_is_not(
    engine: Engine, tmp_path: Path
) -> None:
    keep(engine, given())
    skipped_and_latest = START + 2 * HOUR
    assert end(engine, claimed(engine, skipped_and_latest), Outcome("done", artifacts=[BODY]))
    assert end(engine, claimed(engine, START + 3 * HOUR), Outcome("failed", "no"))
    changed = given(targets=[f"file:{tmp_path}"])
    wanted = [START + hours * HOUR for hours in (1, 2, 3, 4)]
    with engine.begin() as connection:
        assert runs.missed(connection, changed, START, wanted) == [wanted[0], wanted[2], wanted[3]]
    found = [runs.claim_missed(engine, changed, each, "hand") for each in wanted]
    assert [each and each.attempt_count for each in found] == [1, None, 2, 1]
    assert found[0]
    assert found[0].targets == [f"file:{tmp_path}"]
    assert runs.claim_missed(engine, changed, wanted[0], "hand") is None


def test_files_go_after_their_time_and_their_runs_stay(database_url: str, engine: Engine) -> None:
    keep(engine, given(catch_up="all"))
    for hours in (1, 2):
        assert end(engine, claimed(engine, START + hours * HOUR), Outcome("done", artifacts=[BODY]))
    with engine.begin() as connection:
        now = database_time(connection)
        long_ago = "update warehouse.report_run set finished_at = now() - interval '400 days' where scheduled_for = :at"
        connection.execute(text(long_ago), {"at": START + HOUR})
        assert runs.drop_old_artifacts(connection, now + HOUR, 0) == 0
        assert runs.drop_old_artifacts(connection, now + HOUR, 400) == 1
    assert warehouse.value(database_url, "select count(*)::int from warehouse.report_artifact") == 1
    assert len(all_runs(database_url)) == 2
