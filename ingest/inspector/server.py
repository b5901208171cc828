"""The stand-alone receiver: it answers as the service does, keeps nothing, and shows what came."""

from collections import deque
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import uvicorn

from ingest.body import Limits
from ingest.errors import IngestError, Reason
from ingest.inbound.log import InboundLog
from ingest.inspector import MOST_KEPT, Looked
from ingest.inspector.looking import Came, looked
from ingest.inspector.page import CSP, page
from ingest.quota import Quota
from ingest.receive import Receive, Receiver, Scope, Send, headers_of
from ingest.records import Door
from ingest.routes import doorway
from ingest.spool.writer import SpoolWriter
from models.access import AccessFile
from models.clock import now

MOST_HELD_BYTES = 16 * 1024 * 1024  # of all that is shown
WRONG_PATH = b'{"detail":"nothing is at this path; a webhook of Sentry goes to /hooks/sentry"}'
ACK_SECONDS = 10.0

Tell = Callable[[Looked], None]


class _Forgets(SpoolWriter):
    """Takes every record for durable, and keeps none."""

    def __init__(self) -> None:
        """Need no folder."""

    async def append(self, record: bytes) -> None:
        """Forget it."""


class _AnyKey(AccessFile):
    """Knows every key; a project is the number its path names."""

    def __init__(self) -> None:
        """Need no file."""
        self.project_id = 1

    def project_of(self, public_key: str) -> int:  # noqa: ARG002 - any will do
        """Give the project of the request."""
        return self.project_id

    def knows_hook(self, hook_key: str) -> bool:  # noqa: ARG002 - the same
        """Know it."""
        return True


class _NoLog(InboundLog):
    """Writes nothing."""

    def __init__(self) -> None:
        """Need no folder."""

    def answered(self, *_: Any) -> bool:
        """Forget it."""
        return True


class Inspector:
    """An application that looks at every request but those for its own page, at `/`."""

    def __init__(self, secrets: Sequence[bytes], limits: Limits, tell: Tell) -> None:
        self._secrets = tuple(secrets)
        self._limits = limits
        self._tell = tell
        self._count = 0
        self._held = 0
        self.kept: deque[tuple[Looked, int]] = deque()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        if scope["method"] in {"GET", "HEAD"} and scope["path"] in {"/", "/healthz"}:
            await self._own(scope, send)
            return
        chunks: list[bytes] = []
        size = 0

        async def noted() -> MutableMapping[str, Any]:
            nonlocal size
            message = await receive()
            chunk = message.get("body", b"")
            if size <= self._limits.raw_bytes:
                chunks.append(chunk)
            size += len(chunk)
            return message

        status, answer, reason = await self._answered(scope, noted, send)
        client = scope.get("client")
        came = Came(
            at=now(),
            sender=client[0] if client else "",
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"],
            headers=headers_of(scope),
            raw=b"".join(chunks)[: self._limits.raw_bytes],
            status=status,
            answer=answer,
            reason=reason,
        )
        self._keep(came)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> tuple[int, bytes, str]:
        """Have the service's own code answer; without a secret, a signature that cannot be checked is let pass."""
        found = doorway(scope["path"])
        if found is None:
            await _whole(receive)
            await _say(send, 404, b"application/json", WRONG_PATH)
            return 404, WRONG_PATH, "wrong_path"
        access = _AnyKey()
        if found.argument.isdigit() and found.door is not Door.LEGACY:
            access.project_id = int(found.argument)
        receiver = Receiver(self._secrets, access, Quota(0), self._limits, ACK_SECONDS)
        receiver.writer, receiver.inbound = _Forgets(), _NoLog()
        messages: list[MutableMapping[str, Any]] = []

        async def heard(message: MutableMapping[str, Any]) -> None:
            messages.append(message)

        await receiver.answer(found.door, found.argument, scope, receive, heard)
        start, body = messages
        reason = next((value.decode() for name, value in start["headers"] if name == b"x-sentry-error"), "")
        if reason == Reason.BAD_SIGNATURE and found.door is Door.HOOK and not self._secrets:
            answer = b'{"accepted":1}'
            await _say(send, 200, b"application/json", answer)
            return 200, answer, ""
        await send(start)
        await send(body)
        return start["status"], body["body"], reason

    def _keep(self, came: Came) -> None:
        self._count += 1
        one = looked(self._count, came, self._secrets, self._limits)
        size = len(one.body) + sum(len(name) + len(value) for name, value in one.headers)
        self.kept.appendleft((one, size))
        self._held += size
        while len(self.kept) > MOST_KEPT or (self._held > MOST_HELD_BYTES and len(self.kept) > 1):
            self._held -= self.kept.pop()[1]
        self._tell(one)

    async def _own(self, scope: Scope, send: Send) -> None:
        """Show the page to this machine alone: what is on it is as it was sent, and a tunnel leads others here."""
        if scope["path"] == "/healthz":
            await _say(send, 200, b"application/json", b'{"status":"ok"}')
        elif not _is_at_home(scope):
            await _say(send, 403, b"text/plain; charset=utf-8", b"The page is for this machine alone.\n")
        else:
            shown = page([one for one, _ in self.kept], self._count, has_secret=bool(self._secrets))
            await _say(send, 200, b"text/html; charset=utf-8", shown)


def run(host: str, port: int, secrets: Sequence[bytes], max_body: int, tell: Tell) -> None:
    """
    Receive until Ctrl-C.

    Raises: IngestError when the address is not free.
    """
    from ingest.supervise import bound_socket  # noqa: PLC0415 - it reads the service's settings

    app = Inspector(secrets, Limits(raw_bytes=max_body, decoded_bytes=max_body * 4), tell)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, proxy_headers=False, ws="none", lifespan="off",
        timeout_graceful_shutdown=2,
    )  # fmt: skip
    try:
        listening = bound_socket(host, port)
    except IngestError as error:
        raise IngestError(str(error).partition(";")[0] + "; choose another with --port.") from None
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
    listening.close()


def _is_at_home(scope: Scope) -> bool:
    client = scope.get("client")
    told = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    host = told[1:].partition("]")[0] if told.startswith("[") else told.partition(":")[0]
    try:
        is_ours = host == "localhost" or ip_address(host).is_loopback
        return is_ours and client is not None and ip_address(client[0]).is_loopback
    except ValueError:
        return False


async def _whole(receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return


async def _say(send: Send, status: int, media_type: bytes, body: bytes) -> None:
    headers = [
        (b"content-type", media_type),
        (b"content-length", str(len(body)).encode()),
        (b"content-security-policy", CSP),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
