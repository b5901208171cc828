"""
An analyst's question of the rollups next to the same SELECT … GROUP BY on the fact, and the weekly report.

On a warehouse that is built in a minute; ten million events are asked by bench_warehouse.py. Asserts nothing.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from models import embedded
from tests.bench import figures
from tests.bench.bench_report import COMMAND, WEEK, making
from tests.bench.bench_warehouse import build
from tests.bench.made_events import Site
from tests.support.server import environment

DAYS = 30
SINCE = datetime(2026, 10, 25, tzinfo=UTC)
FROM_ROLLUPS = """
    select day, sum(events) from analytics.errors_daily
    where project_id = %(project_id)s and day >= %(since)s::date group by day order by day
"""
FROM_FACT = """
    select (occurred_at at time zone 'UTC')::date as day, count(*) from warehouse.fact_event
    where project_id = %(project_id)s and occurred_at >= %(since)s group by 1 order by 1
"""


def measure(book: figures.Book, chosen: argparse.Namespace) -> None:
    """Run it."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        with embedded.running(data_dir) as url:
            build(url, chosen.query_events, DAYS, has_fact=True, site=Site(projects=10, users=5000))
            _ask(book, url, data_dir, chosen.query_events, chosen.repeat)
            _report(book, url, data_dir, chosen.query_events)


def _ask(book: figures.Book, url: str, data_dir: Path, events: int, repeat: int) -> None:
    with psycopg.connect(url, options="-c timezone=UTC") as connection, figures.Meter(list, data_dir) as meter:
        took: dict[str, list[float]] = {FROM_ROLLUPS: [], FROM_FACT: []}
        answers = {}
        for number in range(repeat + 1):
            for question, times in took.items():
                asked = {"project_id": number % 10 + 1, "since": SINCE}
                begun = time.perf_counter()
                found = connection.execute(question.encode(), asked).fetchall()
                times.append((time.perf_counter() - begun) * 1e3)
                answers[question] = [(day, int(count)) for day, count in found]
            assert answers[FROM_ROLLUPS] == answers[FROM_FACT], asked
    middle = {question: sorted(times[1:])[repeat // 2] for question, times in took.items()}
    book.figure(
        "errors of a project by day, 30 days",
        middle[FROM_ROLLUPS],
        "ms",
        yardstick=("GROUP BY on the fact", middle[FROM_FACT]),
        worst_ms=round(max(took[FROM_ROLLUPS][1:]), 1),
        events=events,
        cpu_share_of_others=round(meter.others_share, 2),
    )


def _report(book: figures.Book, url: str, data_dir: Path, events: int, repeat: int = 3) -> None:
    command = [sys.executable, "-c", COMMAND, "report", "run", "weekly", "--period", WEEK, "--format", "json"]
    took = []
    with tempfile.TemporaryDirectory() as home:
        given = environment(ERRHOUSE_DATABASE_URL=url, ERRHOUSE_DATA_DIR=home)
        given.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed command is not compiled at each start
        made = sorted(making(url, "weekly", WEEK, "json", repeat, given))
        with figures.Meter(list, data_dir, is_mine=True) as meter:
            for _ in range(repeat + 1):
                begun = time.perf_counter()
                subprocess.run(command, env=given, stdout=subprocess.DEVNULL, check=True)
                took.append(time.perf_counter() - begun)
    cost = meter.cost(events * (repeat + 1))
    book.figure("weekly report, JSON, in a process that has made one", made[repeat // 2], "s", events=events)
    book.figure(
        "weekly report, JSON, the command",
        sorted(took[1:])[repeat // 2],
        "s",
        first=round(took[0], 2),
        cpu_s_app=round(meter.app_seconds / (repeat + 1), 2),
        cpu_s_postgres=round(meter.postgres_seconds / (repeat + 1), 2),
        events=events,
        cpu_share_of_others=cost["cpu_share_of_others"],
    )


def options(parser: argparse.ArgumentParser) -> None:
    """Add what can be chosen."""
    parser.add_argument("--query-events", type=int, default=300_000)
    parser.add_argument("--repeat", type=int, default=20)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    options(arguments)
    measure(figures.Book(), arguments.parse_args())
