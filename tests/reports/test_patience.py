"""What the loader has not loaded yet: runs wait for it, not for ever, and then say that they are partial."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from models.engine import engine_for
from reports import runs
from reports.patience import LONGEST_WAIT, Patience, flagged
from reports.period import calendar
from reports.reading import reading
from tests.support import warehouse
from tests.support.schedules import SHOP, START, given, keep

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DAY = calendar((START - timedelta(days=1)).date(), "day", "UTC")


class Loader:
    """What a loader has not loaded, as it is told to the scheduler."""

    def __init__(self, oldest: datetime | None) -> None:
        self.oldest = oldest

    def __call__(self) -> datetime | None:
        return self.oldest


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url, pool_size=2)
    yield made
    made.dispose()


def begun(engine: Engine, at: datetime, patience: Patience) -> list[datetime]:
    """Give the instants that a scheduler runs at a time."""
    found = []
    while run := runs.next_run(engine, "one", at, patience):
        found.append(run.scheduled_for)
        with engine.begin() as connection:
            assert runs.end(connection, run, runs.Outcome("done"))
    return found


def test_only_what_was_accepted_before_the_period_ended_is_waited_for() -> None:
    loader = Loader(None)
    patience = Patience(loader)
    assert not patience.holds("daily", START, START + HOUR)
    loader.oldest = START
    assert not patience.holds("daily", START, START + HOUR)
    loader.oldest = START - MINUTE
    assert patience.holds("daily", START, START + HOUR)


def test_a_schedule_waits_for_a_while_and_then_no_more_before_all_is_well() -> None:
    loader = Loader(START - MINUTE)
    patience = Patience(loader)
    assert patience.holds("hourly", START, START)
    assert patience.holds("hourly", START, START + LONGEST_WAIT - MINUTE)
    assert not patience.holds("hourly", START, START + LONGEST_WAIT)
    assert patience.holds("other", START, START + LONGEST_WAIT)
    assert not patience.holds("hourly", START + HOUR, START + HOUR)
    loader.oldest = None
    assert not patience.holds("hourly", START + HOUR, START + HOUR)
    loader.oldest = START
    assert patience.holds("hourly", START + 2 * HOUR, START + 2 * HOUR)


def test_a_run_that_has_settled_waits_until_what_was_accepted_is_loaded(engine: Engine) -> None:
    keep(engine, given(settle=10 * MINUTE))
    loader = Loader(START + HOUR - MINUTE)
    patience = Patience(loader)
    due_at = START + HOUR + 10 * MINUTE
    assert begun(engine, due_at - MINUTE, patience) == []
    assert begun(engine, due_at, patience) == []
    loader.oldest = START + HOUR + MINUTE  # accepted after its period
    assert begun(engine, due_at + MINUTE, patience) == [START + HOUR]


def test_a_run_that_waits_holds_up_no_other_and_is_run_in_the_end(database_url: str, engine: Engine) -> None:
    yesterday = {"period": "day"}
    keep(engine, given("hourly"), given("yesterday", parameters=yesterday))
    patience = Patience(Loader(START + 30 * MINUTE))  # what is of yesterday is loaded
    assert begun(engine, START + HOUR, patience) == [START + HOUR]
    assert warehouse.rows(database_url, "select name from warehouse.report_run") == [{"name": "yesterday"}]
    assert begun(engine, START + HOUR + LONGEST_WAIT - MINUTE, patience) == []
    assert begun(engine, START + HOUR + LONGEST_WAIT, patience) == [START + HOUR]


@pytest.mark.parametrize(("catch_up", "expected"), [("latest", [3]), ("all", [1, 2, 3]), ("skip", [3])])
def test_nothing_is_written_down_as_missed_while_it_is_waited_for(
    database_url: str, engine: Engine, catch_up: str, expected: list[int]
) -> None:
    keep(engine, given(catch_up=catch_up))
    loader = Loader(START)
    patience = Patience(loader)
    late = START + 3 * HOUR + MINUTE
    assert begun(engine, late, patience) == []
    assert warehouse.value(database_url, "select count(*)::int from warehouse.report_run") == 0
    loader.oldest = None
    assert begun(engine, late + MINUTE, patience) == [START + hours * HOUR for hours in expected]


def test_a_run_that_was_begun_is_taken_over_whatever_waits(engine: Engine) -> None:
    keep(engine, given())
    run = runs.next_run(engine, "killed", START + HOUR)
    assert run
    with engine.begin() as connection:
        runs.release(connection, run)
    again = runs.next_run(engine, "two", START + HOUR, Patience(Loader(START)))
    assert again
    assert again.run_id == run.run_id


def test_a_report_says_that_it_is_partial_and_since_when(database_url: str) -> None:
    with reading(database_url) as reader:
        plain = SHOP.make("tiny", reader, DAY, {})
        for oldest in (None, DAY.end, DAY.end + HOUR):
            assert flagged(SHOP, oldest).make("tiny", reader, DAY, {}) == plain
        made = flagged(SHOP, datetime(2026, 11, 19, 23, 59, 30, tzinfo=UTC)).make("tiny", reader, DAY, {})
    assert not plain.is_partial
    assert made.is_partial
    (note,) = made.notes
    assert note == "Partial: events accepted since 2026-11-19 23:59 UTC were not loaded yet; made again, it tells more."
    assert (made.headline, made.sections) == (plain.headline, plain.sections)
