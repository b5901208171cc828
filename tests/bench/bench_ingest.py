"""
Events accepted and rows queryable over HTTP, next to an endpoint that only reads its body; at half of that: freshness.

Asserts nothing. Everything shares the machine: load generator, service, PostgreSQL.
"""

import argparse
import bisect
import gc
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench import figures
from tests.bench.client import Outcome, apart, closed_loop, paced, post, runner
from tests.bench.events import envelope, events, zipped
from tests.support.server import Server, errhouse, free_port, serving
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
BARE_SECONDS = 4.0
SAMPLED = 2000  # requests the bare endpoint is sent, again and again
MOST_MADE_BYTES = 3 * 10**9
STEADY = (50_000, 375, 250)  # bytes of an event, events/s that are sent, events/s that are aimed at
WARM_EVENTS = 1000
SETTLED_SHARE = 0.1  # of a run's beginning is not counted
DRAIN_SECONDS = 120
CONNECTIONS = 64  # of a steady rate
BACKLOG_SECONDS = 2.0  # so long the last row may take after the last answer, or a backlog has grown
LOADED = "select coalesce(sum(loaded_count), 0)::bigint, clock_timestamp() from warehouse.load_tally"
BYTES = """
    select coalesce(sum(pg_total_relation_size(oid)), 0)::bigint from pg_class
    where relkind = 'r' and relnamespace = 'warehouse'::regnamespace
"""


@dataclass
class Service:
    """A service under load, with a session that looks at its rows."""

    server: Server
    connection: psycopg.Connection[Any]
    key: str
    seeds: Iterator[int]

    def loaded(self) -> int:
        """Count the events that are rows."""
        return int(self.connection.execute(LOADED).fetchone()[0])  # type: ignore[index]

    def stored_bytes(self) -> int:
        """Give what the warehouse takes, indexes and payloads included."""
        return int(self.connection.execute(BYTES.encode()).fetchone()[0])  # type: ignore[index]

    def processes(self) -> list[psutil.Process]:
        """Give its processes, without PostgreSQL's."""
        ours = [each for each in self.server.children() if each.name() != "postgres"]
        return [psutil.Process(self.server.process.pid), *ours]

    def requests(self, count: int, size: int, *, is_zipped: bool = False) -> Iterator[bytes]:
        """Make the requests of `count` events of `size` bytes, as they are asked for."""
        auth = {"X-Sentry-Auth": f"Sentry sentry_key={self.key}, sentry_version=7, sentry_client=bench/1"}
        for event_id, event in events(count, size, next(self.seeds)):
            body = envelope(event_id, event)
            if is_zipped:
                yield post("/api/1/envelope/", zipped(body), {**auth, "Content-Encoding": "gzip"})
            else:
                yield post("/api/1/envelope/", body, auth)


@contextmanager
def bare_endpoint() -> Iterator[int]:
    """Run the endpoint that only reads; gives its port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", BARE, str(port)])
    try:
        until(lambda: _listens(port), 20, "the bare endpoint listens")
        yield port
    finally:
        process.terminate()
        process.wait()


def bare(requests: list[bytes], connections: int) -> float:
    """Measure the endpoint that only reads; give its answers per second."""
    left = itertools.cycle(requests)
    with bare_endpoint() as port, runner() as loop:
        loop.run(closed_loop(port, itertools.islice(left, 2000), connections))
        found: Outcome = loop.run(closed_loop(port, left, connections, seconds=BARE_SECONDS))
    return len(found.latencies) / found.seconds


def _listens(port: int) -> bool:
    return any(c.laddr.port == port and c.status == "LISTEN" for c in psutil.net_connections("tcp"))


def full_load(book: figures.Book, service: Service, chosen: argparse.Namespace, size: int) -> float:
    """Send as fast as answers come; tell what was accepted and queryable, and give rows per second."""
    sample = list(service.requests(SAMPLED, size, is_zipped=chosen.zip))
    bare_rates = [bare(sample, chosen.connections)]
    seconds = chosen.seconds if size == chosen.sizes[0] else chosen.short_seconds
    most = chosen.events or int(bare_rates[0] * seconds)
    # Made before: making an event takes the generator as long as sending it. A million do not fit into memory.
    requests = service.requests(most, size, is_zipped=chosen.zip)
    made = list(requests) if most * size <= MOST_MADE_BYTES else requests
    outcome = Outcome()
    before, stored = service.loaded(), service.stored_bytes()

    def look() -> dict[str, Any]:
        return {"acked": len(outcome.latencies), "rows": service.loaded() - before}

    meter = figures.Meter(service.processes, service.server.data_dir, probe=look)
    with runner() as loop, meter:
        loop.run(
            closed_loop(
                service.server.port,
                made,
                chosen.connections,
                seconds=float("inf") if chosen.events else seconds,
                outcome=outcome,
            )
        )
        answered_at = time.perf_counter()
        sent = len(outcome.latencies)
        until(lambda: service.loaded() - before >= sent, DRAIN_SECONDS, "every event is a row")
        drained = time.perf_counter() - answered_at
    bare_rates.append(bare(sample, chosen.connections))
    span = [each for each in meter.samples if SETTLED_SHARE * outcome.seconds <= each["at"] <= outcome.seconds]
    first, last = span[0], span[-1]
    rates = {kind: (last[kind] - first[kind]) / (last["at"] - first["at"]) for kind in ("acked", "rows")}
    yardstick = sum(bare_rates) / 2
    ratio, is_fresh = rates["rows"] / yardstick, drained <= BACKLOG_SECONDS
    aim, met = None, None
    if size == 3000:
        aim, met = "0.6 of the bare endpoint, no growing backlog", ratio >= 0.6 and is_fresh
    kind = f"{size / 1000:g} KB" + (", gzip" if chosen.zip else "")
    middle = span[len(span) // 2]
    told = meter.cost(sent)
    book.figure(
        f"ingest {kind}",
        rates["rows"],
        "rows/s",
        aim=aim,
        met=met,
        yardstick=("bare endpoint", yardstick),
        acked_per_second=round(rates["acked"]),
        statuses=outcome.statuses,
        backlog_in_the_middle=middle["acked"] - middle["rows"],
        backlog_at_the_end=last["acked"] - last["rows"],
        drained_seconds=round(drained, 2),
        ack_p50_ms=outcome.percentile(0.5),
        ack_p99_ms=outcome.percentile(0.99),
        ack_slowest_ms=outcome.percentile(1.0),
        bytes_per_event=round((service.stored_bytes() - stored) / sent),
        **told,
    )
    if size == chosen.sizes[0]:
        _costs(book, kind, meter, told, first, last)
    return rates["rows"]


def _costs(book: figures.Book, kind: str, meter: figures.Meter, told: dict[str, Any], first: Any, last: Any) -> None:
    cpu = told["cpu_s_per_10k_app"] + told["cpu_s_per_10k_postgres"]
    book.figure(f"CPU of ingest {kind}", cpu, "CPU-s per 10,000 events", aim="<= 5", met=cpu <= 5)

    def memory(sample: dict[str, Any]) -> int:
        return int(sample["memory_mb"]["receive"] + sample["memory_mb"]["load"])

    peak = max(memory(each) for each in meter.samples)
    growth = memory(last) - memory(first)
    book.figure(
        f"receiver and loader, ingest {kind}",
        peak,
        "MB, of shared pages their part",
        aim="<= 300",
        met=peak <= 300,
        grown_mb=growth,
        events=told["events"],
        by_process=last["memory_mb"],
    )


def half_load(book: figures.Book, service: Service, size: int, rate: float, seconds: float) -> None:
    """Send at a steady rate; tell how long answers take, and how long it is until an event can be queried."""
    count = int(rate * seconds)
    made = list(service.requests(count, size))
    with bare_endpoint() as port:
        yardstick = apart(lambda: paced(port, made, rate, CONNECTIONS))()
    sent = _sent(service, made, rate)
    waits, outcome = sorted(sent.waits_in_order), sent.outcome
    common = {"per_second": round(rate), **sent.meter.cost(count)}
    p99, slowest, fresh = outcome.percentile(0.99), outcome.percentile(1.0), waits[int(len(waits) * 0.99)]
    name = "the same of the bare endpoint"
    book.figure(
        "answers at half load, 99 %",
        p99,
        "ms",
        aim="<= 15",
        met=p99 <= 15,
        yardstick=(name, yardstick.percentile(0.99)),
        median_ms=outcome.percentile(0.5),
        **common,
    )
    book.figure(
        "answers at half load, slowest",
        slowest,
        "ms",
        aim="<= 1000",
        met=slowest <= 1000,
        yardstick=(name, yardstick.percentile(1.0)),
    )
    book.figure(
        "freshness at half load, 99 %",
        fresh,
        "s from sending to queryable",
        aim="<= 1",
        met=fresh <= 1,
        median=round(waits[len(waits) // 2], 3),
        slowest=round(waits[-1], 3),
    )


def steady_load(book: figures.Book, service: Service, seconds: float) -> None:
    """Send large events at a rate above the aim; tell how many became rows a second, and whether they kept up."""
    size, rate, aim = STEADY
    count = int(rate * seconds)
    sent = _sent(service, list(service.requests(count, size)), rate)
    slowest = max(sent.waits_in_order)
    took = max(due + wait for due, wait in zip(sorted(sent.outcome.due), sent.waits_in_order, strict=True))
    book.figure(
        f"steady {size / 1000:g} KB",
        count / took,
        "rows/s, all of them rows",
        aim=f">= {aim}",
        met=count / took >= aim and slowest <= BACKLOG_SECONDS,
        ack_p99_ms=sent.outcome.percentile(0.99),
        ack_slowest_ms=sent.outcome.percentile(1.0),
        per_second=rate,
        slowest=round(slowest, 3),
        **sent.meter.cost(count),
    )


@dataclass
class Sent:
    """What came of a steady rate; `waits_in_order`: seconds from sending to queryable, in the order of sending."""

    outcome: Outcome
    waits_in_order: list[float]
    meter: figures.Meter


def _sent(service: Service, made: list[bytes], rate: float) -> Sent:
    before = service.loaded()
    seen: list[tuple[float, int]] = []

    def look() -> dict[str, Any]:
        seen.append((time.perf_counter(), service.loaded() - before))
        return {}

    gc.freeze()  # what is made is not looked through again by the copy of this process
    wait = apart(lambda: paced(service.server.port, made, rate, CONNECTIONS))
    with figures.Meter(service.processes, service.server.data_dir, probe=look, every=0.02) as meter:
        outcome = wait()
        until(lambda: service.loaded() - before >= len(made), DRAIN_SECONDS, "every event is a row")
        look()
    counts = [rows for _, rows in seen]
    waits = [
        seen[bisect.bisect_left(counts, number)][0] - outcome.begun - due
        for number, due in enumerate(sorted(outcome.due), 1)
    ]
    return Sent(outcome, waits, meter)


def measure(book: figures.Book, chosen: argparse.Namespace) -> None:
    """Run it."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        with serving(data_dir) as server:
            key = json.loads(errhouse("project", "list", "--json", data_dir=data_dir).stdout)[0]["public_key"]
            url = errhouse("db", "url", data_dir=data_dir).stdout.strip()
            with psycopg.connect(url, autocommit=True) as connection:
                service = Service(server, connection, key, itertools.count(1))
                with runner() as loop:
                    loop.run(closed_loop(server.port, service.requests(WARM_EVENTS, 3000), chosen.connections))
                until(lambda: service.loaded() == WARM_EVENTS, 60, "the warm-up is loaded")
                rate = full_load(book, service, chosen, chosen.sizes[0])
                if not chosen.events:
                    half_load(book, service, chosen.sizes[0], rate / 2, chosen.half_seconds)
                for size in chosen.sizes[1:]:
                    full_load(book, service, chosen, size)
                if not chosen.events:
                    steady_load(book, service, chosen.short_seconds)


def options(parser: argparse.ArgumentParser) -> None:
    """Add what can be chosen."""
    parser.add_argument("--sizes", type=int, nargs="*", default=[3000, 10_000, 50_000])
    parser.add_argument("--seconds", type=float, default=60, help="of the first size")
    parser.add_argument("--short-seconds", type=float, default=12, help="of the others")
    parser.add_argument("--half-seconds", type=float, default=30)
    parser.add_argument("--events", type=int, help="so many, instead of for so long")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--zip", action="store_true")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    options(arguments)
    measure(figures.Book(), arguments.parse_args())
