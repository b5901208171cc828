"""Builders with defaults, so that a test shows only what matters."""

import copy
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

PUBLIC_KEY = "9a3b0c1d2e3f405162738495a6b7c8d9"

_EVENT: dict[str, Any] = {
    "level": "error",
    "platform": "python",
    "logger": "shop.checkout",
    "release": "shop@1.2.3",
    "environment": "staging",
    "server_name": "web-1",
    "transaction": "/checkout",
    "tags": {"region": "eu"},
    "user": {"id": "7", "username": "j"},
    "exception": {
        "values": [
            {
                "type": "ZeroDivisionError",
                "value": "division by zero",
                "mechanism": {"type": "generic", "handled": False},
                "stacktrace": {
                    "frames": [
                        {"filename": "shop/views.py", "module": "shop.views", "function": "checkout", "lineno": 41},
                        {
                            "filename": "shop/price.py",
                            "module": "shop.price",
                            "function": "share",
                            "lineno": 7,
                            "in_app": True,
                        },
                    ]
                },
            }
        ]
    },
    "contexts": {"runtime": {"name": "CPython", "version": "3.12.1"}, "os": {"name": "Linux", "version": "6.1"}},
    "sdk": {"name": "sentry.python", "version": "2.75.0"},
}


def event(**overrides: Any) -> dict[str, Any]:
    """Give an SDK event of a new id that happened now; an override of None takes its key away."""
    made = copy.deepcopy(_EVENT)
    made["event_id"] = uuid.uuid4().hex
    made["timestamp"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    made.update(overrides)
    return {key: value for key, value in made.items() if value is not None}


def envelope(events: Mapping[str, Any] | list[Mapping[str, Any]], dsn: str | None = None, **headers: Any) -> bytes:
    """Pack events as an SDK does: a header line, then a header and a payload line for each."""
    several = events if isinstance(events, list) else [events]
    header: dict[str, Any] = {"sent_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    if len(several) == 1 and "event_id" in several[0]:
        header["event_id"] = several[0]["event_id"]
    if dsn:
        header["dsn"] = dsn
    lines = [json.dumps({**header, **headers}).encode()]
    for one in several:
        body = json.dumps(one).encode()
        lines += [json.dumps({"type": "event", "length": len(body)}).encode(), body]
    return b"\n".join(lines) + b"\n"


def signed(body: bytes, secret: str, resource: str = "error") -> dict[str, str]:
    """Give the headers of an Integration Platform webhook over these bytes."""
    return {
        "Content-Type": "application/json",
        "Request-ID": uuid.uuid4().hex,
        "Sentry-Hook-Resource": resource,
        "Sentry-Hook-Timestamp": str(int(time.time())),
        "Sentry-Hook-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }


def auth(key: str = PUBLIC_KEY) -> dict[str, str]:
    """Give the header by which an SDK shows its DSN's public key."""
    return {"X-Sentry-Auth": f"Sentry sentry_key={key}, sentry_version=7, sentry_client=sentry.python/2.75.0"}
