"""Events to measure with: of a wanted size, 500 distinct errors, every id its own; the same for the same seed."""

import gzip
import json
import random
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

CORPUS = Path(__file__).parents[1] / "corpus" / "event_sdk" / "python"
DISTINCT = 500
CHANGING = ("event_id", "timestamp", "transaction", "release", "environment", "user", "tags")
NAMESPACE = uuid.UUID("9b1f5b1e-6f0e-4a5b-9d1a-2f1c3f1e7a10")


def template(size: int) -> dict[str, Any]:
    """Give a real SDK's event, with as many breadcrumbs as bring it near `size` bytes."""
    event: dict[str, Any] = json.loads((CORPUS / "live-sentry-sdk-2.40.0-001.json").read_text())
    event.pop("breadcrumbs", None)
    crumbs: list[dict[str, Any]] = []
    event["breadcrumbs"] = {"values": crumbs}
    left = size - 120 - len(_compact(event))
    while left > 0:
        at = len(crumbs) + 1
        crumb = {
            "type": "http",
            "category": "httplib",
            "timestamp": f"2026-11-24T10:00:{at % 60:02d}.000000Z",
            "data": {"url": f"http://inventory.internal/items/{at}", "method": "GET", "status_code": 200},
        }
        left -= len(_compact(crumb)) + bool(crumbs)
        crumbs.append(crumb)
    return event


def events(count: int, size: int = 3000, seed: int = 1, *, spread_days: float = 0.0) -> Iterator[tuple[str, bytes]]:
    """Give (event id, JSON) of `count` events, now or spread evenly over the days up to now."""
    text, names = _blanks(size)
    rng = random.Random(seed)
    now = datetime.now(UTC)
    for number in range(count):
        which = min(int(rng.paretovariate(0.8)), DISTINCT)
        event_id = uuid.uuid5(NAMESPACE, f"{seed}:{number}").hex
        moment = now - timedelta(days=spread_days * (1 - number / count)) if spread_days else now
        told = {
            "event_id": event_id,
            "timestamp": moment.isoformat().replace("+00:00", "Z"),
            "transaction": f"/api/resource-{which % 60}/",
            "release": f"shop@1.{which % 7}.0",
            "environment": "production" if which % 5 else "staging",
            "user": {"id": str(rng.randrange(20_000))},
            "tags": {"plan": f"p{which % 4}", "region": f"eu-{number % 3}", "shard": str(which % 16)},
            "value": f"resource {which} is not available for order {number}",
            "type": f"Resource{which % 40}Error",
        }
        text[1::2] = [msgspec.json.encode(told[name]) for name in names]
        yield event_id, b"".join(text)


def _blanks(size: int) -> tuple[list[bytes], list[str]]:
    """Give the text of a template cut where one event differs from the next, and what stands there; writing is slow."""
    event = template(size)
    event |= {name: f"@{name}@" for name in CHANGING}
    event["exception"]["values"][-1] |= {"value": "@value@", "type": "@type@"}
    text = re.split(rb'"@([a-z_]+)@"', _compact(event).encode())
    return text, [name.decode() for name in text[1::2]]


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def envelope(event_id: str, event: bytes) -> bytes:
    """Wrap an event as today's SDKs do."""
    head = json.dumps({"event_id": event_id, "sent_at": "2026-11-24T10:00:00.000000Z"}).encode()
    item = json.dumps({"type": "event", "content_type": "application/json", "length": len(event)}).encode()
    return b"\n".join((head, item, event, b""))


def zipped(body: bytes) -> bytes:
    """Compress as sentry-sdk does."""
    return gzip.compress(body, 6)
