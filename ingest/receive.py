"""
One request in, one answer out: read, verify, make durable, answer. The database is never on the way.

Plain ASGI, called by the FastAPI application of `ingest.app` before its middleware: this is the path of every event,
and what a framework would do for it (parsing, validating, building a response model) is what it must not spend.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from time import perf_counter
from typing import Any

import msgspec
import structlog
from prometheus_client import Counter

from ingest import auth, jsontext, metrics
from ingest.answer import CORS, JSON, PAUSE, PREFLIGHT, RETRY_AFTER, STATUS, UNWANTED, Answer, accepted, count, refusal
from ingest.body import Limits, read_body
from ingest.errors import MalformedPayload, NotAllowed, RateLimited, Reason, TooBusy, TooLarge, TooSlow
from ingest.forms import envelope, raw_events, store
from ingest.in_flight import InFlight
from ingest.inbound.log import InboundLog, Seen
from ingest.normalize.fields import event_id_of_body
from ingest.quota import Quota
from ingest.records import KEPT_HEADERS, Door, Payload
from ingest.spool import SpoolBroken, SpoolFull
from ingest.spool.writer import SpoolWriter
from models import failpoints
from models.access import AccessFile
from models.clock import now_us

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
# Of a body that is kept first and refused then. An exception in a variable would hold its frame, which holds it and the
# body, until the collector of cycles comes by.
_Refused = tuple[Reason, str]
PROBE = "x-errhouse-doctor"
"""Header by which `errhouse doctor` asks whether a signature is good; what has it is answered, and not kept."""
_KEPT_REFUSALS = frozenset(
    {
        Reason.EMPTY_BODY,
        Reason.NOT_JSON,
        Reason.NOT_AN_OBJECT,
        Reason.TOO_DEEP,
        Reason.BAD_ENVELOPE,
        Reason.BAD_EVENT_ID,
        Reason.BAD_ENCODING,
    }
)

log = structlog.get_logger()
_encode = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode


class Receiver:
    """
    Answers the doors. One a process; `writer` and `inbound` are opened by the application's life span.

    Takes: the secrets webhooks may be signed with, who may send, how much SDKs may send to one project, how large a
           body may be, and how long a sender waits.
    """

    writer: SpoolWriter
    inbound: InboundLog

    def __init__(
        self, secrets: tuple[bytes, ...], access: AccessFile, quota: Quota, limits: Limits, ack_seconds: float
    ) -> None:
        self._secrets = secrets
        self._access = access
        self._quota = quota
        self._limits = limits
        self._ack_seconds = ack_seconds
        self._in_flight = InFlight()

    async def answer(self, door: Door, argument: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; `argument` is what the path names: a hook key, or a project."""
        begun = perf_counter()
        is_sdk = door is Door.ENVELOPE or door is Door.STORE
        method: str = scope["method"]
        headers = headers_of(scope)
        seen = Seen()
        failpoints.passed(failpoints.HEADERS_READ)
        if method == "POST":
            answered = await self._answered(door, argument, scope, headers, receive, seen)
        elif method == "OPTIONS" and is_sdk:
            answered = accepted(b"", PREFLIGHT)
        else:
            answered = refusal(405, Reason.UNKNOWN_SHAPE, "send it with POST", [(b"allow", b"POST")])
        head = [JSON, (b"content-length", str(len(answered.body)).encode()), *answered.headers]
        if is_sdk and method != "OPTIONS":
            head += CORS
        await send({"type": "http.response.start", "status": answered.status, "headers": head})
        await send({"type": "http.response.body", "body": answered.body})
        failpoints.passed(failpoints.REPLIED)
        elapsed = perf_counter() - begun
        count(door, answered, elapsed)
        client = scope.get("client")
        sender = client[0] if client else ""
        is_noted = self.inbound.answered(
            door, method, scope["path"], headers, sender, answered.status, answered.reason, elapsed, seen
        )
        if is_noted and answered.status >= 400:
            log.info(
                "refused", door=door.value, status=answered.status, reason=answered.reason, ms=round(elapsed * 1e3)
            )

    async def _answered(
        self, door: Door, argument: str, scope: Scope, headers: dict[str, str], receive: Receive, seen: Seen
    ) -> Answer:
        try:
            if door is Door.HOOK or door is Door.LEGACY:
                return await self._hook(door, argument, scope, headers, receive, seen)
            return await self._sdk(door, argument, scope, headers, receive, seen)
        except NotAllowed as no:
            return refusal(STATUS[no.reason], no.reason, no.detail)
        except TooLarge as no:
            return refusal(413, Reason.TOO_LARGE, str(no), [(b"connection", b"close")])
        except TooSlow as no:
            return refusal(408, Reason.TRUNCATED_BODY, str(no), [(b"connection", b"close")])
        except RateLimited as no:
            return refusal(429, Reason.RATE_LIMITED, str(no), PAUSE)
        except TooBusy as no:
            return refusal(503, Reason.BUSY, f"{no}; send it again later", [RETRY_AFTER, (b"connection", b"close")])
        except MalformedPayload as bad:
            return refusal(STATUS.get(bad.reason, 400), bad.reason, bad.detail)
        except SpoolFull:
            return refusal(503, Reason.SPOOL_FULL, "the spool is full; send it again later", [RETRY_AFTER])
        except (SpoolBroken, TimeoutError):
            return refusal(
                503, Reason.SPOOL_FULL, "the disk did not answer in time; send it again later", [RETRY_AFTER]
            )
        except Exception:
            log.exception("a request could not be answered")
            return refusal(503, Reason.INTERNAL, "errhouse failed; send it again later", [RETRY_AFTER])

    async def _hook(
        self, door: Door, argument: str, scope: Scope, headers: dict[str, str], receive: Receive, seen: Seen
    ) -> Answer:
        if door is Door.LEGACY and not self._access.knows_hook(argument):
            raise NotAllowed(Reason.BAD_SIGNATURE, "no hook has this address; `errhouse hook add NAME` makes one")
        raw, body = await self._body(door, None, scope, headers, receive, seen)
        if door is Door.HOOK:
            auth.verify_signature(raw, auth.sent_signature(headers), self._secrets)
            if PROBE in headers:
                return accepted(b'{"accepted":0}')
        refused: _Refused | None = None
        if not body or body.isspace():
            refused = Reason.EMPTY_BODY, "the body is empty"
        elif not jsontext.is_json(body):
            refused = Reason.NOT_JSON, "the body is not JSON"
        await self._keep(_payload(door, None, scope, headers, body, refused[0] if refused else None))
        if refused:
            raise MalformedPayload(*refused)
        return accepted(b'{"accepted":1}')

    async def _sdk(
        self, door: Door, argument: str, scope: Scope, headers: dict[str, str], receive: Receive, seen: Seen
    ) -> Answer:
        key: str | None = None
        is_envelope = door is Door.ENVELOPE or envelope.is_told(headers)
        try:
            key = auth.dsn_key(headers, scope["query_string"])[0]
        except NotAllowed as no:
            if no.reason is not Reason.MISSING_KEY or not is_envelope:
                raise
        project_id = self._project(key, argument) if key else None
        _, body = await self._body(door, project_id, scope, headers, receive, seen)
        refused: _Refused | None = None
        event_id: str | None = None
        is_unwanted = False
        try:
            if is_envelope:
                told = envelope.peek(body)
                event_id = told.event_id
                is_unwanted = "event" not in told.item_types
                if key is None:
                    key = auth.dsn_key(headers, scope["query_string"], told.dsn)[0]
                    project_id = self._project(key, argument)
                if project_id is not None:
                    auth.require_same_project(told.dsn, project_id)
            else:
                event_id = store.peek(body)
        except MalformedPayload as bad:
            refused = bad.reason, bad.detail
        except (NotAllowed, TooLarge):
            raise
        except Exception:
            log.exception("looking into a body failed; it is kept, and the loader will tell")
        if project_id is None:
            raise NotAllowed(
                Reason.MISSING_KEY, "no DSN key in X-Sentry-Auth, Authorization, the query or the envelope"
            )
        payload = _payload(door, project_id, scope, headers, body, refused[0] if refused else None)
        if event_id is None and refused is None and not is_unwanted:
            event_id = _own_id(payload)
        seen.project_id, seen.event_id = project_id, event_id
        await self._keep(payload)
        if refused:
            raise MalformedPayload(*refused)
        return accepted(_json({"id": event_id}) if event_id else b"{}", [UNWANTED] if is_unwanted else [])

    def _project(self, public_key: str, argument: str) -> int:
        project_id = self._access.project_of(public_key)
        if project_id is None:
            raise NotAllowed(Reason.UNKNOWN_KEY, "no project has this key; `errhouse project list` shows them")
        if argument and argument != str(project_id):
            raise NotAllowed(Reason.WRONG_PROJECT, "the key is of another project than the URL")
        self._quota.take(project_id)
        return project_id

    async def _body(
        self, door: Door, project_id: int | None, scope: Scope, headers: dict[str, str], receive: Receive, seen: Seen
    ) -> tuple[bytes, bytes]:
        """Read the body; one whose encoding is broken is kept as sent, if its sender has shown its right already."""
        pieces: list[bytes] = []

        async def noted() -> MutableMapping[str, Any]:
            message = await receive()
            pieces.append(message.get("body", b""))
            return message

        is_encoded = "content-encoding" in headers
        try:
            raw, body = await read_body(noted if is_encoded else receive, headers, self._limits, self._in_flight)
        except MalformedPayload as bad:
            has_right = project_id is not None or door is Door.LEGACY
            if bad.reason in _KEPT_REFUSALS and has_right:
                seen.body = b"".join(pieces)
                seen.raw_bytes, seen.project_id = len(seen.body), project_id
                await self._keep(_payload(door, project_id, scope, headers, seen.body, bad.reason))
            raise
        seen.raw_bytes, seen.body = len(raw), body
        failpoints.passed(failpoints.BODY_READ)
        _bytes_of(door).inc(len(raw))
        return raw, body

    async def _keep(self, payload: Payload) -> None:
        """Return once the payload is durable; who waits too long is told so, but the bytes are kept."""
        failpoints.passed(failpoints.VERIFIED)
        async with asyncio.timeout(self._ack_seconds):
            await self.writer.append(_encode(payload))


def headers_of(scope: Scope) -> dict[str, str]:
    """Give headers by lower-case name; one that was sent twice is its values joined, as HTTP has it."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, told = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {told}" if key in headers else told
    return headers


def _payload(
    door: Door, project_id: int | None, scope: Scope, headers: dict[str, str], body: bytes, refused: Reason | None
) -> Payload:
    client = scope.get("client")
    return Payload(
        received_at_us=now_us(),
        door=door,
        body=body,
        project_id=project_id,
        headers={name: value[:500] for name, value in headers.items() if name in KEPT_HEADERS},
        peer=client[0] if client else None,
        refused=refused,
    )


def _own_id(payload: Payload) -> str | None:
    """Give the id the loader will give to an event that came without one, so that the sender can be told."""
    try:
        return event_id_of_body(raw_events(payload)[0]).hex
    except (MalformedPayload, IndexError):
        return None


@cache
def _bytes_of(door: Door) -> Counter:
    return metrics.REQUEST_BYTES.labels(door.value)
