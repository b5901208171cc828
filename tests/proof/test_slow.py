"""Scenarios F: many connections that are slow, deaf or idle, beside senders who do not notice."""

import asyncio
import resource
import select
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from tests.proof.lines import report
from tests.proof.rig import Run, proving
from tests.support.wait import until

CONNECTIONS, IDLE = 1000, 5000
FEW_FILES = 2048
SLOW_HEAD = b"POST /api/1/store/ HTTP/1.1\r\nHost: h\r\n"
SLOW_BODY = SLOW_HEAD + b"Content-Length: 100000\r\nX-Sentry-Auth: Sentry sentry_key=%s\r\n\r\n"
LONG_ANSWER = b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n"
READERS, UNREAD_ANSWERS = 50, 5000
CUT_SECONDS = 6
IDLE_SECONDS = 60
UNREAD_SECONDS = 150  # answers come ten a second, until what the kernel holds is full
ATTACKS = {"F-01": (SLOW_HEAD, b"X: y\r\n"), "F-02": (SLOW_BODY, b"x")}
HONEST = {"rate": 100, "count": 2500, "profile": "small", "is_keepalive": False, "timeout_seconds": 60}


@pytest.fixture(autouse=True)
def _many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < IDLE + 1000:
        pytest.skip(f"a process here may not open more than {hard} files")
    if soft < IDLE + 1000:
        resource.setrlimit(resource.RLIMIT_NOFILE, (IDLE + 1000, hard))


def receiver(run: Run) -> psutil.Process:
    return run.server.receiver()


async def attacked(port: int, begin: bytes, more: bytes, connections: int) -> list[float]:
    """Open connections that send a little each second; gives the seconds after which each was cut."""

    async def one() -> float:
        begun = time.monotonic()
        with suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            begun = time.monotonic()
            writer.write(begin)
            async with asyncio.timeout(IDLE_SECONDS):
                reading = asyncio.create_task(reader.read())
                while more and not reading.done():
                    writer.write(more)
                    await asyncio.wait([reading], timeout=1)
                await reading
            writer.close()
        return time.monotonic() - begun

    return await asyncio.gather(*(one() for _ in range(connections)))


@pytest.mark.timeout(600)
@pytest.mark.scenario("F-01", "F-02", tier=2)
@pytest.mark.parametrize("name", ATTACKS)
def test_a_thousand_slow_senders_are_cut_and_others_do_not_notice(name: str, tmp_path: Path, database_url: str) -> None:
    begin, more = ATTACKS[name]
    with proving(name, tmp_path, database_url) as run:
        files = receiver(run).num_fds()
        sending = run.send(**HONEST)
        begin = begin.replace(b"%s", sending.plan.key.encode()).replace(b"/1/", b"/%d/" % sending.plan.project_id)
        sending.wait_acknowledged(50, 120)
        cut = sorted(asyncio.run(attacked(run.server.port, begin, more, CONNECTIONS)))
        sending.wait_sent(300)
        until(lambda: receiver(run).num_fds() <= files + 5, 30, "the files of those that were cut are closed")
    report(f"{name} attackers {len(cut)} cut after {cut[0]:.1f} to {cut[-1]:.1f} s")
    assert cut[-1] < CUT_SECONDS
    assert run.verdict.cut == run.verdict.refused == 0


def unread(port: int, connections: int) -> list[float]:
    """Ask for long answers and read none; gives the seconds after which each connection was cut."""
    poll = select.poll()
    begun: dict[int, float] = {}
    cut = []
    with ExitStack() as held:
        for _ in range(connections):
            each = held.enter_context(socket.socket())
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            each.connect(("127.0.0.1", port))
            each.setblocking(False)
            each.send(LONG_ANSWER * UNREAD_ANSWERS)  # as many as the kernel takes
            poll.register(each, 0)  # only what nobody has to ask for: that it is gone
            begun[each.fileno()] = time.monotonic()
        deadline = time.monotonic() + UNREAD_SECONDS
        while begun and time.monotonic() < deadline:
            for handle, _ in poll.poll(500):
                poll.unregister(handle)
                cut.append(time.monotonic() - begun.pop(handle))
    return cut


@pytest.mark.timeout(600)
@pytest.mark.scenario("F-03", tier=2)
def test_answers_that_nobody_reads_are_let_go_and_others_do_not_notice(tmp_path: Path, database_url: str) -> None:
    with proving("F-03", tmp_path, database_url) as run:
        files = receiver(run).num_fds()
        sending = run.send(**HONEST)
        sending.wait_acknowledged(50, 120)
        cut = unread(run.server.port, READERS)
        sending.wait_sent(300)
        until(lambda: receiver(run).num_fds() <= files + 5, 30, "the files of those that were cut are closed")
    report(f"F-03 readers {len(cut)} cut after {min(cut):.1f} to {max(cut):.1f} s")
    assert len(cut) == READERS
    assert run.verdict.cut == run.verdict.refused == 0


@pytest.mark.timeout(600)
@pytest.mark.scenario("F-07", tier=2)
def test_more_idle_connections_than_files_leave_room_for_senders(tmp_path: Path, database_url: str) -> None:
    prefix = ("prlimit", f"--nofile={FEW_FILES}:{FEW_FILES}")
    with proving("F-07", tmp_path, database_url, prefix=prefix) as run:
        process = receiver(run)
        sending = run.send(**HONEST)
        sending.wait_acknowledged(50, 120)
        cut = sorted(asyncio.run(attacked(run.server.port, b"", b"", IDLE)))
        sending.wait_sent(300)
        until(lambda: process.num_fds() < FEW_FILES / 4, 60, "idle connections are closed")
        idle = process.cpu_percent(5)
    report(
        f"F-07 idle {len(cut)} of {FEW_FILES} files, cut after {cut[0]:.1f} to {cut[-1]:.1f} s, then CPU {idle:.0f} %"
    )
    assert cut[-1] < IDLE_SECONDS
    assert idle < 20
    assert run.verdict.refused == 0
