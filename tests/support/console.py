"""A warehouse worth looking at, and people who may: for tests of the console."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from sqlalchemy import Engine, text

from models import console_users
from models.engine import engine_for
from models.fold import fold_all
from reports.pages.app import create_app
from tests.support.builders import event
from tests.support.loading import Clock, loading, sdk, settings, told

PASSWORD = "correct-horse-battery"
HOSTILE_TITLE = "<script>alert(1)</script></title>"
HOSTILE_CULPRIT = "=cmd|' /C calc'!A0</script><img src=x>"
EVIL = "\u202egnp.exe <b>bold</b> \u05e9\u05dc\u05d5\u05dd"
DAYS = 13
KINDS: tuple[tuple[str, str, str, str], ...] = (
    ("ZeroDivisionError", "division by zero", "/checkout", "error"),
    ("TimeoutError", "upstream did not answer within 30 s", "shop.payments in charge", "error"),
    ("KeyError", "'currency'", "shop.cart in total", "error"),
    ("OperationalError", "connection to server was lost", "shop.db in connect", "fatal"),
    ("DeprecationWarning", "Cart.sum is going away", "shop.cart in sum", "warning"),
    ("ValidationError", "1 validation error for Order", "/api/orders", "info"),
)
RUN = text(
    """
    insert into warehouse.report_run (run_id, name, report, scheduled_for, period_start, period_end, status,
        attempt_count, started_at, finished_at, error)
    values (:id, 'weekly shop', 'weekly', :for, :start, :at, :status, 1, :for, :for, :error)
    """
)
ARTIFACT = text(
    "insert into warehouse.report_artifact (run_id, format, sha256, body_bytes, body) "
    "values (:id, 'html', '', :size, :body), (:id, 'json', '', 2, '{}')"
)
SCHEDULE = text(
    """
    insert into warehouse.report_schedule (name, report, cron, zone, parameters, formats, targets, catch_up,
        max_lateness_seconds, settle_seconds, is_enabled, starts_at, created_at, updated_at)
    values ('weekly shop', 'weekly', '0 8 * * 1', 'Europe/Berlin', '{}', '{html,json}', '{}', 'latest', 1, 1, true,
        :at, :at, :at)
    """
)
FRAMES = [
    {"filename": "django/core/handlers/base.py", "function": "_get_response", "lineno": 197, "in_app": False},
    {
        "filename": "shop/views.py",
        "module": "shop.views",
        "function": "checkout",
        "lineno": 41,
        "in_app": True,
        "pre_context": ["def checkout(request):", "    cart = Cart.of(request.user)"],
        "context_line": "    share = price.share(cart.total, cart.count)",
        "post_context": ["    return render(request, 'done.html', {'share': share})"],
        "vars": {"cart": "<Cart 12 items>", "request": "<WSGIRequest: POST '/checkout'>"},
    },
    {
        "filename": "shop/price.py",
        "module": "shop.price",
        "function": "share",
        "lineno": 7,
        "in_app": True,
        "pre_context": ["def share(total, count):"],
        "context_line": "    return total / count",
        "post_context": [],
        "vars": {"count": 0, "total": 129.9},
    },
]


@contextmanager
def console(url: str, folder: Path, health: Mapping[str, Any], clock: Callable[[], datetime]) -> Iterator[FastAPI]:
    """Give the console of a database, and let go of its connections afterwards."""
    made = create_app(settings(folder), url, lambda: health, clock)
    try:
        yield made
    finally:
        made.state.console.warehouse.close()


def happened(kind: int, at: datetime, rng: random.Random, **more: Any) -> dict[str, Any]:
    """Give one event of a kind."""
    name, value, culprit, level = KINDS[kind]
    return event(
        level=level,
        transaction=culprit,
        timestamp=told(at),
        release=f"shop@2.{rng.choice((3, 3, 4))}.0",
        environment=rng.choice(("production", "production", "staging")),
        user={"id": str(rng.randrange(40)), "email": "ada@example.com", "ip_address": "203.0.113.9"},
        tags={"region": rng.choice(("eu", "eu", "us")), "browser": rng.choice(("Firefox 140", "Chrome 139"))},
        breadcrumbs={"values": [{"category": "auth", "message": "ada logged in", "timestamp": told(at)}]},
        exception={"values": [{"type": name, "value": value, "stacktrace": {"frames": FRAMES}}]},
        **more,
    )


def hostile(at: datetime) -> dict[str, Any]:
    """Give an event whose sender tries what it can."""
    return event(
        timestamp=told(at),
        level="fatal",
        transaction=HOSTILE_CULPRIT,
        release="</script><script>alert(2)</script>",
        environment=EVIL,
        tags={"<b>tag": '"><script>alert(3)</script>', "javascript:": "x' onmouseover='alert(4)"},
        breadcrumbs={"values": [{"category": "<i>", "message": "</td><script>alert(5)</script>"}, "odd", None, 7]},
        contexts={"</dl>": {"<u>": "<img src=x onerror=alert(6)>"}},
        exception={"values": [{"type": "<script>alert(1)</script>", "value": EVIL, "stacktrace": {"frames": FRAMES}}]},
    )


def filled(url: str, now: datetime, count: int = 400) -> None:
    """Put events of the last fortnight into two projects, more of them lately, and one that is hostile."""
    rng = random.Random(7)
    payloads = []
    for number in range(count):
        age = DAYS * 86_400 * rng.random() ** 1.4
        at = now - timedelta(seconds=60 + age)
        kind = rng.choice((0, 0, 0, 1, 1, 2, 3, 4, 5))
        payloads.append(sdk(happened(kind, at, rng), at=at, project=42 if number % 3 else 7))
    payloads.append(sdk(hostile(now - timedelta(minutes=2)), at=now - timedelta(minutes=2)))
    with loading(url, Clock(now)) as (loader, engine):
        for start in range(0, len(payloads), 200):
            loader.load(payloads[start : start + 200], origin="test")
        with engine.begin() as connection:
            connection.execute(text("update warehouse.dim_project set name = 'checkout' where project_id = 42"))
        fold_all(engine, now.date(), 14)


def let_in(engine: Engine, now: datetime, **roles: str) -> None:
    """Add people by name and role."""
    with engine.begin() as connection:
        for name, role in roles.items():
            console_users.put(connection, name, role, PASSWORD, now)


def reported(url: str, now: datetime) -> None:
    """Put two runs of a report, what one of them made, and their schedule."""
    page = b"<!doctype html><title>r</title><style>body{font:16px sans-serif}</style><h1>Last week</h1><p>42 events</p>"
    run = {"start": now - timedelta(days=7), "at": now, "body": page, "size": len(page)}
    engine = engine_for(url)
    with engine.begin() as connection:
        for status, error, hours in (("done", None, 2), ("failed", "The warehouse did not answer.", 170)):
            told = {**run, "id": uuid4(), "status": status, "error": error, "for": now - timedelta(hours=hours)}
            connection.execute(RUN, told)
            if status == "done":
                connection.execute(ARTIFACT, told)
        connection.execute(SCHEDULE, run)
    engine.dispose()
