"""Maintenance, retention, archive, roles and an upgrade while events come in: all answered in time, nothing is lost."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from models.delta import DELTA_COLUMNS
from tests.bench import client as bench
from tests.bench import events as bench_events
from tests.support import warehouse
from tests.support.builders import auth
from tests.support.server import errhouse, serving

PER_SECOND = 500
SECONDS = 15
LIMIT_SECONDS = 1.0
OLD_WEEKS = 8
OLD_EVENTS = 2000  # of each week
KEPT_DAYS = 28
ARCHIVED_DAYS = 14
GIVEN = {"ERRHOUSE_EVENT_RETENTION_DAYS": str(KEPT_DAYS), "ERRHOUSE_FOLD_SECONDS": "1"}

# Events of the past, as the loader would have left them.
PAST = """
    insert into warehouse.fact_event (occurred_at, received_at, loaded_at, event_id, project_id, group_key,
        level, time_quality, source, tags)
    select %(at)s, %(at)s, %(at)s, gen_random_uuid(), %(project_id)s, n %% 50, 40, 0, 4, '{"region": "eu"}'
    from generate_series(1, %(count)s) n
"""
TALLIED = """
    insert into warehouse.load_tally (origin, loaded_on, payload_count, event_count, loaded_count, duplicate_count,
        refused_count, set_aside_count) values ('file', current_date, %(n)s, %(n)s, %(n)s, 0, 0, 0)
"""
COUNTED = f"""
    insert into warehouse.rollup_delta ({DELTA_COLUMNS})
    select project_id, gen_random_uuid(), date_trunc('hour', occurred_at, 'UTC'), group_key, 0, 0, 0,
        count(*), count(*), 0, count(*), 0, 0, min(occurred_at), max(occurred_at), level, null
    from warehouse.fact_event group by 1, 3, 4, level
"""
LIVE = """
    select (select coalesce(sum(event_count), 0) from warehouse.rollup_day)::int
        + (select coalesce(sum(event_count), 0) from warehouse.rollup_delta)::int
"""


def make_past(url: str) -> int:
    """Fill weeks before today with events; return how many."""
    project_id, _ = warehouse.first_project(url)
    now = datetime.now(UTC)
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        for week in range(1, OLD_WEEKS + 1):
            at = now - timedelta(weeks=week)
            monday = (at - timedelta(days=at.weekday())).date()
            for parent in ("fact_event", "event_payload"):
                if at.date() < (now - timedelta(days=now.weekday())).date():
                    connection.execute(
                        f"create table if not exists warehouse.{parent}_p{monday:%Y_%m_%d} partition of "
                        f"warehouse.{parent} for values from ('{monday}') to ('{monday + timedelta(days=7)}')".encode()
                    )
            connection.execute(PAST, {"at": at, "project_id": project_id, "count": OLD_EVENTS})
        connection.execute(TALLIED, {"n": OLD_WEEKS * OLD_EVENTS})
        connection.execute(COUNTED.encode())
    return OLD_WEEKS * OLD_EVENTS


@contextmanager
def operating(folder: Path, url: str) -> Iterator[dict[str, list[str]]]:
    """Run every command that an operator may while senders send, again and again; gives what went wrong."""
    wrong: dict[str, list[str]] = {}
    stop = threading.Event()

    before = str((datetime.now(UTC) - timedelta(days=ARCHIVED_DAYS)).date())
    commands = (
        ("db", "maintain"),
        ("db", "archive", "--before", before, "--drop"),
        ("db", "roles"),
        ("db", "rls", "enable"),
        ("db", "upgrade"),
    )

    def operate() -> None:
        while not stop.is_set():
            for command in commands:
                done = errhouse(*command, data_dir=folder, database_url=url, **GIVEN)
                told = wrong.setdefault(" ".join(command[:2]), [])
                if done.returncode and "run the command again" not in done.stdout:  # it was busy, and said so
                    told.append(done.stdout + done.stderr)

    worker = threading.Thread(target=operate)
    worker.start()
    try:
        yield wrong
    finally:
        stop.set()
        worker.join()


def test_senders_are_answered_in_time_and_nothing_is_lost_while_the_warehouse_is_put_in_order(
    tmp_path: Path, database_url: str
) -> None:
    with serving(tmp_path / "data", database_url, **GIVEN) as server:
        old = make_past(database_url)
        project_id, key = warehouse.first_project(database_url)
        made = list(bench_events.events(PER_SECOND * SECONDS, 1500, seed=11))
        requests = [bench.post(f"/api/{project_id}/store/", body, auth(key)) for _, body in made]
        with operating(server.data_dir, database_url) as wrong, bench.runner() as runner:
            outcome = runner.run(bench.paced(server.port, requests, PER_SECOND, 20))
        warehouse.loaded(server)
    print(f"answers in ms: median {outcome.percentile(0.5)}, 99 % {outcome.percentile(0.99)}, {outcome.percentile(1)}")
    assert outcome.statuses == {200: len(made)}
    assert max(outcome.latencies) < LIMIT_SECONDS, outcome.percentile(0.99)
    assert wrong == {"db maintain": [], "db archive": [], "db roles": [], "db rls": [], "db upgrade": []}
    ids = [event_id for event_id, _ in made]
    query = "select count(*)::int from warehouse.fact_event where event_id = any(%s::uuid[])"
    assert warehouse.value(database_url, query, ids) == len(made)
    gone = warehouse.value(database_url, "select sum(event_count)::int from warehouse.removal")
    assert gone > 0
    archived = "select coalesce(sum(event_count), 0)::int from warehouse.removal where reason = 'archive'"
    assert warehouse.value(database_url, archived) > 0
    assert warehouse.value(database_url, "select count(*)::int from warehouse.fact_event") == len(made) + old - gone
    indexes = "select count(*)::int from pg_indexes where schemaname = 'warehouse' and indexname like 'ix_fact%%_tags'"
    assert warehouse.value(database_url, indexes) >= 1
    assert warehouse.value(database_url, LIVE) == len(made) + old
    audit = errhouse("db", "audit", data_dir=server.data_dir, database_url=database_url, **GIVEN)
    assert audit.returncode == 0, audit.stdout + audit.stderr
