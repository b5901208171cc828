"""Scenarios D-10, D-12, D-15: what administrators and others do to a database while events come."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from tests.proof.rig import Run, Sending, proving
from tests.support.wait import until

pytestmark = pytest.mark.timeout(1800)

RATE = 200
FAULT_SECONDS = 30
LOCK_SECONDS = 45
TOLD_SECONDS = 15
"""Within which `/readyz` says what is wrong with the database; it looks again each five seconds at the latest."""


def run_sql(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@contextmanager
def under_load(name: str, folder: Path, url: str, service_url: str | None = None) -> Iterator[tuple[Run, Sending]]:
    """Send events meanwhile; nobody may be refused, and nothing good set aside."""
    with proving(name, folder, url, service_url=service_url, drained_seconds=300) as run:
        sending = run.send(rate=RATE, profile="small")
        sending.wait_acknowledged(RATE)
        yield run, sending
        sending.wait_acknowledged(RATE)
    assert (run.verdict.refused, run.verdict.cut, run.verdict.set_aside) == (0, 0, 0), run.verdict


def told(run: Run, word: str) -> None:
    until(lambda: word in run.server.readyz()["database"], TOLD_SECONDS, f"the database is told to be ill: {word}")


@pytest.mark.scenario("D-10", tier=2)
def test_a_database_that_is_not_as_it_should_be_is_told_and_costs_no_event(tmp_path: Path, database_url: str) -> None:
    login, database = f"service_{uuid4().hex[:8]}", database_url.rpartition("/")[2]
    weak = f"weak_{uuid4().hex[:8]}"
    parts = urlsplit(database_url)
    service_url = urlunsplit(parts._replace(netloc=f"{login}:right@{parts.netloc.rpartition('@')[2]}"))
    again = f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{login}'"
    weakened = (
        f"grant all on all tables in schema warehouse to {weak}; "
        f"revoke insert on warehouse.fact_event from {weak}; "
        f"alter role {login} in database {database} set role to {weak}"
    )
    faults = {
        "42501": (
            weakened,
            f"alter role {login} in database {database} reset role",
        ),
        "42703": (
            "alter table warehouse.fact_event rename column url to gone",
            "alter table warehouse.fact_event rename column gone to url",
        ),
        "password": (f"alter role {login} password 'wrong'", f"alter role {login} password 'right'"),
        "42P01": (
            "alter table warehouse.fact_event rename to gone",
            "alter table warehouse.gone rename to fact_event",
        ),
    }
    run_sql(
        database_url,
        f"create role {login} login superuser password 'right'",
        f"create role {weak}",
        f"grant usage, create on schema warehouse to {weak}",
        f"grant {weak} to {login}",
    )
    try:
        with under_load("D-10", tmp_path, database_url, service_url) as (run, sending):
            for word, (breaks, mends) in faults.items():
                run_sql(database_url, *breaks.split("; "), again)
                told(run, word)
                sending.wait_acknowledged(RATE * FAULT_SECONDS, FAULT_SECONDS * 10)
                run_sql(database_url, mends, again)
                until(lambda: run.server.readyz()["database"] == "ok", 60, f"it goes on after {word}")
    finally:
        run_sql(database_url, again, f"drop owned by {weak}, {login}", f"drop role {weak}", f"drop role {login}")


@pytest.mark.scenario("D-12", tier=2)
def test_tables_that_others_lock_or_rewrite_delay_rows_and_nothing_else(tmp_path: Path, database_url: str) -> None:
    with under_load("D-12", tmp_path, database_url) as (run, sending):
        with psycopg.connect(database_url) as connection:
            connection.execute("lock table warehouse.fact_event in access exclusive mode")
            told(run, "55P03")
            sending.wait_acknowledged(RATE * LOCK_SECONDS, LOCK_SECONDS * 10)
            connection.rollback()
        until(lambda: run.server.readyz()["database"] == "ok", 60, "it goes on")
        run_sql(database_url, "alter table warehouse.fact_event add column later int default 1")
        run_sql(database_url, "vacuum full warehouse.fact_event", "vacuum full warehouse.event_payload")
        sending.wait_acknowledged(RATE * 2)


@pytest.mark.scenario("D-15", tier=2)
def test_a_statement_timeout_that_is_too_short_for_a_batch_makes_batches_smaller(
    tmp_path: Path, database_url: str
) -> None:
    database = database_url.rpartition("/")[2]
    again = (
        f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{database}' "
        "and pid <> pg_backend_pid()"
    )
    function = (
        "create function warehouse.slow() returns trigger language plpgsql as "
        f"'begin perform pg_sleep({1.5 / RATE}); return new; end'"  # slower than they come, so that batches grow
    )
    trigger = "create trigger slow before insert on warehouse.fact_event for each row execute function warehouse.slow()"
    with under_load("D-15", tmp_path, database_url) as (run, sending):
        run_sql(database_url, function, trigger, f"alter database {database} set statement_timeout = '250ms'", again)
        until(lambda: "smaller ones follow" in run.server.log(), 60, "a batch took too long")
        before = run.server.readyz()["loaded_total"]
        sending.wait_acknowledged(RATE * FAULT_SECONDS, FAULT_SECONDS * 10)
        until(lambda: run.server.readyz()["loaded_total"] > before, 60, "smaller ones are loaded")
        mends = f"alter database {database} reset statement_timeout"
        run_sql(database_url, mends, again)
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("set statement_timeout = 0")
            connection.execute("drop trigger slow on warehouse.fact_event")
