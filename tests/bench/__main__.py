"""
All the figures of speed in one run of less than ten minutes: `make bench`.

    python -m tests.bench [ingest] [load] [query]

Prints one JSON line a figure and keeps them in bench.jsonl; `python -m tests.bench.table` writes them into
docs/benchmarks.md. Asserts nothing.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench import bench_ingest, bench_load, bench_query, figures

PARTS = {"ingest": bench_ingest, "load": bench_load, "query": bench_query}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="those alone, instead of all")
    parser.add_argument("--to", type=Path, default=figures.LATEST, help="the file to keep the figures in")
    for part in PARTS.values():
        part.options(parser)
    chosen = parser.parse_args()
    book = figures.Book(chosen.to)
    begun = time.perf_counter()
    book.begin(" ".join(chosen.parts) or "all")
    for name, part in PARTS.items():
        if not chosen.parts or name in chosen.parts:
            part.measure(book, chosen)
    book.write({"took_seconds": round(time.perf_counter() - begun)})


main()
