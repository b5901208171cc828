"""Scenarios G-06 and G-07: clocks that jump, of this machine and of senders; and nobody reads one but in one place."""

import ast
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import text

from tests.support import warehouse
from tests.support.builders import event
from tests.support.loading import NOON, PROJECT, Clock, loading, sdk, store, told
from tests.support.server import ROOT

DAY = timedelta(days=1)
TEN_YEARS = timedelta(days=3652)
JUMPS = (timedelta(hours=1), -timedelta(hours=1), TEN_YEARS, -TEN_YEARS, timedelta(0))
NEGATIVE = """
    select (select count(*) from warehouse.rollup_hour where delay_seconds_sum < 0)
        + (select count(*) from warehouse.rollup_delta where delay_seconds_sum < 0)
        + (select count(*) from warehouse.report_run where finished_at < started_at)
"""

ROOMS = ("models", "ingest", "reports")
CLOCK = Path("models/clock.py")
READS = frozenset({
    "time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.ctime", "time.strftime",
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today",
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.date.today",
})  # fmt: skip
IMPORTED = frozenset({"time", "time_ns", "localtime", "gmtime", "ctime"})


def clock_readings(tree: ast.Module) -> Iterator[int]:
    """Give the lines at which a module reads the time of day."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in READS:
            yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (node.lineno for each in node.names if each.name in IMPORTED)


@pytest.mark.scenario("G-06")
def test_one_place_reads_the_time_of_day_so_that_no_deadline_goes_by_it() -> None:
    found = {
        str(path.relative_to(ROOT)): lines
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if (lines := list(clock_readings(ast.parse(path.read_text()))))
    }
    assert list(found) == [str(CLOCK)], found


@pytest.mark.parametrize(
    "reading", ["time.time()", "datetime.now(UTC)", "time.time_ns() // 1000", "from time import time", "date.today()"]
)
def test_a_reading_is_seen(reading: str) -> None:
    assert list(clock_readings(ast.parse(reading))) == [1]
    assert list(clock_readings(ast.parse("time.monotonic() + event.time"))) == []


@pytest.mark.scenario("G-06")
def test_a_loader_whose_clock_jumps_loads_each_event_once_and_hears_of_changes(database_url: str) -> None:
    clock = Clock()
    events = [event(timestamp=told(NOON)) for _ in JUMPS]
    scrubbed = "select is_scrubbed from warehouse.dim_project"
    with loading(database_url, clock) as (loader, engine):
        for number, jump in enumerate(JUMPS):
            loader.load([sdk(events[number])], origin="test")
            clock.now = NOON + jump
            with engine.begin() as connection:
                connection.execute(text("update warehouse.dim_project set is_scrubbed = not is_scrubbed"))
            assert loader.load([sdk(each) for each in events], origin="test").events == len(events)
            assert loader._is_scrubbed(PROJECT) == warehouse.value(database_url, scrubbed), jump
    tally = warehouse.tally(database_url)
    assert (tally["loaded"], warehouse.value(database_url, "select count(*) from warehouse.fact_event")) == (5, 5)
    assert warehouse.value(database_url, NEGATIVE) == 0


class Drift(NamedTuple):
    """What a sender's clock says: of the event, of the sending (None: nothing), and what becomes of it."""

    said: timedelta
    sent: timedelta | None
    occurred: timedelta
    quality: str


ZERO, MINUTES, MONTH = timedelta(0), timedelta(minutes=5), 30 * DAY
DRIFTS = {
    "30 days behind, and says so": Drift(-MONTH, -MONTH, -MONTH, "drifted"),
    "30 days behind, and does not": Drift(-MONTH, None, -MONTH, "exact"),
    "a little more than 30 days": Drift(-MONTH - MINUTES, -MONTH - MINUTES, ZERO, "too_old"),
    "30 days ahead, and says so": Drift(MONTH, MONTH, ZERO, "future"),
    "30 days ahead, and does not": Drift(MONTH, None, ZERO, "future"),
    "5 minutes behind": Drift(-MINUTES, -MINUTES, -MINUTES, "exact"),
    "5 minutes ahead": Drift(MINUTES, MINUTES, ZERO, "future"),
    "a minute ahead": Drift(timedelta(seconds=60), ZERO, timedelta(seconds=60), "exact"),
    "55 minutes behind": Drift(-11 * MINUTES, -11 * MINUTES, -11 * MINUTES, "drifted"),
    "an old event, sent late": Drift(-10 * DAY, ZERO, -10 * DAY, "exact"),
}


@pytest.mark.scenario("G-07")
@pytest.mark.parametrize("name", DRIFTS)
def test_a_sender_s_clock_moves_no_event_but_what_cannot_be(database_url: str, name: str) -> None:
    drift = DRIFTS[name]
    one = event(timestamp=told(NOON + drift.said))
    payload = store(one) if drift.sent is None else sdk(one, sent_at=told(NOON + drift.sent))
    with loading(database_url) as (loader, _):
        assert loader.load([payload], origin="test").loaded == 1
        assert loader.load([payload], origin="test").duplicates == 1
    (found,) = warehouse.rows(database_url, "select occurred_at, time_quality from analytics.events")
    assert (found["occurred_at"] - NOON, found["time_quality"]) == (drift.occurred, drift.quality)
