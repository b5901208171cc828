"""How many that wait would wait too long, and what those are answered."""

import asyncio
import json
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
import uvloop

from ingest.inbound.log import InboundLog
from ingest.overload import (
    BEAT_SECONDS,
    LONG_SECONDS,
    MOST_ENDED,
    SHORT_SECONDS,
    TURN_SECONDS,
    Overload,
    Pace,
    ended_share,
)
from ingest.wire import Wire
from tests.support.receiver import receiving

PACE = 400  # connections a second that are taken
BEAT_TAKEN = round(PACE * BEAT_SECONDS)
MANY = round(PACE * LONG_SECONDS) * 2
CONNECTIONS = 300
LEFT = 10  # that nobody takes
ENVELOPE, WEBHOOK = b"/api/42/envelope/?sentry_key=1", b"/hooks/sentry"
BEAT_ANSWERED = 2 * CONNECTIONS


class Watched:
    """Notes one beat after the other."""

    def __init__(self) -> None:
        self._at = 1000.0
        self._pace = Pace()

    def beat(self, waiting: int, taken: int = BEAT_TAKEN, seconds: float = BEAT_SECONDS) -> int:
        self._at += seconds
        return self._pace.excess(self._at, seconds, taken, waiting, turn=0.0)


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


def post(path: bytes) -> bytes:
    return b"POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 3000\r\n\r\n" % path + b"x" * 3000


def answers(folder: Path, requests: list[bytes], answered: int = 0) -> list[bytes]:
    """Give what these are told, while the event loop takes nobody and answers so many a beat."""

    async def answer() -> None:
        while True:
            Wire.answered += answered
            await asyncio.sleep(BEAT_SECONDS)

    async def watched(listening: socket.socket) -> list[bytes]:
        overload = Overload(listening, 1, InboundLog(folder, "0"), Answering)
        answering = asyncio.create_task(answer())
        overload.start()
        port = listening.getsockname()[1]
        with ExitStack() as held:
            held.callback(overload.stop)
            held.callback(answering.cancel)
            waiting = [asked(request, port, held) for request in [*requests, *[post(ENVELOPE)] * LEFT]]
            files = [held.enter_context(each.makefile("rb")) for each in waiting[:-LEFT]]
            return [await asyncio.to_thread(file.read) for file in files]

    with (
        socket.create_server(("127.0.0.1", 0), backlog=2 * CONNECTIONS) as listening,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(watched(listening))


def test_senders_are_told_to_come_again_and_who_asks_for_health_is_let_in(tmp_path: Path) -> None:
    others = [b"GET /healthz HTTP/1.1\r\n\r\n", b"POST /login HTTP/1.1\r\n\r\n", b"P"]
    found = answers(tmp_path, [*others, *[post(ENVELOPE), post(WEBHOOK)] * (CONNECTIONS // 2)])
    assert found[: len(others)] == [b"taken"] * len(others)
    for answer in found[len(others) :]:
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        assert lines[0] == b"http/1.1 503 service unavailable"
        assert {b"retry-after: 10", b"x-sentry-error: busy", b"access-control-allow-origin: *"} < set(lines)
        assert b"connection: close" in lines
        assert json.loads(body)["reason"] == "busy"


def test_webhooks_are_let_in_where_others_are_refused(tmp_path: Path) -> None:
    found = answers(tmp_path, [post(ENVELOPE), post(WEBHOOK)] * (CONNECTIONS // 2), answered=BEAT_ANSWERED)
    assert found[1::2] == [b"taken"] * (CONNECTIONS // 2)
    assert all(b" 503 " in answer for answer in found[::2])


def test_of_webhooks_no_more_are_let_in_than_can_be_answered_in_time() -> None:
    pace = Pace()
    rooms = [pace.room(BEAT_SECONDS, BEAT_ANSWERED, turn=0.0) for _ in range(100)]
    assert rooms[0] < rooms[-1] <= SHORT_SECONDS * BEAT_ANSWERED / BEAT_SECONDS
    assert pace.room(BEAT_SECONDS, BEAT_ANSWERED, turn=SHORT_SECONDS / 2) <= rooms[-1] / 2
    assert pace.room(BEAT_SECONDS, BEAT_ANSWERED, turn=SHORT_SECONDS) == 0
    assert [pace.room(BEAT_SECONDS, 0, turn=0.0) for _ in range(100)][-1] == 0


def test_a_turn_in_which_one_is_taken_says_how_long_the_others_wait() -> None:
    few = round(LONG_SECONDS / TURN_SECONDS) + 1
    pace = Pace()
    told = [pace.excess(at * TURN_SECONDS, TURN_SECONDS, 1, few, TURN_SECONDS) for at in range(20)]
    assert told[-1] == few - int(SHORT_SECONDS * (1 / TURN_SECONDS))
    pace = Pace()
    assert not any(pace.excess(at * BEAT_SECONDS, BEAT_SECONDS, 0, few, 0.0) for at in range(20))


def test_of_kept_connections_those_are_ended_that_make_a_turn_too_long() -> None:
    assert ended_share(TURN_SECONDS) == 0
    assert ended_share(TURN_SECONDS * 1.25) == pytest.approx(0.2)
    assert ended_share(TURN_SECONDS * 100) == MOST_ENDED


def test_of_answers_that_part_is_the_last_of_its_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving(tmp_path) as running:
        monkeypatch.setattr(Wire, "ended_share", 0.25)
        told = [running.client.get("/healthz").headers.get("connection") for _ in range(20)]
        monkeypatch.setattr(Wire, "ended_share", 0.0)
        told_after = [running.client.get("/healthz").headers.get("connection") for _ in range(20)]
    assert told.count("close") == 5
    assert told_after.count("close") == 0
