"""What every test may ask for: a migrated database of its own, an empty one, and no way out to the network."""

import ipaddress
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import postgres

for _name in [name for name in os.environ if name.startswith(("ERRHOUSE_", "PG"))]:
    if not _name.startswith("ERRHOUSE_TEST_"):
        del os.environ[_name]  # before any module under test reads them


TIER_VARIABLE = "ERRHOUSE_TEST_TIER"
"""How far to go: 1, what every change is held to; 2 and 3, what takes longer. `make test-long` goes to the end."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """
    Mark what asks for a database: only that is worth repeating on another PostgreSQL.

    Leave out the scenarios of a higher tier than asked for.
    """
    tier = int(os.environ.get(TIER_VARIABLE, "1"))
    left_out = [item for item in items if _tier(item) > tier]
    if left_out:
        items[:] = [item for item in items if _tier(item) <= tier]
        config.hook.pytest_deselected(items=left_out)
    for item in items:
        if "postgres_url" in getattr(item, "fixturenames", ()):
            item.add_marker("database")
        if holds := getattr(getattr(item, "module", None), "HOLDS", None):
            item.add_marker(pytest.mark.scenario(*holds))
        for marker in item.iter_markers("scenario"):
            item.user_properties += [("scenario", each) for each in marker.args]


def _tier(item: pytest.Item) -> int:
    """Give the highest that a test or its case is marked with."""
    return max((int(marker.kwargs.get("tier", 1)) for marker in item.iter_markers("scenario")), default=1)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how the tests of each scenario ended."""
    from tests.proof.lines import OUTCOMES

    if report.when == "call" or report.outcome != "passed":
        for name, value in report.user_properties:
            if name == "scenario":
                OUTCOMES[str(value)].append(report.outcome)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print a line for each scenario that was run."""
    from tests.proof.lines import summary

    if lines := summary():
        terminalreporter.section("scenarios")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A superuser's URL of a running PostgreSQL."""
    with postgres.server(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> Iterator[str]:
    """The name of a migrated database to copy; the migrations run once."""
    from models import migrate

    with postgres.database(postgres_url, is_template=True) as url:
        migrate.upgrade(url)
        yield postgres.database_name(url)


@pytest.fixture
def database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """The URL of a migrated database of this test's own."""
    with postgres.database(postgres_url, template_database) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database of this test's own."""
    with postgres.database(postgres_url) as url:
        yield url


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Only this machine is reached; sockets that are opened in C, as libpq's are, are not seen here."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            host = str(address[0])
            if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
                raise AssertionError(f"a test tried to reach {host}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield
