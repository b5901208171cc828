"""The scheduler: what is due when, patience with the database, and how fast it stops."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from models.schedule_state import ScheduleState, rollup_lag_seconds, schedule_state
from reports.halt import Halt, Halted
from reports.jobs import Job, Scheduler, Turn, done, due
from reports.schedule import Work
from tests.support.lifecycle import Past, past
from tests.support.loading import Clock, settings
from tests.support.wait import until

WITHIN = 20


@pytest.fixture
def house(database_url: str) -> Iterator[Past]:
    with past(database_url) as made:
        yield made


def nothing() -> None:
    """Do nothing."""


def turn(name: str, due_at: float, every: float = 10, *, is_running: bool = False) -> Turn:
    return Turn(Job(name, every, nothing), due_at, is_running=is_running)


@contextmanager
def running(jobs: list[Job], halt: Halt) -> Iterator[list[str | None]]:
    """Run a scheduler in a thread; gives what it tells."""
    told: list[str | None] = []
    stop = threading.Event()
    runner = threading.Thread(target=Scheduler(jobs, halt, told.append).run, args=(stop.is_set,))
    runner.start()
    try:
        yield told
    finally:
        stop.set()
        runner.join(WITHIN)
        assert not runner.is_alive()


def test_what_is_due_comes_longest_overdue_first_and_never_twice_at_once() -> None:
    turns = [turn("late", 5), turn("later", 3), turn("not yet", 11), turn("at it", 1, is_running=True)]
    assert [each.job.name for each in due(10, turns)] == ["later", "late"]
    assert due(0, turns) == []


def test_a_job_is_due_again_counted_from_its_beginning_and_what_took_too_long_is_not_caught_up_with() -> None:
    for ended_at, expected in ((12, 20), (19, 20), (45, 45)):
        each = turn("job", 10, is_running=True)
        done(each, 10, ended_at, is_failed=False)
        assert (each.due_at, each.is_running) == (expected, False)


def test_a_job_that_failed_is_tried_again_soon_then_later_and_never_later_than_it_would_be_due() -> None:
    each = turn("job", 0, every=3600)
    pauses = []
    for _ in range(6):
        done(each, 0, 100, is_failed=True)
        pauses.append(each.due_at - 100)
    assert pauses == [0.5, 1, 2, 4, 5, 5]
    done(each, 0, 100, is_failed=False)
    assert (each.failures, each.due_at) == (0, 3600)
    often = turn("often", 0, every=0.2)
    done(often, 0, 100, is_failed=True)
    assert often.due_at == pytest.approx(100.2)


def test_of_jobs_that_are_due_at_once_one_begins_at_a_time(house: Past) -> None:
    begun: list[str] = []
    jobs = [Job(name, 3600, lambda name=name: begun.append(name)) for name in ("one", "two", "three")]  # type: ignore[misc]
    scheduler = Scheduler(jobs, Halt(house.engine), lambda _: None)
    for wanted in (["one"], ["one", "two"], ["one", "two", "three"]):
        scheduler.step()
        until(lambda wanted=wanted: begun == wanted, WITHIN, "another one has begun")  # type: ignore[misc]


def test_the_loop_folds_what_is_loaded_and_tells_how_it_fares(house: Past, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    given = settings(tmp_path, FOLD_SECONDS=0.05, MAINTAIN_SECONDS=1)
    halt = Halt(house.engine)
    work = Work(house.engine, given, Clock(), halt)
    house.load([3, 2, 1])
    jobs = [job for job in work.jobs() if job.name != "urgent"]
    stop = threading.Event()
    runner = threading.Thread(target=Scheduler(jobs, halt, work.tell).run, args=(stop.is_set,))
    runner.start()
    try:
        folded = "select sum(event_count)::int from warehouse.rollup_day"
        until(lambda: house.value(folded) == 3, WITHIN, "what was loaded is folded")
        until(lambda: (schedule_state(tmp_path / "run") or ScheduleState(0)).last_maintain_us, WITHIN, "it maintains")
    finally:
        stop.set()
        runner.join(WITHIN)
    assert not runner.is_alive()
    assert house.value("select count(*)::int from warehouse.rollup_delta") == 0
    found = schedule_state(tmp_path / "run")
    assert found
    assert (found.database, found.failures) == ("ok", [])
    assert found.folded_total == 3
    assert rollup_lag_seconds(tmp_path / "run", found.last_fold_us + 2_500_000) == 2.5
    assert rollup_lag_seconds(tmp_path, 0) != rollup_lag_seconds(tmp_path, 0)  # nobody has told: not a number


def test_an_outage_is_waited_out_and_told(house: Past) -> None:
    name = psycopg.conninfo.conninfo_to_dict(house.url)["dbname"]
    runs = []

    def count() -> None:
        with house.engine.connect() as connection:
            connection.execute(text("select 1"))
        runs.append(1)

    halt = Halt(house.engine)
    house.engine.dispose()
    with psycopg.connect(house.url, dbname="postgres", autocommit=True) as elsewhere:
        elsewhere.execute(f"alter database {name} allow_connections false".encode())
        with running([Job("count", 0.1, count)], halt) as told:
            try:
                until(lambda: any("connect" in (each or "") for each in told), WITHIN, "the outage is told")
            finally:
                elsewhere.execute(f"alter database {name} allow_connections true".encode())
            assert runs == []
            until(lambda: len(runs) > 1, WITHIN, "it goes on")
            until(lambda: told[-1] is None, WITHIN, "all is well again")


def test_a_fault_of_the_program_stops_nothing_but_its_job(house: Past) -> None:
    runs = []

    def fault() -> None:
        raise KeyError("no such thing")

    with running([Job("fault", 0.1, fault), Job("well", 0.1, lambda: runs.append(1))], Halt(house.engine)):
        until(lambda: len(runs) > 2, WITHIN, "the other job is done")


def test_it_stops_within_a_second_in_the_middle_of_a_long_statement_which_the_server_ends_too(house: Past) -> None:
    ended: list[BaseException] = []

    def long() -> None:
        try:
            with house.engine.connect() as connection:
                connection.execute(text("select pg_sleep(60)"))
        except Exception as error:
            ended.append(error)
            with pytest.raises(Halted), house.engine.connect() as connection:
                connection.execute(text("select 1"))
            raise

    sleeping = "select count(*)::int from pg_stat_activity where query like 'select pg_sleep(60%%' and state = 'active'"
    with running([Job("long", 60, long)], Halt(house.engine)):
        until(lambda: house.value(sleeping) == 1, WITHIN, "it is at it")
        begun = time.monotonic()
    assert time.monotonic() - begun < 2
    assert "QueryCanceled" in str(ended[0])
    assert house.value(sleeping) == 0


def test_a_pause_ends_when_it_stops(house: Past) -> None:
    halt = Halt(house.engine)
    paused = threading.Event()

    def wait() -> None:
        paused.set()
        halt.pause(60)

    with running([Job("wait", 60, wait)], halt):
        assert paused.wait(WITHIN)
        begun = time.monotonic()
    assert time.monotonic() - begun < 2
