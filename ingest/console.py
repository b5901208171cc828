"""
The door to the console: a receiver hands requests for pages to the console's process, over a socket in DATA_DIR.

Pages ask the database and need memory; receivers do neither. What goes through here is bounded: a page that is slow,
or a console that is down, costs an event nothing. See docs/adr/0013.
"""

import asyncio
import os
import socket
import stat
import tempfile
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from ingest.receive import Receive, Scope, Send
from ingest.supervise import ServeError

FIRST_SEGMENTS = frozenset(
    {
        "",
        "login",
        "logout",
        "explore",
        "issues",
        "events",
        "reports",
        "schedules",
        "messages",
        "deliveries",
        "set-aside",
        "health",
        "static",
    }
)
MOST_AT_ONCE = 16
MOST_BODY_BYTES = 64 * 1024
MOST_HEAD_BYTES = 64 * 1024
PIECE_BYTES = 64 * 1024
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 60.0  # longer than a page's statement may take
LONGEST_SOCKET_PATH = 100  # bytes; Linux takes 107, others 103
MARK = b"x-errhouse-"
PEER = "errhouse.peer"
_HOP = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"te", b"content-length", b"expect"})
_UNHELPFUL = b"The console does not answer just now; events are accepted all the same. Try again in a moment.\n"

App = Callable[[Scope, Receive, Send], Awaitable[None]]


def behind_proxies(app: App, trusted: str) -> App:
    """Believe proxies what they tell of who asks, as uvicorn does, and keep who it was that told."""
    believing = ProxyHeadersMiddleware(app, trusted)  # type: ignore[arg-type]  # uvicorn's own types of the same

    async def noted(scope: Scope, receive: Receive, send: Send) -> None:
        scope[PEER] = scope.get("client")
        await believing(scope, receive, send)  # type: ignore[arg-type]  # the same

    return noted


def socket_path(run_dir: Path) -> Path:
    """
    Give where the console listens: in the run folder, or, where its path is too long for a socket, in one of our own.

    Raises: ServeError when somebody else has that folder.
    """
    path = run_dir / "console.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    name = sha256(os.fsencode(run_dir.resolve())).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"errhouse-{os.getuid()}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ServeError(f"{folder} is not a folder of yours alone; remove it, or choose a shorter ERRHOUSE_DATA_DIR.")
    return folder / "console.sock"


def bound(path: Path) -> socket.socket:
    """Listen at a path, for our own processes alone."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    except OSError as error:
        listening.close()
        raise ServeError(
            f"The console cannot listen at {path} ({error.strerror}); set another ERRHOUSE_DATA_DIR."
        ) from None
    finally:
        os.umask(before)
    listening.listen(64)
    listening.set_inheritable(True)
    return listening


class ConsoleDoor:
    """Hands requests through; at most MOST_AT_ONCE at a time, which others wait for no longer than for an answer."""

    def __init__(self, run_dir: Path, trusted: str) -> None:
        self._run_dir = run_dir
        self._trusted = ProxyHeadersMiddleware(None, trusted).trusted_hosts  # type: ignore[arg-type]  # only the hosts
        self._open = 0

    def leads(self, path: str) -> bool:
        """Whether a path is one of the console's."""
        return path[1:].partition("/")[0] in FIRST_SEGMENTS

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the console and send on what it says; 503 when it does not answer, 413 for more than a form holds."""
        if self._open >= MOST_AT_ONCE:
            await _say(send, 503, _UNHELPFUL)
            return
        self._open += 1
        try:
            body = await _body(receive)
            if body is None:
                await _say(send, 413, b"That is more than a form of the console holds.\n")
                return
            await self._through(scope, body, send)
        finally:
            self._open -= 1

    async def _through(self, scope: Scope, body: bytes, send: Send) -> None:
        is_begun = False
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                path = str(socket_path(self._run_dir))
                reader, writer = await asyncio.open_unix_connection(path, limit=MOST_HEAD_BYTES)
            async with asyncio.timeout(ANSWER_SECONDS):
                writer.write(self._asked(scope, body))
                await writer.drain()
                status, headers = _read_head(await reader.readuntil(b"\r\n\r\n"))
                is_begun = True
                await send({"type": "http.response.start", "status": status, "headers": headers})
                while piece := await reader.read(PIECE_BYTES):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            if is_begun:
                raise  # too late for another answer: the connection ends, so that nobody takes it for whole
            await _say(send, 503, _UNHELPFUL)
        finally:
            if writer is not None:
                writer.close()

    def _asked(self, scope: Scope, body: bytes) -> bytes:
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        client, peer = scope.get("client"), scope.get(PEER)
        is_proxied = peer is not None and peer[0] in self._trusted and client != peer  # so it told who asks
        lines = [scope["method"].encode() + b" " + target + b" HTTP/1.1"]
        # with `_` for `-`, some servers would take a header of a sender for one of ours
        kept = [(n, v) for n, v in scope["headers"] if n not in _HOP and not n.replace(b"_", b"-").startswith(MARK)]
        lines += [name + b": " + value for name, value in kept]
        lines += [
            MARK + b"client: " + (client[0] if client else "").encode("latin-1"),
            MARK + b"scheme: " + scope["scheme"].encode(),
            MARK + b"proxied: " + (b"1" if is_proxied else b"0"),
            b"content-length: " + str(len(body)).encode(),
            b"connection: close",
        ]
        return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def _body(receive: Receive) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > MOST_BODY_BYTES:
            return None
        if not message.get("more_body"):
            return bytes(body)


def _read_head(head: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
    first, *lines = head[:-4].split(b"\r\n")
    headers = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    if any(name == b"transfer-encoding" for name, _ in headers):
        raise ValueError("the console's answers have a length")
    return int(first.partition(b" ")[2][:3]), [(name, value) for name, value in headers if name != b"connection"]


async def _say(send: Send, status: int, words: bytes) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(words)).encode()),
        (b"retry-after", b"5"),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": words})
