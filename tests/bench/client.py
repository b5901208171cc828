"""A load generator that costs little: persistent connections, requests made beforehand, answers counted."""

import asyncio
import math
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import Any


@dataclass
class Outcome:
    """What came of a run: answers by status, latencies, length in seconds; of a paced run, when each was due."""

    statuses: dict[int, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    due: list[float] = field(default_factory=list)
    begun: float = 0.0

    def percentile(self, share: float) -> float:
        """Give a latency in milliseconds."""
        ordered = sorted(self.latencies)
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1e3, 2) if ordered else 0.0


class _Connection(asyncio.Protocol):
    """Sends the next request when the last is answered, as long as there are any and it is not later than `until`."""

    def __init__(self, requests: Iterator[bytes], outcome: Outcome, done: asyncio.Event, until: float) -> None:
        self._requests = requests
        self._outcome = outcome
        self._done = done
        self._until = until
        self._buffer = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.lower().find(b"content-length: ")
        length = int(head[at + 16 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(rest) < length:
            return
        self._buffer = b""
        status = int(head[9:12])
        self._outcome.statuses[status] = self._outcome.statuses.get(status, 0) + 1
        self._outcome.latencies.append(time.perf_counter() - self._sent_at)
        self._next()

    def _next(self) -> None:
        self._sent_at = time.perf_counter()
        request = next(self._requests, None) if self._sent_at < self._until else None
        if request is None:
            self._done.set()
            self._transport.close()
            return
        self._transport.write(request)


async def closed_loop(
    port: int,
    requests: Iterable[bytes],
    connections: int,
    *,
    seconds: float = math.inf,
    outcome: Outcome | None = None,
) -> Outcome:
    """Send requests as fast as answers come, all of them or for so long; `outcome` can be looked at meanwhile."""
    loop = asyncio.get_running_loop()
    outcome = outcome or Outcome()
    left = iter(requests)
    ends = []
    begun = time.perf_counter()
    for _ in range(connections):
        done = asyncio.Event()
        ends.append(done)
        made = partial(_Connection, left, outcome, done, begun + seconds)
        await loop.create_connection(made, "127.0.0.1", port)
    for done in ends:
        await done.wait()
    outcome.seconds = time.perf_counter() - begun
    return outcome


async def paced(port: int, requests: Iterable[bytes], per_second: float, connections: int) -> Outcome:
    """Send at a steady rate whatever the answers do; latency, and `due`, count from the intended moment."""
    loop = asyncio.get_running_loop()
    outcome = Outcome()
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(connections):
        idle.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    begun = loop.time()
    outcome.begun = time.perf_counter()

    async def send(request: bytes, due: float) -> None:
        reader, writer = await idle.get()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        at = head.lower().find(b"content-length: ")
        await reader.readexactly(int(head[at + 16 :].split(b"\r\n", 1)[0]))
        outcome.latencies.append(loop.time() - due)
        outcome.due.append(due - begun)
        status = int(head[9:12])
        outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
        idle.put_nowait((reader, writer))

    async with asyncio.TaskGroup() as group:
        for number, request in enumerate(requests):
            due = begun + number / per_second
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            group.create_task(send(request, due))
    outcome.seconds = loop.time() - begun
    while not idle.empty():
        idle.get_nowait()[1].close()
    return outcome


def apart(made: Callable[[], Coroutine[Any, Any, Outcome]]) -> Callable[[], Outcome]:
    """
    Begin to run in a process of its own, which is a copy of this one; give what waits for the outcome.

    So what is looked at meanwhile does not hold up what sends, and is not taken for the service's slowness.
    """
    context = get_context("fork")
    here, there = context.Pipe(duplex=False)

    def work() -> None:
        with runner() as loop:
            there.send(loop.run(made()))

    process = context.Process(target=work)
    process.start()
    there.close()

    def outcome() -> Outcome:
        found: Outcome = here.recv()
        process.join()
        return found

    return outcome


def post(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Write one HTTP/1.1 POST."""
    head = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*head, "", ""]).encode() + body


def runner() -> asyncio.Runner:
    """Run on uvloop, so that the generator takes as little of the machine as it can."""
    if sys.platform == "win32":
        return asyncio.Runner()
    import uvloop

    return asyncio.Runner(loop_factory=uvloop.new_event_loop)
