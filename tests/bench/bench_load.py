"""
`errhouse load` of a file, next to a bare binary COPY of the same finished rows into a bare table.

Asserts nothing. With `--full`, also into a warehouse that has ten million rows, next to the empty one.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from ingest.interpret import interpret
from ingest.records import Door, Payload
from ingest.rows import BATCH_COLUMNS, row
from models import embedded
from models.payloads import Codebook
from tests.bench import figures
from tests.bench.bench_ingest import BYTES
from tests.bench.events import events
from tests.support.server import errhouse

COPIED_EVENTS = 20_000
AIM = "a third of a bare COPY; 10,000/s where that does 30,000"


def measure(book: figures.Book, chosen: argparse.Namespace) -> None:
    """Run it."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        bodies = [body for _, body in events(chosen.load_events, chosen.size, spread_days=chosen.days)]
        file = Path(folder) / "events.ndjson"
        file.write_bytes(b"\n".join(bodies) + b"\n")
        values = finished(bodies[:COPIED_EVENTS])
        with embedded.running(data_dir):
            errhouse("db", "upgrade", data_dir=data_dir)
            empty = load(book, "errhouse load, 3 KB", data_dir, file, values, chosen.load_events)
            if chosen.full:
                again = events(chosen.load_events, chosen.size, seed=uuid4().int, spread_days=chosen.days)
                file.write_bytes(b"\n".join(body for _, body in again) + b"\n")
                full = load(book, "errhouse load into a full one", chosen.full, file, values, chosen.load_events)
                book.figure("full to empty", full / empty, "", aim=">= 0.9", met=full / empty >= 0.9)


def load(book: figures.Book, name: str, data_dir: Path, file: Path, values: list[Any], count: int) -> float:
    """Load the file, tell how it went, and give events per second."""
    with embedded.running(data_dir) as url, psycopg.connect(url, autocommit=True) as connection:
        stored = _stored_bytes(connection)
        bare = [copied(connection, values)]
        with figures.Meter(_loading, data_dir, is_mine=True) as meter:
            done = errhouse("load", str(file), "--project", "1", "--json", data_dir=data_dir)
        bare.append(copied(connection, values))
        assert done.returncode == 0, done.stderr
        taken = _stored_bytes(connection) - stored
    tally = json.loads(done.stdout)
    assert tally["loaded"] == count, tally
    rate, yardstick = count / meter.seconds, sum(bare) / 2
    book.figure(
        name,
        rate,
        "events/s",
        aim=AIM,
        met=rate / yardstick >= 1 / 3,
        yardstick=("bare COPY", yardstick),
        bytes_per_event=round(taken / count),
        **meter.cost(count),
    )
    return rate


def _loading() -> list[psutil.Process]:
    return [each for each in figures.tree(os.getpid())[1:] if each.name() != "postgres"]


def _stored_bytes(connection: psycopg.Connection[Any]) -> int:
    found = connection.execute(BYTES.encode()).fetchone()
    assert found is not None
    return int(found[0])


def finished(bodies: list[bytes]) -> list[Any]:
    """Make the rows of events, as the loader makes them."""
    compress = Codebook().compress
    now_us = int(datetime.now(UTC).timestamp() * 1e6)
    payloads = (Payload(now_us, Door.FILE, body, 1) for body in bodies)
    return [row(interpret(each, lambda _: True).records[0], 1, compress).values for each in payloads]


def copied(connection: psycopg.Connection[Any], values: list[Any]) -> float:
    """Copy finished rows into one bare table; give rows per second."""
    columns = [(name, "text" if kind == "jsonb" else kind) for name, kind in BATCH_COLUMNS]
    connection.execute("create table bare (" + ", ".join(f"{name} {kind}" for name, kind in columns) + ")")
    begun = time.perf_counter()
    with connection.cursor().copy("copy bare from stdin (format binary)") as copy:
        copy.set_types([kind for _, kind in columns])
        for each in values:
            copy.write_row(each)
    taken = time.perf_counter() - begun
    connection.execute("drop table bare")
    return len(values) / taken


def options(parser: argparse.ArgumentParser) -> None:
    """Add what can be chosen."""
    parser.add_argument("--load-events", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=3000)
    parser.add_argument("--days", type=float, default=5)
    parser.add_argument("--full", type=Path, help="a warehouse of bench_warehouse.py --data, to load into as well")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    options(arguments)
    measure(figures.Book(), arguments.parse_args())
