"""Ten thousand new issues within a minute: few messages, and senders do not notice."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.support import warehouse
from tests.support.builders import auth, event
from tests.support.server import Server, errhouse, serving
from tests.support.wait import until
from tests.support.webhooks import inbox

ISSUES = 10_000
QUIET = 500
SENDERS = 4
MOST_PER_MINUTE = 20
WITHIN = 180


def answered(server: Server, url: str, names: list[str]) -> list[float]:
    """Send an event of a new issue for each name, over one connection; give the seconds of each answer."""
    project_id, key = warehouse.first_project(url)
    took = []
    with httpx.Client(base_url=server.url, timeout=10, trust_env=False) as client:
        for name in names:
            begun = time.perf_counter()
            sent = client.post(f"/api/{project_id}/store/", json=event(fingerprint=[name]), headers=auth(key))
            took.append(time.perf_counter() - begun)
            assert sent.status_code == 200, sent.text
    return took


def told(words: str, took: list[float]) -> None:
    took = sorted(took)
    p50, p99 = (round(took[int(len(took) * part)] * 1000, 1) for part in (0.5, 0.99))
    print(f"{words}: {len(took)} answers, p50 {p50} ms, p99 {p99} ms, slowest {took[-1] * 1000:.0f} ms")


def test_a_storm_of_new_issues_makes_few_messages_and_no_sender_waits(tmp_path: Path, database_url: str) -> None:
    with inbox() as found, serving(tmp_path / "data", database_url) as server, ThreadPoolExecutor(SENDERS) as pool:
        deltas = "select count(*) from warehouse.rollup_delta"
        quiet = answered(server, database_url, [f"before {number}" for number in range(QUIET)])
        warehouse.loaded(server)
        # a rule tells of what is folded after it was made, so the quiet ones are folded before
        until(lambda: not warehouse.value(database_url, deltas), WITHIN, "the quiet ones are folded")
        for words in (
            ("target", "add", "chat", "--channel", "slack", "--url", found.url, "--allow-private"),
            ("rule", "add", "new", "--when", "new_issue", "--target", "chat"),
        ):
            done = errhouse(*words, data_dir=server.data_dir, database_url=database_url)
            assert done.returncode == 0, done.stderr
        begun = time.monotonic()
        parts = [[f"storm {number}" for number in range(part, ISSUES, SENDERS)] for part in range(SENDERS)]
        storm = [each for took in pool.map(lambda names: answered(server, database_url, names), parts) for each in took]
        seconds = time.monotonic() - begun
        told("before the storm", quiet)
        told(f"in a storm of {seconds:.0f} s", storm)
        warehouse.loaded(server)
        left = "select count(*) from warehouse.outbox where status in ('waiting', 'sending')"
        fed = "select count(*) from warehouse.alert_feed"

        def is_over() -> bool:
            return not any(warehouse.value(database_url, question) for question in (deltas, fed, left))

        until(is_over, WITHIN, "everything is told")
        minutes = int((time.monotonic() - begun) / 60) + 2  # those that the storm has touched
    assert warehouse.value(database_url, "select count(*) from analytics.events") == ISSUES + QUIET
    assert max(storm) < 1
    rows = warehouse.value(database_url, "select count(*) from warehouse.outbox")
    assert rows == len(found.bodies)
    assert len(found.bodies) <= minutes * (MOST_PER_MINUTE + 1)
    digests = "select count(*) from warehouse.outbox where kind = 'digest'"
    assert 1 <= warehouse.value(database_url, digests) <= minutes
    told_issues = warehouse.value(database_url, "select count(distinct key) from warehouse.outbox where kind = 'alert'")
    held = warehouse.value(
        database_url,
        "select sum((regexp_match(message ->> 'title', '([0-9,]+)'))[1]::text::numeric) from "
        "(select jsonb_build_object('title', replace(message ->> 'title', ',', '')) as message "
        "from warehouse.outbox where kind = 'digest') d",
    )
    assert told_issues + held == ISSUES
