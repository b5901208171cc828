"""How many that wait would wait too long, and what those are answered."""

import asyncio
import json
import socket
from contextlib import ExitStack
from pathlib import Path

import uvloop

from ingest.inbound.log import InboundLog
from ingest.overload import BEAT_SECONDS, LONG_SECONDS, SHORT_SECONDS, Overload, Pace

PACE = 400  # connections a second that are taken
BEAT_TAKEN = round(PACE * BEAT_SECONDS)
MANY = round(PACE * LONG_SECONDS) * 2
CONNECTIONS = 300
LEFT = 10  # that nobody takes


class Watched:
    """Notes one beat after the other."""

    def __init__(self) -> None:
        self._at = 1000.0
        self._pace = Pace()

    def beat(self, waiting: int, taken: int = BEAT_TAKEN, seconds: float = BEAT_SECONDS) -> int:
        self._at += seconds
        return self._pace.excess(self._at, seconds, taken, waiting)


def test_those_who_are_taken_soon_are_never_too_many() -> None:
    watched = Watched()
    assert not any(watched.beat(round(PACE * LONG_SECONDS)) for _ in range(100))


def test_a_burst_that_is_over_soon_and_a_pause_with_what_it_left_refuse_nobody() -> None:
    watched = Watched()
    assert not any(watched.beat(waiting) for waiting in [0, 0, MANY, MANY, MANY, 10, 0] * 5)
    assert watched.beat(5 * PACE, taken=1, seconds=5.0) == 0
    assert not any(watched.beat(waiting) for waiting in range(5 * PACE, 0, -BEAT_TAKEN))


def test_of_more_than_can_be_taken_those_are_refused_who_would_wait_too_long() -> None:
    watched = Watched()
    told = [watched.beat(MANY) for _ in range(20)]
    assert told[0] == 0
    assert set(told[10:]) == {MANY - round(PACE * SHORT_SECONDS)}
    assert watched.beat(0) == 0
    assert watched.beat(MANY) == 0


def asked(request: bytes, port: int, held: ExitStack) -> socket.socket:
    connection = held.enter_context(socket.create_connection(("127.0.0.1", port), 20))
    connection.sendall(request)
    return connection


class Answering(asyncio.Protocol):
    """What connections come to that are not refused."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, _: bytes) -> None:
        self._transport.write(b"taken")
        self._transport.close()


def test_senders_are_told_to_come_again_and_who_asks_for_health_is_let_in(tmp_path: Path) -> None:
    post = b"POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 3000\r\n\r\n" + b"x" * 3000
    others = [b"GET /healthz HTTP/1.1\r\n\r\n", b"POST /login HTTP/1.1\r\n\r\n", b"P"]
    requests = [post % b"/api/42/envelope/?sentry_key=1", post % b"/hooks/sentry"] * (CONNECTIONS // 2)

    async def watched(listening: socket.socket) -> list[bytes]:
        overload = Overload(listening, 1, InboundLog(tmp_path, "0"), Answering)
        overload.start()
        port = listening.getsockname()[1]
        with ExitStack() as held:
            held.callback(overload.stop)
            waiting = [asked(request, port, held) for request in (*others, *requests)]
            files = [held.enter_context(each.makefile("rb")) for each in waiting[:-LEFT]]
            return [await asyncio.to_thread(file.read) for file in files]

    with (
        socket.create_server(("127.0.0.1", 0), backlog=2 * CONNECTIONS) as listening,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        answers = runner.run(watched(listening))
    assert answers[: len(others)] == [b"taken"] * len(others)
    for answer in answers[len(others) :]:
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        assert lines[0] == b"http/1.1 503 service unavailable"
        assert {b"retry-after: 10", b"x-sentry-error: busy", b"access-control-allow-origin: *"} < set(lines)
        assert b"connection: close" in lines
        assert json.loads(body)["reason"] == "busy"
