"""Scenario D-14: no connection is left at the server, or a pooler hands out those that there are."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.proof.lines import report
from tests.proof.proxy import proxied
from tests.proof.rig import proving
from tests.support import warehouse
from tests.support.cluster import IMMEDIATE, Cluster
from tests.support.most import Most
from tests.support.pooler import PGBOUNCER, POOL_SIZE, pooled
from tests.support.postgres import run
from tests.support.server import errhouse
from tests.support.wait import until

pytestmark = pytest.mark.timeout(900)

RATE = 200
FAULT_SECONDS = 30
POOLED_SECONDS = 15
MOST_CONNECTIONS = 30
MOST_OF_LOADER = 5
ATTEMPTS_PER_SECOND = 1.0
"""So often the loader may ask for a connection while there is none, in the mean."""
ATTEMPTS_OF_ALL = 2.0
"""And so often each process of the service, as in D-06."""
GOES_ON_SECONDS = 30
"""Within which it goes on when there are connections again; it takes up to 5 s, which a busy machine stretches."""
LOADERS = "select count(*) from pg_stat_activity where application_name = 'errhouse load'"
SERVICE = "select count(*) from pg_stat_activity where usename = 'service'"
QUERY = "select project as subject from events where 4 % 2 = 0"
TARGET = (
    "insert into warehouse.target (name, channel, options, allow_private, most_per_minute, created_at, updated_at) "
    "values ('chat', 'webhook', '{\"url\": \"https://hooks.example/x\"}', false, 20, now(), now())"
)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path / "postgres", max_connections=str(MOST_CONNECTIONS), superuser_reserved_connections="8")
    yield made
    made.stop(IMMEDIATE)


@contextmanager
def taking_all(url: str) -> Iterator[int]:
    """Hold each connection that the server has left, for as long as the context; give how many."""
    with ExitStack() as held:
        count = 0
        while one := connected(url):
            held.callback(one.close)
            count += 1
        yield count


def connected(url: str) -> psycopg.Connection | None:
    """Connect; None where the server refuses."""
    try:
        return psycopg.connect(url)
    except psycopg.OperationalError:
        return None


@pytest.mark.scenario("D-14", tier=2)
def test_a_server_without_a_connection_left_is_asked_once_a_second_and_costs_nothing(
    tmp_path: Path, cluster: Cluster
) -> None:
    url, service_url, crowd_url = (cluster.url_of("service", login) for login in (None, "service", "crowd"))
    for login in ("service", "crowd"):
        run(cluster.url, f"create role {login} login password '{login}'")
    run(cluster.url, "create database service owner service")
    run(cluster.url, "grant connect on database service to crowd")
    with (
        proxied(service_url) as proxy,
        proving("D-14", tmp_path, url, service_url=proxy.url(service_url)) as scenario,
        Most(lambda: int(warehouse.value(url, LOADERS)), 0.25) as of_loader,
    ):
        server = scenario.server
        sending = scenario.send(rate=RATE, profile="small")
        sending.wait_acknowledged(RATE * 2)
        run(url, "alter role service connection limit 0")  # so that the crowd is there first
        run(url, "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'service'")
        until(lambda: not warehouse.value(url, SERVICE), 30, "the service has no connection")
        with taking_all(crowd_url) as count:
            run(url, "alter role service connection limit -1")
            until(lambda: "connection slots" in server.readyz()["database"], 30, "the loader is told why")
            begun, asked, met = time.monotonic(), proxy.connection_count, server.log().count("the database is away")
            sending.wait_acknowledged(RATE * FAULT_SECONDS, FAULT_SECONDS * 10)
            assert server.readyz()["spool_events"] > RATE * FAULT_SECONDS // 2
            seconds = time.monotonic() - begun
            asked = proxy.connection_count - asked
            met = server.log().count("the database is away") - met
            process_count = 1 + len(server.children())
        begun = time.monotonic()
        until(lambda: server.readyz()["database"] == "ok", GOES_ON_SECONDS, "the loader goes on")
        goes_on = time.monotonic() - begun
        sending.wait_acknowledged(RATE)
    report(
        f"D-14 {count} of {MOST_CONNECTIONS} connections held for {seconds:.0f} s: the loader tried {met} times, all "
        f"processes {asked}; went on after {goes_on:.1f} s; loader held at most {of_loader.most}"
    )
    assert 0 < met <= ATTEMPTS_PER_SECOND * seconds
    assert met <= asked <= ATTEMPTS_OF_ALL * process_count * seconds
    assert 0 < of_loader.most <= MOST_OF_LOADER
    verdict = scenario.verdict
    assert (verdict.refused, verdict.cut, verdict.set_aside) == (0, 0, 0), verdict


@pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")
@pytest.mark.scenario("D-14", tier=2)
def test_everything_works_through_a_pooler_that_gives_each_transaction_another_process(
    tmp_path: Path, cluster: Cluster
) -> None:
    run(cluster.url, "create role service login password 'service'")
    run(cluster.url, "alter role service set timezone = 'UTC'")
    run(cluster.url, "create database service owner service")
    url = cluster.url_of("service")
    with (
        pooled(tmp_path, cluster.url_of("service", "service")) as pooled_url,
        proving("D-14 pooler", tmp_path, url, service_url=pooled_url) as scenario,
    ):
        sending = scenario.send(rate=RATE, profile="small")
        sending.wait_acknowledged(RATE * POOLED_SECONDS, POOLED_SECONDS * 10)
        assert len({warehouse.value(pooled_url, "select pg_backend_pid()") for _ in range(POOL_SIZE)}) > 1
        sending.stop()
        warehouse.loaded(scenario.server)
        run(url, TARGET)
        for words in (
            ("db", "maintain"),
            ("db", "audit"),
            ("report", "run", "frequency", "--last", "24h"),
            ("rule", "add", "asked", "--when", "sql", "--sql", QUERY, "--target", "chat"),
            ("rule", "test", "asked"),
            ("rule", "test", "asked"),
        ):
            done = errhouse(*words, data_dir=scenario.server.data_dir, database_url=pooled_url)
            assert done.returncode == 0, (words, done.stdout, done.stderr)
        log = scenario.server.log()
    assert "the database is" not in log, log
    assert "prepared statement" not in log, log
    assert (scenario.verdict.refused, scenario.verdict.cut, scenario.verdict.set_aside) == (0, 0, 0), scenario.verdict
