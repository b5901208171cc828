"""The classic case: Sentry's legacy webhook comes in, and a message to Slack goes out; and how long that takes."""

import json
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import warehouse
from tests.support.builders import auth, event
from tests.support.server import Server, errhouse, serving
from tests.support.wait import until
from tests.support.webhooks import Inbox, inbox

WITHIN = 60
MESSAGES = 100
CLASSIC = {
    "id": "1170820015",
    "project": "sample-backend",
    "project_name": "Sample backend",
    "project_slug": "sample-backend",
    "level": "error",
    "culprit": "shop.views in pay",
    "message": "payment of <!channel> took 12 s",
    "url": "https://sentry.example.com/organizations/example/issues/1170820015/",
    "triggering_rules": ["Send a notification for new issues"],
}


@pytest.fixture
def served(tmp_path: Path, database_url: str) -> Iterator[tuple[Server, Inbox]]:
    with serving(tmp_path / "data", database_url) as server, inbox() as found:
        yield server, found


def command(server: Server, url: str, *words: str) -> Any:
    done = errhouse(*words, data_dir=server.data_dir, database_url=url)
    assert done.returncode == 0, done.stderr
    return done


def legacy() -> dict[str, Any]:
    now = datetime.now(UTC)
    told = {
        "event_id": "7c1e8d3c0a5b4f6d9e2f1a0b9c8d7e6f",
        "project": 9_000_000_003,
        "platform": "python",
        "level": "error",
        "environment": "production",
        "release": "shop@1.2.3",
        "timestamp": now.timestamp(),
        "exception": {"values": [{"type": "TimeoutError", "value": "payment of <!channel> took 12 s"}]},
    }
    return {**CLASSIC, "event": told}


def test_a_legacy_webhook_comes_in_and_a_slack_message_goes_out(
    served: tuple[Server, Inbox], database_url: str
) -> None:
    server, found = served
    command(server, database_url, "target", "add", "chat", "--channel", "slack", "--url", found.url, "--allow-private")
    command(server, database_url, "rule", "add", "new", "--when", "new_issue", "--target", "chat")
    hook = json.loads(command(server, database_url, "hook", "add", "classic", "--json").stdout)
    sent = httpx.post(server.url + hook["path"], json=legacy(), timeout=10, trust_env=False)
    assert sent.status_code == 200, sent.text
    until(lambda: found.bodies, WITHIN, "Slack is told")
    (body,) = found.bodies
    told = json.dumps(body, ensure_ascii=False)
    for words in (
        "sample-backend",
        "shop.views in pay",
        "TimeoutError",
        "payment of &lt;!channel&gt; took 12 s",
        "error",
        f"<{CLASSIC['url']}|",
    ):
        assert words in told, (words, told)
    assert "<!channel>" not in told
    until(lambda: warehouse.value(database_url, "select status from warehouse.outbox") == "sent", WITHIN, "it is sent")
    # the same webhook again is the same event: nobody is told twice
    assert httpx.post(server.url + hook["path"], json=legacy(), timeout=10, trust_env=False).status_code == 200
    warehouse.loaded(server)
    assert len(found.bodies) == 1


def test_a_message_goes_out_seconds_after_the_row_is_committed(served: tuple[Server, Inbox], database_url: str) -> None:
    server, found = served
    add = ("target", "add", "chat", "--channel", "slack", "--url", found.url, "--allow-private")
    command(server, database_url, *add, "--most-per-minute", "1000")
    command(server, database_url, "rule", "add", "new", "--when", "new_issue", "--target", "chat")
    project_id, key = warehouse.first_project(database_url)
    with httpx.Client(base_url=server.url, timeout=10, trust_env=False) as client:
        for number in range(MESSAGES):
            one = event(fingerprint=[f"delay-{number}"])
            assert client.post(f"/api/{project_id}/store/", json=one, headers=auth(key)).status_code == 200
            time.sleep(0.1 + 0.013 * (number % 7))  # events come at all times of a second
    until(lambda: len(found.bodies) >= MESSAGES, WITHIN, "everything is told")
    loaded = {
        row["event_id"].hex: row["loaded_at"].timestamp()
        for row in warehouse.rows(database_url, "select event_id, loaded_at from warehouse.fact_event")
    }
    events = [
        row["event_id"]
        for row in warehouse.rows(
            database_url,
            "select m.message->'about_event'->>'event_id' as event_id from warehouse.outbox m "
            "join warehouse.delivery d using (message_id) where d.outcome = 'delivered' order by d.ended_at",
        )
    ]
    assert len(events) == len(set(events)) == MESSAGES
    ended = [
        row["ended_at"].timestamp()
        for row in warehouse.rows(database_url, "select ended_at from warehouse.delivery order by ended_at")
    ]
    delays = sorted(at - loaded[each] for each, at in zip(events, ended, strict=True))
    p50, p95 = statistics.median(delays), delays[int(len(delays) * 0.95) - 1]
    print(f"from row committed to message sent: p50 {p50:.2f} s, p95 {p95:.2f} s, most {delays[-1]:.2f} s")
    assert p95 <= 5
