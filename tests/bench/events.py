"""Events to measure with: of a wanted size, 500 distinct errors, every id its own; the same for the same seed."""

import gzip
import json
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parents[1] / "corpus" / "event_sdk" / "python"
DISTINCT = 500
NAMESPACE = uuid.UUID("9b1f5b1e-6f0e-4a5b-9d1a-2f1c3f1e7a10")


def template(size: int) -> dict[str, Any]:
    """Give a real SDK's event, with as many breadcrumbs as bring it near `size` bytes."""
    event: dict[str, Any] = json.loads((CORPUS / "live-sentry-sdk-2.40.0-001.json").read_text())
    event.pop("breadcrumbs", None)
    crumbs: list[dict[str, Any]] = []
    event["breadcrumbs"] = {"values": crumbs}
    at = 0
    while len(json.dumps(event, separators=(",", ":"))) < size - 120:
        at += 1
        crumbs.append(
            {
                "type": "http",
                "category": "httplib",
                "timestamp": f"2026-11-24T10:00:{at % 60:02d}.000000Z",
                "data": {"url": f"http://inventory.internal/items/{at}", "method": "GET", "status_code": 200},
            }
        )
    return event


def events(count: int, size: int = 3000, seed: int = 1, *, spread_days: float = 0.0) -> Iterator[tuple[str, bytes]]:
    """Give (event id, JSON) of `count` events, now or spread evenly over the days up to now."""
    base = template(size)
    rng = random.Random(seed)
    now = datetime.now(UTC)
    for number in range(count):
        event = dict(base)
        which = min(int(rng.paretovariate(0.8)), DISTINCT)
        event["event_id"] = uuid.uuid5(NAMESPACE, f"{seed}:{number}").hex
        moment = now - timedelta(days=spread_days * (1 - number / count)) if spread_days else now
        event["timestamp"] = moment.isoformat().replace("+00:00", "Z")
        event["transaction"] = f"/api/resource-{which % 60}/"
        event["release"] = f"shop@1.{which % 7}.0"
        event["environment"] = "production" if which % 5 else "staging"
        event["user"] = {"id": str(rng.randrange(20_000))}
        event["tags"] = {"plan": f"p{which % 4}", "region": f"eu-{number % 3}", "shard": str(which % 16)}
        values = [dict(value) for value in event["exception"]["values"]]
        values[-1]["value"] = f"resource {which} is not available for order {number}"
        values[-1]["type"] = f"Resource{which % 40}Error"
        event["exception"] = {"values": values}
        yield event["event_id"], json.dumps(event, separators=(",", ":")).encode()


def envelope(event_id: str, event: bytes) -> bytes:
    """Wrap an event as today's SDKs do."""
    head = json.dumps({"event_id": event_id, "sent_at": "2026-11-24T10:00:00.000000Z"}).encode()
    item = json.dumps({"type": "event", "content_type": "application/json", "length": len(event)}).encode()
    return b"\n".join((head, item, event, b""))


def zipped(body: bytes) -> bytes:
    """Compress as sentry-sdk does."""
    return gzip.compress(body, 6)
