"""Scenario A-03: load in steps beyond what one receiver can do, and what becomes of webhooks beside such a load."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.proof.lines import report
from tests.proof.rig import Run, proving
from tests.proof.sender import CUT, GIVEN_UP, TIMEOUT_SECONDS
from tests.proof.verdict import LATE_SECONDS, Answer
from tests.support.builders import signed
from tests.support.metrics import counted

STEPS = (500, 1000, 1500, 2000, 3000, 4000)
STEP_SECONDS = 3
STEADY_RATE = 50
RECOVERY_SECONDS = 5.0
AFTER_SECONDS = 10
LEAST_GOOD, MOST_LATE = 0.5, 0.1  # of the knee, and of what was sent; the figures themselves are in the line
CROWD_RATE, CROWD_SECONDS = 3000, 6
WEBHOOK_RATE = 20
LEAST_WEBHOOKS = 0.7  # where a tenth were answered before they were looked for in what waits
ONE_CORE = ("taskset", "--cpu-list", "0")
"""The service has one core and the senders the other, so that they can send more than it can take."""


class Step(NamedTuple):
    """What became of a step; `sent` and `good`, acknowledged within a second, are events a second."""

    sent: float
    good: float
    statuses: Counter[int]
    late: int
    p99: float

    def line(self) -> str:
        refused = self.statuses[503]
        return f"{self.sent:.0f}/s: good {self.good:.0f}/s, refused {refused}, late {self.late}, p99 {self.p99:.2f} s"


def step(answers: list[Answer]) -> Step:
    left = sorted(each.due + each.seconds - each.waited for each in answers)
    seconds = left[-1] - left[0]
    waits = sorted(each.waited for each in answers)
    return Step(
        sent=len(answers) / seconds,
        good=sum(each.is_acknowledged and each.waited <= LATE_SECONDS for each in answers) / seconds,
        statuses=Counter(each.status for each in answers),
        late=sum(each.is_late for each in answers),
        p99=waits[int(0.99 * (len(waits) - 1))],
    )


def stepped(run: Run, rate: float) -> Step:
    """Send at a rate for the seconds of a step."""
    sending = run.send(rate=rate, count=int(rate * STEP_SECONDS), profile="small", is_prepared=True)
    sending.wait_sent(STEP_SECONDS * 15)
    return step(sending.answers())


@pytest.mark.timeout(600)
@pytest.mark.scenario("A-03", tier=2)
def test_what_is_more_than_it_can_do_is_shed_and_nothing_stalls(tmp_path: Path, database_url: str) -> None:
    with proving("A-03", tmp_path, database_url, prefix=ONE_CORE, drained_seconds=180) as run:
        steady = run.send(rate=STEADY_RATE, profile="small")
        steady.wait_acknowledged(STEADY_RATE)
        steps = [stepped(run, rate) for rate in STEPS]
        ended = time.monotonic()
        steady.wait_acknowledged(STEADY_RATE * AFTER_SECONDS)
        recovered = [each for each in steady.answers() if each.due > ended + RECOVERY_SECONDS]
        refused = counted(run.server, "errhouse_requests_total", reason="busy", status="503")
    knee = max(each.good for each in steps)
    above = [each for each in steps if each.sent > knee]
    report(
        f"A-03 knee {knee:.0f}/s; {'; '.join(each.line() for each in steps)}; "
        f"{RECOVERY_SECONDS:g} s after it at most {max(each.waited for each in recovered) * 1e3:.0f} ms"
    )
    assert above, "the sender is not fast enough for this machine"
    assert set().union(*(each.statuses for each in steps)) <= {200, 503, GIVEN_UP}
    assert 0 < run.verdict.refused <= refused
    assert all(each.good >= LEAST_GOOD * knee for each in above)
    assert all(each.late <= MOST_LATE * each.statuses.total() for each in above)
    assert all(each.is_acknowledged for each in recovered)


@contextmanager
def webhooks(run: Run) -> Iterator[list[int]]:
    """Send webhooks of an issue, each by a connection of its own as Sentry does; give their statuses as they come."""
    secret = (run.server.data_dir / "webhook_secret").read_text().strip()
    statuses: list[int] = []
    is_over = threading.Event()

    async def one(number: int) -> None:
        project = {"id": "1", "slug": "shop"}
        issue = {"id": str(number), "title": "Broken", "level": "error", "status": "unresolved", "project": project}
        body = json.dumps({"action": "created", "installation": {"uuid": "u"}, "data": {"issue": issue}}).encode()
        headers = {**signed(body, secret, "issue"), "Host": "h", "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        status, writer = CUT, None
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                reader, writer = await asyncio.open_connection("127.0.0.1", run.server.port)
                with suppress(OSError):
                    writer.write(f"POST /hooks/sentry HTTP/1.1\r\n{head}\r\n".encode() + body)
                    status = int((await reader.readline()).split(b" ")[1])
        except TimeoutError:
            status = GIVEN_UP
        finally:
            statuses.append(status)
            if writer is not None:
                writer.close()

    async def send() -> None:
        begun, number = time.monotonic(), 0
        async with asyncio.TaskGroup() as sent:
            while not is_over.is_set():
                number += 1
                sent.create_task(one(number))
                await asyncio.sleep(begun + number / WEBHOOK_RATE - time.monotonic())

    sender = threading.Thread(target=asyncio.run, args=(send(),))
    sender.start()
    try:
        yield statuses
    finally:
        is_over.set()
        sender.join()


@pytest.mark.timeout(300)
@pytest.mark.scenario("A-03", tier=2)
def test_webhooks_are_answered_in_time_beside_more_than_it_can_do_by_senders_that_keep_their_connections(
    tmp_path: Path, database_url: str
) -> None:
    with proving("A-03", tmp_path, database_url, prefix=ONE_CORE, drained_seconds=180) as run:
        crowd = run.send(rate=CROWD_RATE, count=CROWD_RATE * CROWD_SECONDS, profile="small", is_prepared=True)
        crowd.wait_acknowledged(1)
        with webhooks(run) as statuses:
            crowd.wait_sent(CROWD_SECONDS * 15)
    told = Counter(statuses)
    report(f"A-03 beside {step(crowd.answers()).line()}: webhooks {dict(told)}")
    assert run.verdict.refused > 0
    assert told[200] >= LEAST_WEBHOOKS * told.total()
