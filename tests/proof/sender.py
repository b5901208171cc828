"""
A sender in a process of its own, which nothing is ever done to: `python -m tests.proof.sender`, its plan on stdin.

Requests leave at fixed or random times whatever the answers are (open loop); a request is given up 1.000 s after it
left (or as the plan has it), connecting included, as Sentry does. What became of each is appended to the ledger, one
line a request: number, status, microseconds at which it was due, left, and was answered. Status 0: refused or cut; -1:
given up. It stops when its stdin ends.
"""

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path
from random import Random
from typing import TextIO

import msgspec
import uvloop

from tests.proof import made
from tests.support.builders import auth

GIVEN_UP, CUT = -1, 0
TIMEOUT_SECONDS = 1.0
MOST_CONNECTIONS = 1000
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Plan(msgspec.Struct, frozen=True):
    """What to send: `rate` a second, at random distances (Poisson) unless `is_even`; `count` at most."""

    port: int
    project_id: int
    key: str
    seed: str
    ledger: str
    rate: float = 500.0
    profile: str = "mixed"
    count: int = 1_000_000_000
    first: int = 0
    is_even: bool = False
    is_keepalive: bool = True
    host: str = "127.0.0.1"
    core: int | None = None
    is_prepared: bool = False
    """All bodies are made before the first is due, for rates at which making them takes too much of a core."""
    timeout_seconds: float = TIMEOUT_SECONDS
    """More than Sentry's where something makes every answer slow that is no part of the service, as a tracer does."""


class Sender:
    """Sends by a plan until told to stop."""

    def __init__(self, plan: Plan, ledger: TextIO) -> None:
        self._plan = plan
        self._ledger = ledger
        self._random = Random(plan.seed)
        self._bodies: dict[int, bytes] = {}
        self._idle: list[Connection] = []
        self._head = (
            f"POST /api/{plan.project_id}/envelope/ HTTP/1.1\r\nHost: {plan.host}\r\n"
            f"X-Sentry-Auth: {auth(plan.key)['X-Sentry-Auth']}\r\nContent-Type: application/x-sentry-envelope\r\n"
            + ("" if plan.is_keepalive else "Connection: close\r\n")
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop; every request has its line when this returns."""
        tasks: set[asyncio.Task[None]] = set()
        numbers = range(self._plan.first, self._plan.first + self._plan.count)
        if self._plan.is_prepared:
            self._bodies = {number: self._made(number) for number in numbers}
        due = time.monotonic()
        for number in numbers:
            if (wait := due - time.monotonic()) > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), wait)
            elif number % 16 == 0:
                await asyncio.sleep(0)
            if stop.is_set():
                break
            task = asyncio.create_task(self._send(number, due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            due += (1.0 if self._plan.is_even else self._random.expovariate(1.0)) / self._plan.rate
        if tasks:
            await asyncio.wait(tasks)
        for _, writer in self._idle:
            writer.close()

    async def _send(self, number: int, due: float) -> None:
        body = self._bodies.pop(number, None) or self._made(number)
        request = f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        left = time.monotonic()
        try:
            async with asyncio.timeout(self._plan.timeout_seconds):
                status = await self._exchange(request)
        except TimeoutError:
            status = GIVEN_UP
        except (OSError, EOFError, ValueError, StopIteration):
            status = CUT
        moments = (round(at * 1e6) for at in (due, left, time.monotonic()))
        self._ledger.write(f"{number} {status} {' '.join(map(str, moments))}\n")

    def _made(self, number: int) -> bytes:
        return made.body(self._plan.seed, number, self._plan.profile)

    async def _exchange(self, request: bytes) -> int:
        reader, writer = self._kept() or await asyncio.open_connection(self._plan.host, self._plan.port)
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            await reader.readexactly(length)
        except BaseException:
            writer.close()
            raise
        if not self._plan.is_keepalive or b"connection: close" in lines:
            writer.close()
        elif len(self._idle) < MOST_CONNECTIONS:
            self._idle.append((reader, writer))
        return int(head.split(b" ", 2)[1])

    def _kept(self) -> Connection | None:
        """Give a connection that was kept, and that the other side has not ended since."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return None


async def send(plan: Plan, ledger: TextIO) -> None:
    """Send until stdin ends, or everything of the plan is sent."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def heard() -> None:
        if not os.read(0, 1024):
            loop.remove_reader(0)
            stop.set()

    loop.add_reader(0, heard)
    await Sender(plan, ledger).run(stop)


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.readline(), type=Plan)
    if plan.core is not None:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {plan.core})
    made.filler(plan.seed, 0, plan.profile)
    factory = uvloop.new_event_loop if plan.is_prepared else None
    with Path(plan.ledger).open("a", buffering=1) as ledger, asyncio.Runner(loop_factory=factory) as runner:
        runner.run(send(plan, ledger))


if __name__ == "__main__":
    main()
