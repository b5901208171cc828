"""
Events accepted and rows queryable per second over HTTP, next to an endpoint that only reads its body.

Prints one JSON line a figure; asserts nothing. Everything shares the machine: load generator, service, PostgreSQL.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil
import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.client import Outcome, closed_loop, paced, post, runner
from tests.bench.events import envelope, events, zipped
from tests.support.server import Server, errhouse, free_port
from tests.support.wait import until

BARE = """
import socket, sys, uvicorn
from fastapi import FastAPI, Request
app = FastAPI()
@app.post("/api/{project_id}/envelope/")
async def envelope(project_id: int, request: Request):
    await request.body()
    return {"id": "0" * 32}
uvicorn.run(app, port=int(sys.argv[1]), http="httptools", loop="uvloop", access_log=False, log_level="error")
"""


FRESHNESS = """
    select percentile_cont(array[0.5, 0.99, 1]) within group (order by extract(epoch from loaded_at - received_at))
    from (select loaded_at, received_at from warehouse.fact_event order by received_at desc limit %(top)s) e
"""


def role_of(process: psutil.Process) -> str:
    """Name a process of the service by what it does."""
    return next((word for word in process.cmdline() if word in {"_receive", "_load"}), "serve").strip("_")


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Add up user and system time of processes that are still there."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def postgres_processes(data_dir: Path) -> list[psutil.Process]:
    """Find the embedded server of a data folder, with its backends."""
    pid = int((data_dir / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
    server = psutil.Process(pid)
    return [server, *server.children(recursive=True)]


def requests_for(count: int, size: int, key: str, seed: int, *, is_zipped: bool) -> list[bytes]:
    """Make the requests of `count` events of `size` bytes."""
    made = []
    for event_id, event in events(count, size, seed):
        body = envelope(event_id, event)
        headers = {"X-Sentry-Auth": f"Sentry sentry_key={key}, sentry_version=7, sentry_client=bench/1"}
        if is_zipped:
            body, headers["Content-Encoding"] = zipped(body), "gzip"
        made.append(post("/api/1/envelope/", body, headers))
    return made


def bare(requests: list[bytes], connections: int) -> float:
    """Measure the endpoint that only reads; give its answers per second."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", BARE, str(port)])
    try:
        until(lambda: _listens(port), 20, "the bare endpoint listens")
        with runner() as loop:
            loop.run(closed_loop(port, requests[:2000], connections))
            found: Outcome = loop.run(closed_loop(port, requests, connections))
    finally:
        process.terminate()
        process.wait()
    return len(requests) / found.seconds


def _listens(port: int) -> bool:
    return any(c.laddr.port == port and c.status == "LISTEN" for c in psutil.net_connections("tcp"))


def told(name: str, **figures: Any) -> None:
    """Print one line."""
    print(json.dumps({"bench": name, **figures}), flush=True)


def main() -> None:
    """Run it."""
    options = argparse.ArgumentParser()
    options.add_argument("--events", type=int, default=20_000)
    options.add_argument("--size", type=int, default=3000)
    options.add_argument("--connections", type=int, default=16)
    options.add_argument("--zip", action="store_true")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        server = Server(data_dir, None, (), {})
        server.start()
        try:
            _measure(server, data_dir, chosen)
        finally:
            server.stop()


def _measure(server: Server, data_dir: Path, chosen: argparse.Namespace) -> None:
    project = json.loads(errhouse("project", "list", "--json", data_dir=data_dir).stdout)[0]
    url = errhouse("db", "url", data_dir=data_dir).stdout.strip()
    key = project["public_key"]
    warm = requests_for(1000, chosen.size, key, 7, is_zipped=chosen.zip)
    requests = requests_for(chosen.events, chosen.size, key, 1, is_zipped=chosen.zip)
    bare_rate = bare(requests, chosen.connections)
    with psycopg.connect(url, autocommit=True) as connection, runner() as loop:

        def count() -> int:
            found = connection.execute("select count(*) from warehouse.fact_event").fetchone()
            assert found is not None
            return int(found[0])

        loop.run(closed_loop(server.port, warm, chosen.connections))
        until(lambda: count() == len(warm), 60, "the warm-up is loaded")
        ours = [psutil.Process(server.process.pid), *server.children()]
        database = postgres_processes(data_dir)
        before, before_database = cpu_seconds(ours), cpu_seconds(database)
        parts = {process.pid: cpu_seconds([process]) for process in ours}
        begun = time.perf_counter()
        outcome: Outcome = loop.run(closed_loop(server.port, requests, chosen.connections))
        until(lambda: count() == len(warm) + len(requests), 120, "every event is a row")
        queryable = time.perf_counter() - begun
        database = list({process.pid: process for process in [*database, *postgres_processes(data_dir)]}.values())
        per_10k = 10_000 / len(requests)
        told(
            "ingest",
            size=chosen.size,
            zipped=chosen.zip,
            statuses=outcome.statuses,
            bare_per_second=round(bare_rate),
            acknowledged_per_second=round(len(requests) / outcome.seconds),
            queryable_per_second=round(len(requests) / queryable),
            acknowledged_ratio=round(len(requests) / outcome.seconds / bare_rate, 3),
            queryable_ratio=round(len(requests) / queryable / bare_rate, 3),
            p50_ms=outcome.percentile(0.5),
            p99_ms=outcome.percentile(0.99),
            max_ms=outcome.percentile(1.0),
            app_cpu_seconds_per_10k=round((cpu_seconds(ours) - before) * per_10k, 2),
            postgres_cpu_seconds_per_10k=round((cpu_seconds(database) - before_database) * per_10k, 2),
            cpu_seconds_per_10k={
                role_of(each): round((cpu_seconds([each]) - parts[each.pid]) * per_10k, 2) for each in ours
            },
            rss_mb={role_of(each): round(each.memory_info().rss / 1e6) for each in ours},
        )
        half = requests_for(5000, chosen.size, key, 3, is_zipped=chosen.zip)
        rate = len(requests) / queryable / 2
        steady: Outcome = loop.run(paced(server.port, half, rate, 64))
        until(lambda: count() == len(warm) + len(requests) + len(half), 60, "every event is a row")
        fresh = connection.execute(FRESHNESS, {"top": len(half)}).fetchone()
        assert fresh is not None
        told(
            "freshness",
            per_second=round(rate),
            p50_ms=steady.percentile(0.5),
            p99_ms=steady.percentile(0.99),
            max_ms=steady.percentile(1.0),
            row_p50_s=round(fresh[0][0], 3),
            row_p99_s=round(fresh[0][1], 3),
            row_max_s=round(fresh[0][2], 3),
        )


if __name__ == "__main__":
    main()
