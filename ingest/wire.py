"""
What one connection may ask of a receiver: so many bytes of headers, so long for them, so long to read an answer.

uvicorn waits for ever for the rest of a request's head and for who does not read; some hundred such connections would
leave no room for senders. Bodies have their limits in `ingest.body`.
"""

import asyncio
import resource
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 5.0
LOOK_SECONDS = 0.2
READ_SECONDS = 10.0
MAX_HEAD_BYTES = 64 * 1024
SLICE_BYTES = 8 * 1024
MOST_PIPELINED = 16  # requests that wait for their turn before no more is taken of a connection
MOST_CONNECTIONS = 10_000
KEPT_FILES = 256  # descriptors that connections leave to spools, logs and the way to the console
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\ncontent-length: 45\r\n"
    b'connection: close\r\n\r\n{"detail":"the headers are larger than 64 K"}'
)


class Wire(HttpToolsProtocol):
    """uvicorn's connection with limits; the one that waits longest gives way where there are too many."""

    most = MOST_CONNECTIONS
    is_leaving: ClassVar[bool] = False  # whether each answer of this process is the last one of its connection
    taken: ClassVar[int] = 0  # connections, since somebody looked
    answered: ClassVar[int] = 0  # requests, likewise
    ended_share: ClassVar[float] = 0.0  # of the answers, how many are the last of their connection
    _ended: ClassVar[float] = 0.0
    _waiting: ClassVar[dict["Wire", None]] = {}  # for a request, in the order in which they began to wait

    is_by_hand = False  # taken so, which says nothing of how fast the event loop takes them
    _timer: asyncio.TimerHandle | None = None  # of a head that is awaited
    _unread_timer: asyncio.TimerHandle | None = None  # of an answer that is not read
    _rest = b""  # what came of later requests, while enough of them wait for their turn
    _head_bytes = 0
    _is_in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        Wire.taken += not self.is_by_hand
        self._await_head()
        self._waiting[self] = None
        if len(self.connections) > self.most:
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            longest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more; an event that has come whole is kept, though nobody waits for its answer."""
        self._stop_timer()
        self.resume_writing()
        self._rest = b""
        self._waiting.pop(self, None)
        super().connection_lost(exc)
        cycle = self.cycle
        if cycle is not None and cycle.scope["method"] == "POST" and not cycle.more_body:
            cycle.disconnected = False
            cycle.transport = _Nobody()

    def data_received(self, data: bytes) -> None:
        """Take bytes, a few requests at a time: thousands fit into what is read at once, and each takes kilobytes."""
        if self._rest:
            self._rest += data
            return
        at = 0
        while at < len(data) and len(self.pipeline) < MOST_PIPELINED:
            self._take(data[at : at + SLICE_BYTES] if len(data) > SLICE_BYTES else data)
            at += SLICE_BYTES
        if at < len(data):
            self._rest = data[at:]
            self.flow.pause_reading()

    def _take(self, data: bytes) -> None:
        """Take bytes; the first of a later request begin its time."""
        if self.transport.is_closing():
            return
        if self._is_in_head:
            if self._timer is None:
                self._await_head()
            self._head_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Answer what has come whole, though nothing more comes."""
        cycle = self.cycle
        if cycle is None or cycle.more_body or cycle.response_complete:
            return None
        cycle.keep_alive = False
        return True

    def on_headers_complete(self) -> None:
        """Hand the request on."""
        self._is_in_head = False
        self._stop_timer()
        self._waiting.pop(self, None)
        super().on_headers_complete()
        Wire._ended += self.ended_share
        if self.is_leaving or Wire._ended >= 1:
            Wire._ended %= 1
            self.end_with_answer()

    def end_with_answer(self) -> None:
        """Close once the newest request is answered, and say so; a connection without one stays open."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """End a request; what comes now is the head of the next."""
        self._is_in_head = True
        self._head_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, unless it is there."""
        super().on_response_complete()
        Wire.answered += 1
        if self._rest and len(self.pipeline) < MOST_PIPELINED:
            rest, self._rest = self._rest, b""
            self.data_received(rest)
        if self._rest:
            self.flow.pause_reading()
        if not self.pipeline and not self.transport.is_closing():
            self._waiting[self] = None

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._unread_timer = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: it has read."""
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None
        super().resume_writing()

    def _await_head(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _give_up(self) -> None:
        """Close, unless the head is there and it was this process that had no time to read it."""
        self._timer = self.loop.call_later(LOOK_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Nobody(asyncio.Transport):
    """Where an answer goes that nobody waits for."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Drop it."""

    def close(self) -> None:
        """Do nothing."""

    def is_closing(self) -> bool:
        """Say so."""
        return True


def limited() -> type[Wire]:
    """Give the connection for this process, which from now on may open as many files as the system lets it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY:
        Wire.most = max(1, min(MOST_CONNECTIONS, hard - KEPT_FILES))
    return Wire
