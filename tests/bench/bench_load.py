"""
`errhouse load` of a file, next to a bare binary COPY of the same finished rows into bare tables.

Prints one JSON line; asserts nothing.
"""

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from ingest.interpret import interpret
from ingest.records import Door, Payload
from ingest.rows import BATCH_COLUMNS, row
from models import embedded
from models.payloads import Codebook
from tests.bench.bench_ingest import told
from tests.bench.events import events
from tests.support.server import errhouse


def main() -> None:
    """Run it."""
    options = argparse.ArgumentParser()
    options.add_argument("--events", type=int, default=30_000)
    options.add_argument("--size", type=int, default=3000)
    options.add_argument("--days", type=float, default=5)
    options.add_argument("--full", type=Path, help="a warehouse of bench_warehouse.py --data, to load into as well")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bodies = [body for _, body in events(chosen.events, chosen.size, spread_days=chosen.days)]
        file = Path(folder) / "events.ndjson"
        file.write_bytes(b"\n".join(bodies) + b"\n")
        with embedded.running(Path(folder) / "data") as url:
            errhouse("db", "upgrade", data_dir=Path(folder) / "data")
            bare_rate = bare_copy(url, bodies)
        empty_rate = load("load", Path(folder) / "data", file, bare_rate, chosen)
        if chosen.full:
            again = [body for _, body in events(chosen.events, chosen.size, seed=uuid4().int, spread_days=chosen.days)]
            file.write_bytes(b"\n".join(again) + b"\n")
            full_rate = load("load into a full warehouse", chosen.full, file, bare_rate, chosen)
            told("load", full_to_empty=round(full_rate / empty_rate, 2), aimed_for=0.9)


def load(name: str, data_dir: Path, file: Path, bare_rate: float, chosen: argparse.Namespace) -> float:
    """Load the file, print how it went, and give events per second."""
    with embedded.running(data_dir):
        begun = time.perf_counter()
        done = errhouse("load", str(file), "--project", "1", "--json", data_dir=data_dir)
        seconds = time.perf_counter() - begun
    assert done.returncode == 0, done.stderr
    told(
        name,
        size=chosen.size,
        tally=json.loads(done.stdout),
        bare_copy_per_second=round(bare_rate),
        loaded_per_second=round(chosen.events / seconds),
        ratio=round(chosen.events / seconds / bare_rate, 3),
    )
    return float(chosen.events / seconds)


def bare_copy(url: str, bodies: list[bytes]) -> float:
    """Copy the finished rows into one bare table; give rows per second."""
    compress = Codebook().compress
    now_us = int(datetime.now(UTC).timestamp() * 1e6)
    values = [
        row(interpret(Payload(now_us, Door.FILE, body, 1), lambda _: True).records[0], 1, compress).values
        for body in bodies
    ]
    columns = [(name, "text" if kind == "jsonb" else kind) for name, kind in BATCH_COLUMNS]
    with psycopg.connect(url) as connection:
        connection.execute("create table bare (" + ", ".join(f"{name} {kind}" for name, kind in columns) + ")")
        connection.commit()
        begun = time.perf_counter()
        with connection.cursor().copy("copy bare from stdin (format binary)") as copy:
            copy.set_types([kind for _, kind in columns])
            for each in values:
                copy.write_row(each)
        connection.commit()
        return len(values) / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
