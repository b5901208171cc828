"""Print how long `normalize` takes an event; run as `python tests/bench/bench_normalize.py` from the top folder."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ingest.normalize import normalize
from ingest.records import RawEvent, Source

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
RECEIVED_AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
ROUNDS = 40


def main() -> None:
    """Measure a typical event of about 3 KB, and every SDK event of the corpus."""
    by_size = {}
    for path in sorted((CORPUS / "event_sdk").rglob("*.json")):
        body = path.read_bytes()
        by_size[path] = RawEvent(msgspec.json.decode(body), body, Source.sdk, 42, is_backfill=True)
    middling = [raw for raw in by_size.values() if 2500 <= len(raw.body) <= 3500]
    for name, raws in (("2.5 to 3.5 KB", middling), ("all", list(by_size.values()))):
        times = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            for raw in raws:
                normalize(raw, RECEIVED_AT)
            times.append(time.perf_counter() - started)
        size = sum(len(raw.body) for raw in raws) / len(raws)
        print(f"{name}: {len(raws)} events of {size:.0f} B: {min(times) / len(raws) * 1e6:.0f} us an event")


if __name__ == "__main__":
    main()
