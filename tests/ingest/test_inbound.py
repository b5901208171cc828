"""What receivers write down of what they were asked, by real HTTP: enough to see why, and nothing that is secret."""

import hmac
import json
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ingest.inbound import log as inbound_log
from ingest.inbound import masked
from ingest.inbound.log import InboundLog, Seen
from ingest.inbound.reading import Chosen, Following, Found, recent
from ingest.records import Door
from models.answers import answers_of_day
from tests.support.builders import PUBLIC_KEY
from tests.support.receiver import HOOK_KEY, SECRET, receiving
from tests.support.wait import until

HOSTILE = "<script>alert(1)</script>\u202e"
EVENT_ID = "0123456789abcdef0123456789abcdef"
ALL = Chosen()


def written(data_dir: Path, count: int, chosen: Chosen = ALL) -> Found:
    until(lambda: len(recent(data_dir, chosen, 1000).requests) >= count, 10, f"{count} requests are written down")
    return recent(data_dir, chosen, 1000)


def signed(body: bytes) -> str:
    return hmac.new(SECRET.encode(), body, sha256).hexdigest()


def test_a_request_is_written_down_with_its_form_event_and_outcome(tmp_path: Path) -> None:
    with receiving(tmp_path) as running:
        body = json.dumps({"action": "created", "data": {"error": {"event_id": EVENT_ID, "project": 7}}}).encode()
        headers = {"sentry-hook-resource": "error", "sentry-hook-signature": signed(body), "user-agent": "Sentry/1"}
        assert running.client.post("/hooks/sentry", content=body, headers=headers).status_code == 200
        (one,) = written(tmp_path, 1).requests
    assert (one.door, one.form, one.status, one.reason) == ("hook", "error", 200, "")
    assert (one.project_id, one.event_id, one.bytes) == (7, EVENT_ID, len(body))
    assert one.sha256 == sha256(body).hexdigest()[:12]
    assert (one.sender, one.agent, one.path) == ("127.0.0.1", "Sentry/1", "/hooks/sentry")
    assert 0 < one.ms < 900


def test_what_was_refused_says_why_and_holds_no_key_signature_or_body(tmp_path: Path) -> None:
    canary = "a-body-nobody-may-read"
    with receiving(tmp_path) as running:
        post = running.client.post
        post("/hooks/sentry", content=canary, headers={"sentry-hook-signature": "f" * 64})
        post(f"/hooks/sentry/{HOOK_KEY}", content=canary)
        post(f"/hook/sentry/{HOOK_KEY}?token=query-canary", content=canary)
        post("/", content=canary)
        post(f"/api/42/envelope/?sentry_key={PUBLIC_KEY}", content=canary, headers={"authorization": "auth-canary"})
        running.client.get("/hooks/sentry")
        found = {one.path: one for one in written(tmp_path, 6).requests if one.method == "POST"}
        told = b"".join(path.read_bytes() for path in (tmp_path / "deliveries").iterdir()).decode()
    assert found["/hooks/sentry"].reason == "bad_signature"
    assert (found["/hooks/sentry/a-ho…"].door, found["/hooks/sentry/a-ho…"].reason) == ("legacy", "not_json")
    assert (found["/hook/sentry/a-ho…"].status, found["/hook/sentry/a-ho…"].reason) == (404, "wrong_path")
    assert (found["/"].status, found["/"].door) == (404, "none")
    assert found["/api/42/envelope/"].project_id == 42
    for secret in (canary, HOOK_KEY, "f" * 64, PUBLIC_KEY, "query-canary", "auth-canary", SECRET):
        assert secret not in told


def test_a_hostile_sender_writes_one_line_of_text_whatever_it_sends(tmp_path: Path) -> None:
    with receiving(tmp_path) as running:
        headers: Any = {"user-agent": b"A" * 500, "sentry-hook-resource": HOSTILE.encode() + b"x" * 500}
        running.client.post("/hooks/%3Cscript%3E%07%1B%5B2J", content="{}", headers=headers)
        running.client.post("/hooks/sentry", content="{}", headers=headers)
        found = written(tmp_path, 2).requests
        lines = (tmp_path / "deliveries" / "1.ndjson").read_bytes().splitlines()
    assert len(lines) == 2
    assert all(len(one.agent) == 80 and len(one.form) <= 60 for one in found)
    assert {one.path for one in found} == {"/hooks/sentry", "/hooks/<script>\\u0007\\u001b[2J"}


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/hooks/sentry/0123456789abcdef0123456789abcdef", "/hooks/sentry/0123…"),
        ("/api/4504000000000000/envelope/", "/api/4504000000000000/envelope/"),
        ("/" + "a/" * 400, ("/" + "a/" * 400)[:120]),
        ("/x" + "y" * 100_000, "/xyyy…"),
    ],
)
def test_words_of_a_path_that_may_be_keys_are_cut(path: str, told: str) -> None:
    assert masked(path) == told


def noted(log: InboundLog, count: int, status: int = 200, seconds: float = 0.001, body: bytes = b"{}") -> None:
    seen = Seen()
    seen.body, seen.raw_bytes = body, len(body)
    for _ in range(count):
        log.answered(Door.HOOK, "POST", "/hooks/sentry", {}, "203.0.113.9", status, "", seconds, seen)


def test_only_so_many_a_second_are_written_and_the_rest_is_counted(tmp_path: Path) -> None:
    log = InboundLog(tmp_path, "0", lambda: 1_790_000_000.5)
    log.start()
    noted(log, 5000)
    noted(log, 150, status=401)
    noted(log, 30, seconds=1.2)
    log.close()
    found = recent(tmp_path, ALL, 10_000)
    assert len(found.requests) == 100 + 150 + 30
    assert found.left_out == 4900
    assert len(recent(tmp_path, Chosen(is_slow=True), 100).requests) == 30
    assert len(recent(tmp_path, Chosen(status="4xx"), 1000).requests) == 150
    day = answers_of_day(tmp_path, datetime.fromtimestamp(1_790_000_000, UTC))
    assert (day.answer_count, day.by_status) == (5180, {"2xx": 5030, "4xx": 150})
    assert (day.slow_count, day.webhook_timed_out_count, day.budget_left) == (30, 30, 970)


def test_counts_of_a_day_go_on_after_a_restart_and_end_after_a_day(tmp_path: Path) -> None:
    at = 1_790_000_000.0
    for hours in (0, 1, 30, 30.5):
        log = InboundLog(tmp_path, "0", lambda moment=at + hours * 3600: moment)  # type: ignore[misc]
        log.start()
        noted(log, 10, seconds=1.5)
        log.close()
    told = [answers_of_day(tmp_path, datetime.fromtimestamp(at + 3600 * hours, UTC)) for hours in (1, 30.5, 100)]
    assert [day.timed_out_count for day in told] == [40, 20, 0]


def test_two_files_of_bounded_size_are_kept_and_followed_across_the_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbound_log, "FILE_BYTES", 4000)
    seconds = iter(range(10**9, 10**9 + 100_000))
    log = InboundLog(tmp_path, "0", lambda: float(next(seconds)))
    log.start()
    noted(log, 1)
    written(tmp_path, 1)
    following = Following(tmp_path)
    heard = 0
    for _ in range(4):
        noted(log, 15)
        before = heard

        def came(before: int = before) -> bool:
            nonlocal heard
            heard += len(following.more(ALL))
            return heard == before + 15

        until(came, 10, "all that came is heard once")
    log.close()
    assert sum(path.stat().st_size for path in (tmp_path / "deliveries").glob("*.ndjson")) < 2 * 8000
    assert heard == 60


def test_an_answer_waits_for_no_disk_and_pays_next_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "deliveries").write_text("a file where the folder should be")
    log = InboundLog(tmp_path, "0")
    log.start()
    begun = time.perf_counter()
    noted(log, 20_000)
    cost = (time.perf_counter() - begun) / 20_000
    log.close()
    assert cost < 50e-6, "a few microseconds, and room for a busy machine"
    assert recent(tmp_path, ALL, 10).requests == []


def test_no_line_stays_for_more_than_thirty_days(tmp_path: Path) -> None:
    now = time.time()
    log = InboundLog(tmp_path, "0", lambda: now)
    gone = InboundLog(tmp_path, "1", lambda: now)  # of a receiver that is not there later on
    for each in (log, gone):
        noted(each, 1)
        each._write()
    assert len(recent(tmp_path, ALL, 10).requests) == 2
    for days, left in ((14, 2), (16, 1)):
        now = time.time() + days * 86_400
        log._tell_hours()
        assert len(recent(tmp_path, ALL, 10).requests) == left
    assert (tmp_path / "deliveries" / "0.1.ndjson").exists()
    noted(log, 1)
    log._write()
    log._tell_hours()
    found = recent(tmp_path, ALL, 10).requests
    assert [round(one.at_us / 1e6 - now) for one in found] == [0]
