"""`errhouse inspect`, by real HTTP: what it says of right and wrong requests, and that all of it stays text."""

import gzip
import hmac
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest import samples
from ingest.inspector.looking import verdict
from tests.support.server import command, environment, free_port
from tests.support.wait import until

SECRET = "the-client-secret"
RIGHTS = samples.Rights(SECRET, "a-hook-key-of-many-letters", "b" * 32, 17)
HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>"


class Inspecting:
    """A running `errhouse inspect --json`."""

    def __init__(self, url: str, out: Path) -> None:
        self.client = httpx.Client(base_url=url, trust_env=False, timeout=20)
        self._out = out

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._out.read_text().split("\n")[:-1]]  # the last is being written

    def post(self, path: str, content: Any, headers: dict[str, Any] | None = None) -> tuple[httpx.Response, Any]:
        before = len(self.lines())
        answer = self.client.post(path, content=content, headers=headers)
        until(lambda: len(self.lines()) == before + 1, 10, "the request is told")
        return answer, self.lines()[-1]

    def sample(self, form: str) -> tuple[httpx.Response, Any]:
        sent = samples.delivery(form, RIGHTS, "0" * 31 + "7", datetime(2026, 11, 24, tzinfo=UTC))
        return self.post(sent.path, sent.body, sent.headers)


@contextmanager
def inspecting(folder: Path, *words: str, told: bool = True) -> Iterator[Inspecting]:
    port, out = free_port(), folder / "out"
    given = [*command(), "inspect", "--port", str(port), *(["--json"] if told else []), *words]
    env = environment(ERRHOUSE_DATA_DIR=str(folder / "never made"), COLUMNS="160")
    with out.open("wb") as file, subprocess.Popen(given, stdout=file, stderr=subprocess.STDOUT, env=env) as process:
        made = Inspecting(f"http://127.0.0.1:{port}", out)
        try:
            until(lambda: answers(made), 30, "it answers")
            yield made
        finally:
            process.terminate()
            process.wait(10)
            made.client.close()
    assert not (folder / "never made").exists()


def answers(made: Inspecting) -> bool:
    try:
        return made.client.get("/healthz").status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inspecting]:
    with inspecting(tmp_path_factory.mktemp("inspect"), "--secret", SECRET) as made:
        yield made


@pytest.mark.parametrize("form", samples.SAMPLES)
def test_every_form_is_recognised_verified_and_answered_as_by_the_service(inspector: Inspecting, form: str) -> None:
    answer, told = inspector.sample(form)
    assert (answer.status_code, told["status"], told["form"]) == (200, 200, form)
    if form in ("envelope", "store"):
        assert answer.json() == {"id": "0" * 31 + "7"}
        assert "in the header x-sentry-auth: key bbbb…, sent by sentry.python" in told["dsn"]
        assert told["encoding"] == "gzip, undone"
    elif form == "legacy_plugin":
        assert told["path"] == "/hooks/sentry/a-ho…"
    else:
        assert told["signature"] == "right"
    assert told["would"]
    if form in ("error", "event_alert", "service_hook", "legacy_plugin", "envelope", "store"):
        (event,) = told["events"]
        assert event["title"].startswith(("TypeError", "Sample", "ZeroDivisionError", "ConnectionRefusedError"))
        assert event["culprit"]
        assert event["level"]


def test_what_is_wrong_is_said_with_its_cure(inspector: Inspecting) -> None:
    answer, told = inspector.post("/hooks/sentry", "{}", {"sentry-hook-signature": "f" * 64})
    assert (answer.status_code, told["reason"]) == (401, "bad_signature")
    assert told["signature"].startswith("wrong: it is of another secret")
    assert any("Client Secret" in cure for cure in told["cures"])
    assert inspector.post("/hooks/sentry", "{}")[1]["signature"].startswith("missing: no Sentry-Hook-Signature")
    _, told = inspector.post("/", "{}")
    assert (told["status"], told["reason"]) == (404, "wrong_path")
    assert "/hooks/sentry" in told["cures"][0]
    _, told = inspector.post("/api/1/store/", '{"message": "x"}')
    assert told["status"] == 401
    assert told["dsn"].startswith("missing: no DSN key in X-Sentry-Auth, Authorization, the query or")
    _, told = inspector.post("/api/1/envelope/", b"\x1f\x8bbroken", {"content-encoding": "gzip"})
    assert "cannot be undone" in told["encoding"]
    bomb = gzip.compress(bytes(200 * 1024 * 1024))
    answer, told = inspector.post("/api/1/store/?sentry_key=" + "a" * 32, bomb, {"content-encoding": "gzip"})
    assert answer.status_code == 413
    assert told["query"] == {"sentry_key": "aaaa… (32 characters)"}
    assert told["dsn"].startswith("in the query: key aaaa…")


@pytest.mark.parametrize(
    ("secret", "body", "said"),
    [
        (b"s3cret", b'{"a":1}', "right"),
        (b"s3cret ", b'{"a":1}', "wrong: the secret was given with spaces or quotes around it"),
        (b'"s3cret"', b'{"a":1}', "wrong: the secret was given with spaces or quotes around it"),
        (b"s3cret", b'{"a": 1}', "wrong: the body was changed on its way"),
        (b"s3cret", b'{"a":1}\n', "wrong: the body was changed on its way"),
        (b"other", b'{"a":1}', "wrong: it is of another secret"),
    ],
)
def test_why_a_signature_is_wrong_is_told_where_it_can_be(secret: bytes, body: bytes, said: str) -> None:
    signature = hmac.new(b"s3cret", b'{"a":1}', sha256).hexdigest()
    assert verdict(body, {"sentry-hook-signature": signature}, [secret]).startswith(said)
    assert verdict(body, {"sentry-hook-signature": signature}, []).startswith("not checked")
    assert verdict(body, {"sentry-hook-signature": signature.upper()}, [secret]).endswith("hex digits")


def test_the_page_is_text_for_this_machine_alone_and_holds_the_last_hundred(inspector: Inspecting) -> None:
    headers: Any = {
        "user-agent": HOSTILE,
        HOSTILE[2:5]: "x",
        "authorization": "Bearer canary-of-tests",
        "x-evil": b"\xe2\x80\xae",
    }
    for number in range(105):
        inspector.client.post(f"/{HOSTILE}", content=json.dumps({"title": HOSTILE, "n": number}), headers=headers)
    answer = inspector.client.get("/")
    assert "<script" not in answer.text
    assert "<img" not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "canary-of-tests" not in answer.text
    assert answer.text.count("<details") == 100
    assert '<meta http-equiv="refresh" content="5">' in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    for host in ("evil.example", "tunnel.example:8888", "127.0.0.1.evil.example", ""):
        assert inspector.client.get("/", headers={"host": host}).status_code in {400, 403}
    assert inspector.client.get("/hooks/sentry").status_code == 405


def test_in_a_terminal_it_is_told_for_people_and_no_sender_speaks_to_the_terminal(tmp_path: Path) -> None:
    with inspecting(tmp_path, told=False) as made:
        body = json.dumps({"event_id": "d" * 32, "message": "\x1b[2J\u202e[red]boom[/red]", "transaction": "shop.pay"})
        sent: Any = {"user-agent": b"\x9b31m"}
        made.client.post("/api/7/store/?sentry_key=" + "a" * 32, content=body, headers=sent)
        sent = {"sentry-hook-signature": "0" * 64, "sentry-hook-resource": "installation"}
        assert made.client.post("/hooks/sentry", content="{}", headers=sent).status_code == 200
        out = tmp_path / "out"
        until(lambda: "not checked" in out.read_text() and "unknown_shape" in out.read_text(), 10, "both are told")
    said = out.read_text()
    assert not {"\x1b", "\x9b"} & set(said)
    assert "\u202e" not in said
    assert re.search(r"culprit +shop\.pay", said)
    assert "[red]boom[/red]" in said
    assert "Signatures are not checked" in said


def test_a_port_that_is_taken_is_one_sentence(inspector: Inspecting) -> None:
    port = str(inspector.client.base_url.port)
    done = subprocess.run([*command(), "inspect", "--port", port], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "choose another with --port" in done.stderr
