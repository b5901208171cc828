"""One request in, one answer out, over real HTTP into a real spool: what is answered, and what is kept."""

import gc
import gzip
import json
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.errors import Reason
from ingest.receive import PROBE
from ingest.records import Door
from ingest.spool.disk import Disk
from tests.support.builders import PUBLIC_KEY, auth, envelope, event, signed
from tests.support.receiver import HOOK_KEY, OLD_SECRET, SECRET, Running, receiving
from tests.support.wait import until

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with receiving(tmp_path_factory.mktemp("receive") / "data") as found:
        yield found


def alert() -> bytes:
    one = {**event(), "project": 42}
    return json.dumps({"action": "triggered", "installation": {"uuid": "u"}, "data": {"event": one}}).encode()


def test_a_signed_webhook_is_accepted_and_kept_as_it_came(running: Running) -> None:
    for secret in (SECRET, OLD_SECRET):
        body = alert()
        answer = running.client.post("/hooks/sentry", content=body, headers=signed(body, secret, "event_alert"))
        assert (answer.status_code, answer.json()) == (200, {"accepted": 1})
        kept = running.last()
        assert (kept.door, kept.body, kept.project_id, kept.refused) == (Door.HOOK, body, None, None)
        assert kept.headers["sentry-hook-resource"] == "event_alert"
        assert "sentry-hook-signature" not in kept.headers


@pytest.mark.parametrize("change", ["none", "other secret", "other body", "empty"])
def test_a_webhook_without_the_right_signature_leaves_nothing_behind(running: Running, change: str) -> None:
    body, before = alert(), len(running.kept())
    headers = signed(body + b" " if change == "other body" else body, "guess" if change == "other secret" else SECRET)
    if change == "none":
        del headers["Sentry-Hook-Signature"]
    if change == "empty":
        headers["Sentry-Hook-Signature"] = ""
    answer = running.client.post("/hooks/sentry", content=body, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (401, "bad_signature")
    assert len(running.kept()) == before


def test_what_the_doctor_asks_is_checked_and_not_kept(running: Running) -> None:
    body, before = alert(), len(running.kept())
    for secret, status in ((SECRET, 200), ("guess", 401)):
        headers = {**signed(body, secret, "event_alert"), PROBE: "1"}
        assert running.client.post("/hooks/sentry", content=body, headers=headers).status_code == status
    assert len(running.kept()) == before


def test_a_legacy_hook_is_known_by_its_address(running: Running) -> None:
    answer = running.client.post(f"/hooks/sentry/{HOOK_KEY}", content=b'{"project": "shop"}')
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1})
    assert running.last().door is Door.LEGACY
    assert running.client.post(f"/hooks/sentry/{HOOK_KEY}x", content=b"{}").status_code == 401
    assert HOOK_KEY not in repr(running.last())


@pytest.mark.parametrize(("body", "reason"), [(b"", "empty_body"), (b" \n", "empty_body"), (b"{", "not_json")])
def test_an_authentic_body_that_is_no_payload_is_a_400_and_kept(running: Running, body: bytes, reason: str) -> None:
    for path, headers in (("/hooks/sentry", signed(body, SECRET)), (f"/hooks/sentry/{HOOK_KEY}", {})):
        answer = running.client.post(path, content=body, headers=headers)
        assert (answer.status_code, answer.json()["reason"], answer.headers["x-sentry-error"]) == (400, reason, reason)
        assert (running.last().body, running.last().refused) == (body, Reason(reason))


def test_an_sdk_is_answered_the_id_of_its_event(running: Running) -> None:
    one = event()
    for path, body in (("/api/42/envelope/", envelope(one)), ("/api/42/store/", json.dumps(one).encode())):
        answer = running.client.post(path, content=body, headers=auth())
        assert (answer.status_code, answer.json()) == (200, {"id": one["event_id"]})
        assert (running.last().body, running.last().project_id, running.last().peer) == (body, 42, "127.0.0.1")


def test_an_event_without_an_id_is_told_the_one_its_row_will_have(running: Running) -> None:
    body = json.dumps(event(event_id=None)).encode()
    answers = [running.client.post("/api/42/store/", content=body, headers=auth()).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(answers[0]["id"]) == 32


@pytest.mark.parametrize(
    ("path", "headers", "status", "reason"),
    [
        ("/api/42/store/", {}, 401, "missing_key"),
        ("/api/42/envelope/", {}, 401, "missing_key"),
        ("/api/42/store/", auth("f" * 32), 403, "unknown_key"),
        ("/api/42/store/", auth("0" * 32), 403, "wrong_project"),
        ("/api/7/envelope/", auth(), 403, "wrong_project"),
        ("/api/42/store/", {**auth(), "Content-Encoding": "snappy"}, 415, "unsupported_encoding"),
    ],
)
def test_who_has_no_right_is_told_so_and_leaves_nothing_behind(
    running: Running, path: str, headers: dict[str, str], status: int, reason: str
) -> None:
    before = len(running.kept())
    body = json.dumps(event()).encode() if "store" in path else envelope(event())
    answer = running.client.post(path, content=body, headers=headers)
    assert (answer.status_code, answer.json()["reason"], answer.headers["x-sentry-error"]) == (status, reason, reason)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert len(running.kept()) == before


def test_a_key_may_stand_in_query_and_envelope_too(running: Running) -> None:
    dsn = f"https://{PUBLIC_KEY}@errhouse.example.com/42"
    assert running.client.post("/api/42/envelope/", content=envelope(event(), dsn)).status_code == 200
    assert (
        running.client.post(f"/api/42/envelope/?sentry_key={PUBLIC_KEY}", content=envelope(event())).status_code == 200
    )
    other = f"https://{PUBLIC_KEY}@errhouse.example.com/7"
    assert running.client.post("/api/42/envelope/", content=envelope(event(), other)).status_code == 403


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"event_id": "x"}'])
def test_a_store_body_that_is_no_event_is_a_400_and_kept(running: Running, body: bytes) -> None:
    answer = running.client.post("/api/42/store/", content=body, headers=auth())
    assert answer.status_code == 400
    assert (running.last().body, running.last().refused) == (body, answer.json()["reason"])


def test_a_body_whose_encoding_is_broken_is_a_400_and_kept_as_it_came(running: Running) -> None:
    packed = gzip.compress(json.dumps(event()).encode())[:-9]
    answer = running.client.post("/api/42/store/", content=packed, headers={**auth(), "Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["reason"]) == (400, "bad_encoding")
    assert (running.last().body, running.last().refused) == (packed, Reason.BAD_ENCODING)
    before = len(running.kept())
    headers = {**signed(packed, "guess"), "Content-Encoding": "gzip"}
    assert running.client.post("/hooks/sentry", content=packed, headers=headers).status_code in {400, 401}
    assert len(running.kept()) == before


def test_a_signature_is_over_the_bytes_as_sent_and_the_spool_holds_them_decoded(running: Running) -> None:
    body = alert()
    packed = gzip.compress(body)
    headers = {**signed(packed, SECRET, "event_alert"), "Content-Encoding": "gzip"}
    assert running.client.post("/hooks/sentry", content=packed, headers=headers).status_code == 200
    assert running.last().body == body


def test_a_body_that_is_too_large_as_sent_or_decoded_is_a_413(running: Running) -> None:
    large = json.dumps(event(extra={"x": "y" * 100_000})).encode()
    for content in (large, iter([large[:50_000], large[50_000:]])):
        answer = running.client.post("/api/42/store/", content=content, headers=auth())
        assert (answer.status_code, answer.json()["reason"]) == (413, "too_large")
    bomb = gzip.compress(b'{"a": "' + b" " * 3 * MIB + b'"}')
    answer = running.client.post("/api/42/store/", content=bomb, headers={**auth(), "Content-Encoding": "gzip"})
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"


def test_what_is_no_error_is_accepted_and_not_wanted_again(running: Running) -> None:
    body = b'{}\n{"type":"session"}\n{}\n'
    answer = running.client.post("/api/42/envelope/", content=body, headers=auth())
    assert (answer.status_code, answer.json()) == (200, {})
    assert "session" in answer.headers["x-sentry-rate-limits"]
    assert ":error" not in answer.headers["x-sentry-rate-limits"]
    assert running.last().body == body


def test_a_browser_may_send_from_anywhere_and_asks_first(running: Running) -> None:
    for door in ("envelope", "store"):
        answer = running.client.options(f"/api/42/{door}/", headers={"Origin": "https://shop.example.com"})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "x-sentry-auth" in answer.headers["access-control-allow-headers"]
        assert answer.headers["access-control-allow-methods"] == "POST"


@pytest.mark.parametrize("path", ["/hooks/sentry", f"/hooks/sentry/{HOOK_KEY}", "/api/42/store/", "/api/42/envelope/"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
def test_every_other_method_is_told_to_post(running: Running, path: str, method: str) -> None:
    answer = running.client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_no_path_redirects_and_what_is_nowhere_is_a_404(running: Running) -> None:
    for path in ("/api/42/envelope", "/api/42/store", "/sentry//api//42//store/"):
        body = envelope(event()) if "envelope" in path else json.dumps(event()).encode()
        assert running.client.post(path, content=body, headers=auth()).status_code == 200
    for path in ("/api/42/minidump/", "/hooks", "/api/x/store/", "/healthz/"):
        assert running.client.post(path, content=b"{}", headers=auth()).status_code == 404


def test_headers_that_matter_are_kept_and_cut_and_no_other(running: Running) -> None:
    told = {
        **auth(),
        "User-Agent": "a" * 5000,
        "Cookie": "secret",
        "Authorization": "secret",
        "Request-ID": "r1",
    }
    body = json.dumps(event()).encode()
    assert running.client.post("/api/42/store/", content=body, headers=told).status_code == 200
    kept = running.last().headers
    assert kept["user-agent"] == "a" * 500
    assert kept["request-id"] == "r1"
    assert "secret" not in repr(running.last())
    assert PUBLIC_KEY not in repr(kept)


def test_health_says_that_it_lives_and_that_no_loader_is_there(running: Running) -> None:
    assert running.client.get("/healthz").json() == {"status": "ok"}
    answer = running.client.get("/readyz")
    assert answer.status_code == 503
    told = answer.json()
    assert "the loader does not answer" in told["reasons"]
    assert told["spool_events"] == len(running.kept())
    assert {"spool_events", "oldest_seconds", "loaded_total", "set_aside_total", "database"} <= told.keys()


def test_a_spool_that_is_full_is_a_503_that_says_when_to_come_again(tmp_path: Path) -> None:
    with receiving(tmp_path / "data", SPOOL_MAX_BYTES=MIB) as running:
        body = json.dumps(event(extra={"x": "y" * 60_000})).encode()
        answers = [running.client.post("/api/42/store/", content=body, headers=auth()) for _ in range(30)]
        codes = [answer.status_code for answer in answers]
        assert codes == sorted(codes)
        assert set(codes) == {200, 503}
        assert answers[-1].json()["reason"] == "spool_full"
        assert answers[-1].headers["retry-after"] == "10"
        assert len(running.kept()) == codes.count(200)


@pytest.mark.scenario("A-05")
def test_a_disk_that_does_not_answer_in_time_is_a_503_and_what_was_sent_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_well = threading.Event()
    sync = Disk.sync
    with receiving(tmp_path / "data", ACK_DEADLINE_SECONDS=0.2) as running:
        monkeypatch.setattr(Disk, "sync", lambda disk, fd: sync(disk, fd) if is_well.wait(10) else None)
        answer = running.client.post("/api/42/store/", content=json.dumps(event()).encode(), headers=auth())
        is_well.set()
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        until(running.kept, 20, "the event is kept all the same")


def test_what_is_refused_is_let_go_at_once_and_not_when_cycles_are_looked_for(running: Running) -> None:
    rest = b"x" * 30_000
    sent = [
        ("/hooks/sentry", rest, signed(rest, SECRET)),
        (f"/hooks/sentry/{HOOK_KEY}", rest, {}),
        ("/api/42/store/", rest, auth()),
        ("/api/42/envelope/", b"{}\n" + rest, auth()),
        ("/api/42/envelope/", b'{}\n{"type":"event"}\n' + rest, auth()),
        ("/api/42/envelope/", gzip.compress(b"{}") + rest, {**auth(), "Content-Encoding": "gzip"}),
    ]
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for path, body, headers in sent * 10:
            assert running.client.post(path, content=body, headers=headers).status_code == 400
        # the log of requests has each of them until it is written
        until(lambda: _held_bytes(len(rest)) < 12 * len(rest), 10, "bodies that were refused are let go")
    finally:
        tracemalloc.stop()
        gc.enable()


def _held_bytes(least: int) -> int:
    return sum(each.size for each in tracemalloc.take_snapshot().traces if each.size > least)
