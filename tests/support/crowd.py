"""Senders under load: requests leave at fixed times whatever the answers (open loop); each answer is written down."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from uuid import UUID, uuid5

from tests.support.builders import auth, event

SEED = UUID("5e27c0de-0000-4000-8000-000000000000")
MOST_CONNECTIONS = 200
GIVE_UP_SECONDS = 10.0


@dataclass
class Answered:
    """What became of one request; status 0 is no answer, seconds run from the time it was due."""

    event_id: str
    status: int
    seconds: float
    due: float


@dataclass
class Report:
    """What the senders saw."""

    answers: list[Answered] = field(default_factory=list)

    @property
    def acknowledged(self) -> set[str]:
        return {each.event_id for each in self.answers if 200 <= each.status < 300}

    @property
    def sent(self) -> set[str]:
        return {each.event_id for each in self.answers}

    def others(self) -> list[Answered]:
        """Return those that were not acknowledged."""
        return [each for each in self.answers if not 200 <= each.status < 300]

    def slowest(self) -> float:
        return max(each.seconds for each in self.answers)

    def __str__(self) -> str:
        times = sorted(each.seconds for each in self.answers)
        told = {name: round(times[int(part * (len(times) - 1))] * 1e3, 1) for name, part in _PARTS}
        return f"sent {len(self.sent)} acknowledged {len(self.acknowledged)} ms {told}"


_FILLER_SIZE = 100_000
_FILLER = "".join(Random(1).choices("abcdefghijklmnop ", k=_FILLER_SIZE))
_PARTS = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0))


class Crowd:
    """Sends `rate` events a second of about 3 KB to a project, event ids by number, until told to stop."""

    def __init__(self, port: int, project_id: int, key: str, *, rate: float, seed: str) -> None:
        self._port = port
        self._path = f"/api/{project_id}/envelope/"
        self._auth = auth(key)["X-Sentry-Auth"]
        self._rate = rate
        self._seed = uuid5(SEED, seed)
        self._random = Random(seed)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._room = asyncio.Semaphore(MOST_CONNECTIONS)
        self.report = Report()

    async def run(self, should_stop: Callable[[], bool], most_seconds: float) -> Report:
        """Send until `should_stop` or the time is up; every request has its answer, or none, when this returns."""
        begun = time.monotonic()
        tasks: set[asyncio.Task[None]] = set()
        number = 0
        while not should_stop() and time.monotonic() - begun < most_seconds:
            due = begun + number / self._rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            task = asyncio.create_task(self._send(number, due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
        if tasks:
            await asyncio.wait(tasks)
        for _, writer in self._idle:
            writer.close()
        return self.report

    async def _send(self, number: int, due: float) -> None:
        event_id = uuid5(self._seed, str(number)).hex
        request = self._request(event_id, number)
        status = 0
        async with self._room:
            try:
                async with asyncio.timeout(GIVE_UP_SECONDS):
                    status = await self._exchange(request)
            except (OSError, EOFError, ValueError, TimeoutError):
                status = 0
        self.report.answers.append(Answered(event_id, status, time.monotonic() - due, due))

    def _request(self, event_id: str, number: int) -> bytes:
        begin = self._random.randrange(_FILLER_SIZE - 2000)
        filler = _FILLER[begin : begin + 2000]
        made = event(event_id=event_id, tags={"number": str(number)}, extra={"filler": filler})
        item = json.dumps(made).encode()
        body = b'{"event_id":"%s"}\n{"type":"event","length":%d}\n%s\n' % (event_id.encode(), len(item), item)
        head = (
            f"POST {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Sentry-Auth: {self._auth}\r\n"
            f"Content-Type: application/x-sentry-envelope\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def _exchange(self, request: bytes) -> int:
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(request)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
            )
            await reader.readexactly(length)
        except BaseException:
            writer.close()
            raise
        if b"connection: close" in head.lower():
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(head.split(b" ", 2)[1])


@contextmanager
def under_load(port: int, project: tuple[int, str], *, rate: float, seed: str, most_seconds: float) -> Iterator[Report]:
    """Let a crowd send in another thread for as long as the context; the report is whole when it ends."""
    crowd = Crowd(port, *project, rate=rate, seed=seed)
    is_over = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(crowd.run(is_over.is_set, most_seconds)))
    thread.start()
    try:
        yield crowd.report
    finally:
        is_over.set()
        thread.join(most_seconds)
