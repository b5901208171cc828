"""The one web application: the receiver's doors, the way to the console, health and metrics. [front door]"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from ingest import metrics
from ingest.answer import CORS
from ingest.body import Limits
from ingest.console import ConsoleDoor
from ingest.health import Health
from ingest.inbound.log import InboundLog
from ingest.paced import Paced
from ingest.quota import Quota
from ingest.receive import Receive, Receiver, Scope, Send
from ingest.routes import doorway
from ingest.spool.writer import SpoolWriter
from models.access import AccessFile, webhook_secrets
from models.answers import answers_of_day
from models.clock import now, now_us
from models.schedule_state import oldest_message_seconds, rollup_lag_seconds, schedule_state
from models.settings import Settings

ASKED_SECONDS = 0.1  # between two looks at how everything fares, whoever asks for them
WRONG_PATH = (
    "nothing is at this path; compare it with the DSN or hook address. "
    "A webhook of Sentry goes to /hooks/sentry, an event of an SDK to /api/<project>/envelope/."
)


def _is_astray(scope: Scope) -> bool:
    """Whether somebody sends to the console's first page: a webhook whose URL lacks its path."""
    return bool(scope["method"] == "POST" and scope["path"] == "/")


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


class App(FastAPI):
    """
    FastAPI, with the doors before its middleware.

    An event passes none of it: measured, the layers between a request and its route cost as much as reading, checking
    and keeping an event.
    """

    receiver: Receiver
    console: ConsoleDoor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request at a door to the receiver, one for a page to the console, everything else to FastAPI."""
        if scope["type"] == "http" and (found := doorway(scope["path"])) is not None:
            await self.receiver.answer(found.door, found.argument, scope, receive, send)
        elif scope["type"] == "http" and self.console.leads(scope["path"]) and not _is_astray(scope):
            await self.console.answer(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(settings: Settings, spool: Path, run_dir: Path) -> App:
    """
    Make the application of one receiver process.

    Takes: `spool`, the folder this process alone writes to; `run_dir`, where the loader says how it fares.
    """
    told = tuple(secret.get_secret_value() for secret in settings.WEBHOOK_SECRETS)
    secrets = tuple(secret.encode() for secret in webhook_secrets(settings.DATA_DIR, told))
    limits = Limits(raw_bytes=settings.MAX_BODY_BYTES, decoded_bytes=settings.MAX_DECODED_BYTES)
    quota = Quota(settings.PROJECT_MAX_REQUESTS_PER_SECOND)
    receiver = Receiver(secrets, AccessFile(settings.DATA_DIR), quota, limits, settings.ACK_DEADLINE_SECONDS)
    receiver.inbound = InboundLog(settings.DATA_DIR, spool.name)
    health = Health(settings.spool_dir, run_dir, settings.READY_MAX_LAG_SECONDS, settings.SPOOL_MAX_BYTES)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        receiver.writer = SpoolWriter(spool, settings.SPOOL_MAX_BYTES)
        receiver.inbound.start()
        try:
            yield
        finally:
            await receiver.writer.close()
            receiver.inbound.close()

    app = App(
        title="errhouse",
        summary="Every Sentry error event, in your own PostgreSQL.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.receiver = receiver
    app.console = ConsoleDoor(run_dir, settings.TRUSTED_PROXIES)

    @app.exception_handler(404)
    async def nowhere(request: Request, _: Exception) -> Response:
        """Say that there is nothing; under /api so that a browser lets its SDK read it."""
        path = request.url.path
        if request.method == "POST":
            receiver.inbound.astray(request.method, path, dict(request.headers), _address(request))
        named = {name.decode(): value.decode() for name, value in CORS} if "/api/" in path else {}
        return JSONResponse({"detail": WRONG_PATH}, 404, named)

    @app.get("/healthz")
    async def healthz() -> Response:
        """Say that the process lives."""
        return Response(b'{"status":"ok"}', media_type="application/json")

    readiness = Paced(lambda: health.readiness(now_us()), ASKED_SECONDS)
    measured = Paced(lambda: _metrics(settings, run_dir, health), ASKED_SECONDS)

    @app.get("/readyz")
    async def readyz() -> Response:
        """Say whether events are accepted and loaded in time."""
        found = await readiness.get()
        return Response(msgspec.json.encode(found), 200 if found.ready else 503, media_type="application/json")

    @app.get("/metrics")
    async def all_metrics() -> Response:
        """Give the metrics of every process of this service."""
        return Response(await measured.get(), media_type="text/plain; version=0.0.4")

    return app


def _metrics(settings: Settings, run_dir: Path, health: Health) -> bytes:
    found = health.readiness(now_us())
    metrics.SPOOL_EVENTS.set(found.spool_events)
    metrics.SPOOL_OLDEST_SECONDS.set(found.oldest_seconds)
    metrics.ROLLUP_LAG_SECONDS.set(rollup_lag_seconds(run_dir, now_us()))
    told = schedule_state(run_dir)
    metrics.OUTBOX_WAITING.set(told.messages_waiting if told else 0)
    metrics.OUTBOX_OLDEST_SECONDS.set(oldest_message_seconds(told, now_us()))
    metrics.DELIVERY_FAILURES.set(told.delivery_failures if told else 0)
    day = answers_of_day(settings.DATA_DIR, now())
    metrics.WEBHOOK_TIMEOUTS.set(day.webhook_timed_out_count)
    return metrics.text_of_all()
