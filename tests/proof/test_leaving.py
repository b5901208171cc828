"""Scenarios A and F on the wire: senders that leave, headers without end, methods and versions of every kind."""

import asyncio
import gzip
import json
import random
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.proof.lines import report
from tests.support.builders import auth, event
from tests.support.raw import said
from tests.support.receiver import Running, receiving
from tests.support.wait import until

AUTH = auth()["X-Sentry-Auth"].encode()
RST = struct.pack("ii", 1, 0)
LEAVERS = 2000
AT_ONCE = 20
WAYS = ("half-closed", "closed", "reset", "closed, packed")
MIB = 1024 * 1024


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    room = {"MAX_BODY_BYTES": 2 * MIB, "MAX_DECODED_BYTES": 4 * MIB, "SPOOL_MAX_BYTES": 2048 * MIB}
    with receiving(tmp_path / "data", ACK_DEADLINE_SECONDS=60, TRUSTED_PROXIES="192.0.2.9", **room) as found:
        yield found


def port_of(running: Running) -> int:
    return running.client.base_url.port or 0


def request(event_id: str, body: bytes = b"", method: bytes = b"POST", version: bytes = b"1.1", *more: bytes) -> bytes:
    body = body or json.dumps(event(event_id=event_id)).encode()
    lines = [method + b" /api/42/store/ HTTP/" + version, b"Host: h", b"X-Sentry-Auth: " + AUTH, *more]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


def packed(event_id: str, number: int) -> bytes:
    size = 100_000 if number % 40 == 3 else 5_000  # more than the receiver reads at once, and less
    filler = random.Random(event_id).randbytes(size).hex()
    body = gzip.compress(json.dumps(event(event_id=event_id, extra={"filler": filler})).encode(), 1)
    return request(event_id, body, b"POST", b"1.1", b"Content-Encoding: gzip")


async def leave(port: int, number: int, room: asyncio.Semaphore) -> bytes:
    """Send a whole request and go, in the way its number says; gives what was answered, where it waits for that."""
    event_id, way = f"{number:032x}", WAYS[number % len(WAYS)]
    async with room:
        whole = packed(event_id, number) if way == WAYS[3] else request(event_id)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(whole)
        await writer.drain()
        if way == "half-closed":
            writer.write_eof()
            answer = await asyncio.wait_for(reader.read(), 60)
        else:
            answer = b""
            if way == "reset":
                told = writer.get_extra_info("socket")
                told.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
        writer.close()
        return answer


@pytest.mark.scenario("A-07")
def test_an_event_that_came_whole_is_kept_once_however_its_sender_left(running: Running) -> None:
    process = psutil.Process()
    assert said(port_of(running), request("f" * 32)).statuses == [200]
    files = process.num_fds()

    async def all_leave() -> list[bytes]:
        room = asyncio.Semaphore(AT_ONCE)
        return await asyncio.gather(*(leave(port_of(running), number, room) for number in range(LEAVERS)))

    answers = asyncio.run(all_leave())
    sent = {way: LEAVERS // len(WAYS) for way in WAYS}
    waiting = {way: count for way, count in sent.items() if way != "reset"}

    def kept() -> Counter[str]:
        ids = [json.loads(payload.body)["event_id"] for payload in running.kept()]
        counts = Counter(ids)
        assert max(counts.values()) == 1, "an event is kept twice"
        return Counter(WAYS[int(each, 16) % len(WAYS)] for each in counts if each != "f" * 32)

    until(lambda: all(kept()[way] == count for way, count in waiting.items()), 60, "whole events are kept")
    until(lambda: process.num_fds() <= files + 5, 30, "connections are closed")
    heard = sum(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert heard == sent["half-closed"]
    report(f"A-07 pass left {LEAVERS}, kept {dict(kept())}, answered {heard}, files {process.num_fds() - files:+d}")


@pytest.mark.scenario("F-05")
def test_headers_without_end_are_refused_in_little_memory(running: Running) -> None:
    head = b"POST /api/42/store/ HTTP/1.1\r\nHost: h\r\n"
    bombs = (head + b"X: " + b"x" * MIB, head + b"A: b\r\n" * 20_000, b"POST /" + b"x" * MIB)
    process = psutil.Process()
    said(port_of(running), bombs[0])
    before = process.memory_info().rss

    async def sent(bomb: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(running))
        with suppress(OSError):
            writer.write(bomb)
            await writer.drain()
        try:
            return await asyncio.wait_for(reader.read(), 60)
        except ConnectionError:  # it does not read what it refuses
            return b"cut"
        finally:
            writer.close()

    async def all_sent() -> list[bytes]:
        return await asyncio.gather(*(sent(bombs[number % 3]) for number in range(99)))

    answers = Counter(answer[:12] or b"cut" for answer in asyncio.run(all_sent()))
    grown = (process.memory_info().rss - before) / MIB
    report(f"F-05 pass bombs 99, answered {dict(answers)}, memory {grown:+.0f} MB with their sender")
    assert set(answers) <= {b"HTTP/1.1 431", b"HTTP/1.1 400", b"cut"}
    assert answers[b"HTTP/1.1 431"]
    assert said(port_of(running), request("e" * 32)).statuses == [200]


@pytest.mark.scenario("F-06")
def test_what_http_allows_is_answered_and_nothing_else(running: Running) -> None:
    port = port_of(running)
    ids = [f"{number:032x}" for number in range(1000)]
    found = said(port, b"".join(request(each) for each in ids), patience_seconds=10)
    assert found.statuses == [200] * 1000
    assert [each for each in ids if each.encode() not in found.text] == []
    body = json.dumps(event(event_id="c" * 32)).encode()
    head, _, _ = request("c" * 32, body, b"POST", b"1.1", b"Expect: 100-continue").partition(b"\r\n\r\n")
    assert said(port, head + b"\r\n\r\n").text.startswith(b"HTTP/1.1 100 Continue")
    assert said(port, head + b"\r\n\r\n", body).statuses == [100, 200]
    old = said(port, request("d" * 32, b"", b"POST", b"1.0"))
    assert (old.statuses, old.is_closed) == ([200], True)
    absolute = request("b" * 32).replace(b"POST /api", b"POST http://elsewhere.example/api")
    assert said(port, absolute).statuses == [200]
    for method, status in ((b"GET", 405), (b"PUT", 405), (b"TRACE", 405), (b"DELETE", 405), (b"OPTIONS", 200)):
        assert said(port, request("a" * 32, b"", method)).statuses == [status]
    kept = Counter(json.loads(payload.body)["event_id"] for payload in running.kept())
    assert kept == Counter([*ids, "c" * 32, "d" * 32, "b" * 32])


@pytest.mark.scenario("F-08")
def test_who_says_that_another_sent_it_is_written_down_itself(running: Running) -> None:
    told = (b"X-Forwarded-For: 192.0.2.1", b"X-Real-IP: 192.0.2.2", b"Forwarded: for=192.0.2.3")
    assert said(port_of(running), request("a" * 32, b"", b"POST", b"1.1", *told)).statuses == [200]
    assert running.last().peer == "127.0.0.1"
