"""
A proxy in front of PostgreSQL that does what networks do: delay, throttle, swallow, cut, refuse.

It runs in a thread; what it does is changed while it runs, and holds for what passes from then on.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

CHUNK = 64 * 1024
COMMIT = b"COMMIT\x00"


@dataclass
class Fault:
    """What the proxy does; all zero: it passes on what it gets."""

    delay_seconds: float = 0.0
    """Each piece is passed on so much later, in each direction."""
    bytes_per_second: float = 0.0
    """So fast at most, in each direction; 0: no limit."""
    is_black_hole: bool = False
    """Nothing is passed on, nothing closed, new connections are taken and left alone."""
    is_refusing: bool = False
    """New connections are closed at once, those there are cut."""
    swallows_commit: bool = False
    """A COMMIT is passed on, its answer is not: the connection is cut when the answer is there."""
    cuts_after_bytes: int = 0
    """A connection is cut after so many bytes from the client; 0: never."""


@dataclass
class Proxy:
    """Where it listens, what it does, and what it has seen."""

    port: int = 0
    fault: Fault = field(default_factory=Fault)
    connection_count: int = 0
    swallowed_count: int = 0
    cut_count: int = 0
    _pairs: set[asyncio.StreamWriter] = field(default_factory=set)
    _target: tuple[str, int] = ("", 0)

    def url(self, url: str) -> str:
        """Give a database URL that leads through here."""
        parts = urlsplit(url)
        user = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{self.port}"))

    async def serve(self, ready: threading.Event, over: asyncio.Event) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            watching = asyncio.create_task(self._cut_when_refusing())
            await over.wait()
            watching.cancel()
            self._cut_all()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def lead_to(self, url: str) -> None:
        """Pass on to this database from now on; connections there are stay where they are."""
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 5432)

    async def _held(self) -> None:
        while self.fault.is_black_hole:  # noqa: ASYNC110 - it is changed from another thread
            await asyncio.sleep(0.05)

    def _cut_all(self) -> None:
        for writer in list(self._pairs):
            self._cut(writer)

    async def _cut_when_refusing(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            if self.fault.is_refusing:
                self._cut_all()

    def _cut(self, writer: asyncio.StreamWriter) -> None:
        self._pairs.discard(writer)
        with suppress(Exception):
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connection_count += 1
        self._pairs.add(writer)
        if self.fault.is_refusing:
            self._cut(writer)
            return
        await self._held()
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            self._cut(writer)
            return
        self._pairs.add(far_writer)
        state = _State()
        await asyncio.gather(
            self._pass(reader, far_writer, state, is_from_client=True),
            self._pass(far_reader, writer, state, is_from_client=False),
            return_exceptions=True,
        )
        self._cut(writer)
        self._cut(far_writer)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, state: "_State", *, is_from_client: bool
    ) -> None:
        try:
            while data := await reader.read(CHUNK):
                fault = self.fault
                if fault.delay_seconds:
                    await asyncio.sleep(fault.delay_seconds)
                if fault.bytes_per_second:
                    await asyncio.sleep(len(data) / fault.bytes_per_second)
                await self._held()
                if is_from_client:
                    state.sent_bytes += len(data)
                    if fault.swallows_commit and data.endswith(COMMIT):
                        state.is_committing = True
                    if fault.cuts_after_bytes and state.sent_bytes > fault.cuts_after_bytes:
                        self.cut_count += 1
                        return
                elif state.is_committing:
                    self.swallowed_count += 1
                    return
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            self._cut(writer)  # a reset, as of a client that was killed, is passed on
            raise
        finally:
            if state.is_committing or (is_from_client and self.fault.cuts_after_bytes):
                self._cut(writer)


@dataclass
class _State:
    sent_bytes: int = 0
    is_committing: bool = False


@contextmanager
def proxied(url: str) -> Iterator[Proxy]:
    """Run a proxy in front of the database of a URL."""
    proxy = Proxy()
    proxy.lead_to(url)
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(proxy.serve(ready, over)), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()
