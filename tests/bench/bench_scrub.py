"""
Microseconds per event for the scan and for scrubbing, and how often the scan asks for it.

    python tests/bench/bench_scrub.py
"""

import statistics
import timeit
from pathlib import Path

from ingest import jsontext
from ingest.scrub import scrub, scrub_fields
from ingest.scrub.scan import scan as scan_bytes

CORPUS = Path(__file__).parent.parent / "corpus" / "event_sdk"


def micros(call, number=300):
    return min(timeit.repeat(call, number=number, repeat=5)) / number * 1e6


def main():
    events = []
    for path in sorted(CORPUS.rglob("*.json")):
        body = path.read_bytes()
        try:
            value, _ = jsontext.parse(body)
        except jsontext.MalformedPayload:
            continue
        if isinstance(value, dict):
            body = jsontext.encode(value)  # as SDKs send it, without indentation
            events.append((path.stem, body, value))
    rows = []
    for name, body, value in events:
        hints = scan_bytes(value, body)
        parse = micros(lambda body=body: jsontext.parse(body))
        scan = micros(lambda value=value, body=body: scan_bytes(value, body))
        deep = micros(lambda value=value, hints=hints: scrub_fields(value, hints)) if hints else 0.0
        rows.append((name, len(body), parse, scan, deep, scrub(value, body)[1], hints))
    asked = [row for row in rows if row[6]]
    print(f"{len(rows)} events, {statistics.mean(row[1] for row in rows):.0f} bytes each on average")
    print(f"parse {statistics.mean(row[2] for row in rows):8.1f} us")
    print(f"scan  {statistics.mean(row[3] for row in rows):8.1f} us")
    print(f"scrub {statistics.mean(row[4] for row in asked):8.1f} us where asked for, {len(asked) / len(rows):.0%}")
    print(f"total {statistics.mean(row[3] + row[4] for row in rows):8.1f} us, changed {sum(row[5] for row in rows)}")
    small = [row for row in rows if 2000 <= row[1] <= 4000]
    print(
        f"2 to 4 KB: scan {statistics.mean(row[3] for row in small):.1f} us, "
        f"scrub {statistics.mean(row[4] for row in small if row[6]):.1f} us where asked for"
    )
    gates = [gate for row in rows for gate in row[6].gates]
    print("gates:", ", ".join(f"{gate} {gates.count(gate)}" for gate in sorted(set(gates), key=gates.count)[::-1]))
    slowest = sorted(rows, key=lambda row: -row[4])[:4]
    print("slowest:", *(f"{row[0]} {row[1]} B {row[4]:.0f} us" for row in slowest), sep="\n  ")


if __name__ == "__main__":
    main()
