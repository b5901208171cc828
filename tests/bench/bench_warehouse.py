"""
Ten million events of ninety days: what the analysts' queries take, what an event weighs, and ten times the events.

Builds the warehouse by COPY (tests/bench/made_events.py), checks it with the audit, asks each question of many projects
or issues in turn, and prints one JSON line a figure, each with its plan. The second part fills the rollups alone as
with ten times the events. Asserts nothing.
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from models import closing, embedded, migrate
from models.engine import engine_for
from models.partitions import EVENTS, GROUP_HOURS, ROLLUPS, ensure
from tests.bench import made_events
from tests.bench.figures import told

LAST = date(2026, 11, 23)
GROUP_HOUR_DAYS = 14
SEED = 7

LIFELONG = (
    """
    insert into warehouse.rollup_group (project_id, group_key, event_count, weighted_count, unhandled_count, first_at,
        last_at, first_release_key, last_release_key, last_level, user_sketch)
    with met as (
        select project_id, group_key, (array_agg(distinct u))[1:1024] as sketch
        from warehouse.rollup_day, unnest(user_sketch) u group by project_id, group_key
    )
    select project_id, group_key, sum(event_count), sum(weighted_count), sum(unhandled_count), min(first_at),
        max(last_at), (array_agg(release_key order by first_at))[1], (array_agg(release_key order by last_at desc))[1],
        (array_agg(level order by last_at desc))[1], sketch
    from warehouse.rollup_day join met using (project_id, group_key) group by project_id, group_key, sketch
    """,
    """
    insert into warehouse.rollup_release (project_id, release_key, event_count, weighted_count, unhandled_count,
        first_at, last_at, user_sketch)
    with met as (
        select project_id, release_key, (array_agg(distinct u))[1:1024] as sketch
        from warehouse.rollup_day, unnest(user_sketch) u group by project_id, release_key
    )
    select project_id, release_key, sum(event_count), sum(weighted_count), sum(unhandled_count), min(first_at),
        max(last_at), sketch
    from warehouse.rollup_day join met using (project_id, release_key) group by project_id, release_key, sketch
    """,
)

LAST_EVENTS = re.sub(
    r"(?<!:):(\w+)",
    r"%(\1)s",
    (Path(__file__).parents[2] / "docs" / "queries" / "13_last_events_of_an_issue.sql").read_text(),
)

QUESTIONS = {
    "errors_daily of one project over 30 days": (
        "project",
        (
            "select day, level, environment, events from analytics.errors_daily "
            "where project = %(project)s and day >= %(since)s order by day"
        ),
    ),
    "errors_daily of one project by id over 30 days": (
        "project_id",
        (
            "select day, sum(events) from analytics.errors_daily "
            "where project_id = %(project_id)s and day >= %(since)s group by day order by day"
        ),
    ),
    "top 20 culprits of all projects over 30 days": (
        None,
        (
            "select project, culprit, sum(events)::bigint as events from analytics.culprits_daily "
            "where day >= %(since)s group by project, culprit order by events desc, project, culprit limit 20"
        ),
    ),
    "last 50 events of an issue": ("issue", LAST_EVENTS),
    "last 50 events of an issue, sorted from all it has": (
        "issue",
        (
            "select occurred_at, event_id, title, release, environment, user_id from analytics.events "
            "where project_id = %(project_id)s and issue_id = %(issue_id)s order by occurred_at desc limit 50"
        ),
    ),
    "issues of a project by events": (
        "project_id",
        (
            "select issue_id, title, events, users, first_seen_at, last_seen_at from analytics.issues "
            "where project_id = %(project_id)s order by events desc limit 25"
        ),
    ),
    "users affected of one project over 30 days": (
        "project",
        "select day, users from analytics.users_affected_daily where project = %(project)s and day >= %(since)s",
    ),
}
FROM_ROLLUPS = [name for name in QUESTIONS if "events of an issue" not in name]
BARE = "select count(*) from warehouse.fact_event where project_id = %(project_id)s and occurred_at >= %(since)s"

SIZES = """
select coalesce(parent.relname, c.relname) as name, sum(pg_table_size(c.oid))::bigint as heap_bytes,
    sum(pg_indexes_size(c.oid))::bigint as index_bytes
from pg_class c left join pg_inherits i on i.inhrelid = c.oid left join pg_class parent on parent.oid = i.inhparent
where c.relkind = 'r' and c.relnamespace = 'warehouse'::regnamespace
group by 1 having sum(pg_total_relation_size(c.oid)) > 1e6
order by 2 desc
"""


def main() -> None:
    """Run it."""
    options = argparse.ArgumentParser()
    options.add_argument("--events", type=int, default=10_000_000)
    options.add_argument("--days", type=int, default=90)
    options.add_argument("--times", type=int, default=10, help="the second part is as of so many times the events")
    options.add_argument("--repeat", type=int, default=40)
    options.add_argument("--data", type=Path, help="a folder to keep the warehouse in, or to find it again")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = chosen.data or Path(scratch)
        took = {}
        for times in (1, chosen.times):
            folder = home / f"times-{times}"
            is_there = (folder / "built").exists()
            with embedded.running(folder) as url:
                if not is_there:
                    begun = time.perf_counter()
                    build(url, chosen.events * times, chosen.days, has_fact=times == 1)
                    told("built", events=chosen.events * times, seconds=round(time.perf_counter() - begun))
                    (folder / "built").touch()
                if times == 1:
                    weigh(url, chosen.events)
                names = list(QUESTIONS) if times == 1 else FROM_ROLLUPS
                took[times] = {name: ask(url, name, chosen.repeat, chosen.events * times) for name in names}
        for name in FROM_ROLLUPS:
            told("times", question=name, by=chosen.times, factor=round(took[chosen.times][name] / took[1][name], 2))


def build(url: str, events: int, days: int, *, has_fact: bool, site: made_events.Site | None = None) -> None:
    """Fill a new database."""
    migrate.upgrade(url)
    site = site or made_events.Site()
    span = [LAST - timedelta(days=days - 1 - number) for number in range(days)]
    engine = engine_for(url)
    with engine.begin() as connection:
        ensure(connection, (*EVENTS, *ROLLUPS), span)
        ensure(connection, (GROUP_HOURS,), span[-GROUP_HOUR_DAYS:])
    engine.dispose()
    with psycopg.connect(url) as connection:
        connection.execute("set synchronous_commit = off")
        made_events.copy_dimensions(connection, site, span[0])
        connection.commit()
        for number, day in enumerate(span):
            count = round(events / days * (0.6 if day.weekday() >= 5 else 1.16))
            made = site.day(day, number, count, SEED)
            if has_fact:
                made_events.copy_fact(connection, made, "warehouse.fact_event")
            made_events.copy_rollups(connection, day, made, number >= days - GROUP_HOUR_DAYS)
            connection.commit()
        connection.execute("analyze warehouse.rollup_day")
        for statement in LIFELONG:
            connection.execute(statement.encode())
        connection.commit()
        connection.autocommit = True
        connection.execute("vacuum (freeze, analyze)")
        connection.execute("checkpoint")
    engine = engine_for(url)
    closing.close(engine, LAST + timedelta(days=1))  # as `errhouse db maintain` leaves it
    engine.dispose()


def weigh(url: str, events: int) -> None:
    """Print what an event weighs, by part."""
    with psycopg.connect(url) as connection:
        count = connection.execute("select count(*) from warehouse.fact_event").fetchone()
        assert count is not None
        total = 0.0
        for name, heap, index in connection.execute(SIZES.encode()):
            told("bytes", part=name, heap=round(heap / count[0], 1), indexes=round(index / count[0], 1))
            total += (heap + index) / count[0]
        told("bytes", part="all, without payload", total=round(total, 1), events=count[0], aimed_for=650)
    del events


def cases(connection: psycopg.Connection[Any], kind: str | None, repeat: int) -> Iterator[dict[str, Any]]:
    """Give the parameters of each asking: projects and issues from the busiest down to the quiet ones."""
    since = LAST - timedelta(days=29)
    projects = connection.execute("select project_id, label from warehouse.dim_project order by project_id").fetchall()
    issues = connection.execute(
        "select project_id, group_key & 9223372036854775807 from warehouse.rollup_group order by event_count desc"
    ).fetchall()
    for number in range(repeat):
        project_id, label = projects[number % len(projects)]
        issue = issues[number * len(issues) // repeat] if kind == "issue" else (project_id, None)
        yield {"project": label, "project_id": issue[0], "issue_id": issue[1], "since": since}


def ask(url: str, name: str, repeat: int, events: int) -> float:
    """Ask one question of many, and once more in earnest; print what that took, and its plan; give the median in ms."""
    kind, query = QUESTIONS[name]
    with psycopg.connect(url, options="-c jit=off -c timezone=UTC") as connection:
        connection.prepare_threshold = None
        asked = list(cases(connection, kind, repeat))
        rows = 0
        for case in asked:
            rows = max(rows, len(connection.execute(query.encode(), case).fetchall()))
        took = []
        for case in asked:
            begun = time.perf_counter()
            connection.execute(query.encode(), case).fetchall()
            took.append((time.perf_counter() - begun) * 1000)
        plan = [row[0] for row in connection.execute(b"explain (analyze, buffers) " + query.encode(), asked[0])]
        begun = time.perf_counter()
        if name.startswith("errors_daily of one project by id") and events <= 10_000_000:
            connection.execute(BARE.encode(), {**asked[0], "since": datetime(2026, 10, 25, tzinfo=UTC)}).fetchall()
            told("query", question="the same count on the fact", ms=round((time.perf_counter() - begun) * 1000, 1))
    took.sort()
    middle, high = took[len(took) // 2], took[int(len(took) * 0.95)]
    told("query", question=name, events=events, rows=rows, p50_ms=round(middle, 1), p95_ms=round(high, 1))
    sys.stderr.write(f"\n{name}, {events} events:\n" + "\n".join(plan) + "\n")
    return middle


if __name__ == "__main__":
    main()
