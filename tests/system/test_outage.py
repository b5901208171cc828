"""PostgreSQL goes away, comes up, or stands still under load: senders do not notice, and nothing good is set aside."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from models.base import VERSION_TABLE
from tests.support import warehouse
from tests.support.cluster import FAST, IMMEDIATE, Cluster
from tests.support.crowd import Crowd, Report, under_load
from tests.support.server import Server, serving
from tests.support.wait import until

RATE = 100
OUTAGE_SECONDS = 20
LOCK_SECONDS = 8
MOST_SECONDS = 90
DRAINED_SECONDS = 30


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("cluster") / "postgres")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("outage") / "data", cluster.url) as running:
        yield running


@contextmanager
def sending(server: Server, url: str, seed: str) -> Iterator[Report]:
    """Send events for as long as the context: none may be refused or late, and each must become a row."""
    project = warehouse.first_project(url)
    with under_load(server.port, project, rate=RATE, seed=seed, most_seconds=MOST_SECONDS) as report:
        acknowledged(report, RATE)
        yield report
        acknowledged(report, len(report.acknowledged) + RATE)
    assert [(each.status, round(each.seconds, 3)) for each in report.others()] == []
    assert report.slowest() < 1.0, str(report)
    warehouse.loaded(server, DRAINED_SECONDS)
    found = events(url)
    assert {event_id: found[event_id] for event_id in report.sent if found[event_id] != 1} == {}
    assert warehouse.tally(url)["loaded"] == found.total()
    assert warehouse.value(url, "select count(*) from warehouse.set_aside") == 0
    print(report)


def events(url: str) -> Counter[str]:
    query = "select replace(event_id::text, '-', '') as id from analytics.events"
    return Counter(row["id"] for row in warehouse.rows(url, query))


def acknowledged(report: Report, count: int) -> None:
    until(lambda: len(report.acknowledged) >= count, 30, f"{count} events are acknowledged")


def waits(server: Server) -> bool:
    """Whether the loader has met the outage, and said so, while events wait."""
    told = server.readyz()
    return told["database"] != "ok" and told["spool_events"] > 0


@pytest.mark.scenario("D-01", "D-02")
@pytest.mark.parametrize("how", [FAST, IMMEDIATE])
def test_an_outage_is_not_seen_by_senders(server: Server, cluster: Cluster, how: signal.Signals) -> None:
    seconds = OUTAGE_SECONDS if how == FAST else 3
    with sending(server, cluster.url, f"outage-{how.name}") as report:
        before = len(report.acknowledged)
        cluster.stop(how)
        until(lambda: waits(server), 15, "the loader meets the outage")
        acknowledged(report, before + seconds * RATE)
        cluster.start()


@pytest.mark.scenario("D-01")
def test_a_service_that_starts_while_the_database_is_down_goes_on_acknowledging(
    server: Server, cluster: Cluster
) -> None:
    project = warehouse.first_project(cluster.url)
    cluster.stop()
    try:
        server.stop()
        server.start(wait=False)
        until(lambda: server.status("/healthz") == 200, 60, "it listens")
        crowd = Crowd(server.port, *project, rate=RATE, seed="start")
        report = asyncio.run(crowd.run(lambda: len(crowd.report.acknowledged) >= 2 * RATE, MOST_SECONDS))
        assert report.others() == []
        assert report.slowest() < 1.0, str(report)
        assert server.readyz()["spool_events"] == len(report.sent)
    finally:
        cluster.start()
    warehouse.loaded(server, DRAINED_SECONDS)
    found = events(cluster.url)
    assert {event_id: found[event_id] for event_id in report.sent if found[event_id] != 1} == {}


def test_a_service_that_finds_a_newer_schema_when_the_database_is_back_ends_and_says_so(
    server: Server, cluster: Cluster
) -> None:
    (found,) = warehouse.rows(cluster.url, f"select version_num from public.{VERSION_TABLE}")
    server.stop()
    set_version(cluster.url, "ffffffffffff")
    cluster.stop()
    server.start(wait=False)
    try:
        until(lambda: server.status("/healthz") == 200, 60, "it listens")
    finally:
        cluster.start()
    try:
        assert server.process.wait(60) == 2
        assert "is newer than this errhouse; start a newer one" in server.log()
    finally:
        set_version(cluster.url, found["version_num"])
        server.start()


def set_version(url: str, version: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(f"update public.{VERSION_TABLE} set version_num = %s".encode(), (version,))


@pytest.mark.scenario("D-12")
def test_a_table_that_is_locked_delays_rows_and_nothing_else(server: Server, cluster: Cluster) -> None:
    with sending(server, cluster.url, "lock") as report, psycopg.connect(cluster.url) as connection:
        connection.execute("lock table warehouse.fact_event in access exclusive mode")
        begun = time.monotonic()
        before = len(report.acknowledged)
        acknowledged(report, before + LOCK_SECONDS * RATE)
        assert time.monotonic() - begun > LOCK_SECONDS * 0.9
        assert server.readyz()["spool_events"] > LOCK_SECONDS * RATE // 2
        connection.rollback()
