"""Scenario F-09: two hundred large bodies at once, of senders without a right, beside honest ones."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

from tests.proof.lines import report
from tests.support import warehouse
from tests.support.builders import auth, event, signed
from tests.support.most import Most
from tests.support.server import serving

MIB = 1024 * 1024
AT_ONCE = 200
LOOK_SECONDS = 0.01
BODY = b'{"data":"' + b"a" * (8 * MIB) + b'"}'
MOST_GROWTH_BYTES = 300 * MIB


def sent(port: int, together: threading.Barrier) -> int:
    """Send a large body with a wrong signature; gives the status, 0 where the connection was cut while sending."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {**signed(b"", "guessed"), "Content-Length": str(len(BODY))}
    try:
        connection.connect()
        together.wait(60)
        connection.request("POST", "/hooks/sentry", BODY, headers)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


@pytest.mark.scenario("F-09")
def test_many_large_bodies_are_refused_in_bounded_memory_beside_honest_ones(tmp_path: Path, database_url: str) -> None:
    with serving(tmp_path / "data", database_url) as server:
        project_id, key = warehouse.first_project(database_url)
        receiver = server.receiver()
        honest: list[float] = []
        honest_answers: Counter[int] = Counter()
        is_over = threading.Event()

        def be_honest() -> None:
            with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client:
                while not is_over.is_set():
                    begun = time.perf_counter()
                    answer = client.post(f"/api/{project_id}/store/", json=event(), headers=auth(key))
                    honest_answers[answer.status_code] += 1
                    honest.append(time.perf_counter() - begun)

        beside = threading.Thread(target=be_honest)
        beside.start()
        together = threading.Barrier(AT_ONCE)
        before = receiver.memory_info().rss
        try:
            with Most(lambda: receiver.memory_info().rss, LOOK_SECONDS) as watch, ThreadPoolExecutor(AT_ONCE) as pool:
                statuses = Counter(pool.map(lambda _: sent(server.port, together), range(AT_ONCE)))
        finally:
            is_over.set()
            beside.join()
        busy = 'errhouse_requests_total{door="hook",reason="busy",status="503"}'
        counted = httpx.get(f"{server.url}/metrics", trust_env=False).text
        growth = watch.most - before
        times = sorted(honest)
        report(
            f"F-09 pass bodies {AT_ONCE} statuses {dict(statuses)} growth {growth / MIB:.0f} MB "
            f"honest {dict(honest_answers)} p99 {times[int(0.99 * (len(times) - 1))] * 1e3:.0f} ms"
        )
        # A disk that 1.6 GB of others keep from answering in time is told as 503, and the sender comes again.
        assert set(honest_answers) <= {200, 503}
        assert honest_answers[200] > 0.9 * honest_answers.total()
        assert set(statuses) <= {0, 401, 503}
        assert statuses[401] > 0
        assert busy in counted
        assert growth < MOST_GROWTH_BYTES
        assert receiver.is_running()
