import gzip
import json
import re
import threading
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ingest import auth, samples
from ingest.errors import IngestError, Reason
from ingest.forms import FORMS, form_of
from ingest.interpret import interpret
from ingest.records import KEPT_HEADERS, Door, Payload
from models import access, projects
from models.engine import engine_for
from models.settings import load_settings

NOW = datetime(2026, 11, 24, 12, 0, 5, 250_000, tzinfo=UTC)
SECRET = "a" * 64
RIGHTS = samples.Rights(SECRET, "hookkey", "b" * 32, 17)
EVENT_ID = "0123456789abcdef0123456789abcdef"
PAYLOADS = Path(samples.__file__).parent / "sample_payloads"

# source, project (None: the DSN's), level, culprit, title
ROWS = {
    "error": (
        "webhook_platform",
        "sample-web",
        "error",
        "checkout(app/cart)",
        "TypeError: Sample of the form error: cart is undefined",
    ),
    "event_alert": (
        "webhook_platform",
        "sample-php",
        "warning",
        "http://localhost:8080/",
        "Sample of the form event_alert: coupon foo is not known",
    ),
    "service_hook": (
        "service_hook",
        "sample-backend",
        "error",
        "/divide-zero/",
        "ZeroDivisionError: Sample of the form service_hook: division by zero",
    ),
    "legacy_plugin": (
        "webhook_legacy",
        "sample-backend",
        "warning",
        "/pay/",
        "Sample of the form legacy_plugin: payment took 12 s",
    ),
    "envelope": (
        "sdk",
        None,
        "fatal",
        "shop.worker.reserve",
        "ConnectionRefusedError: Sample of the form envelope: the stock service is away",
    ),
    "store": ("sdk", None, "info", "/orders/", "Sample of the form store: 3 orders wait"),
}

# project, action, status, title
CHANGES = {
    "issue": ("sample-backend", "created", "unresolved", "Exception: Sample of the form issue"),
    "activity_alert": ("sample-web", "resolved", "resolved", "Error: Sample of the form activity_alert"),
}


def payload(form: str, event_id: str = EVENT_ID) -> Payload:
    """What the spool would hold of a sample."""
    sent = samples.delivery(form, RIGHTS, event_id, NOW)
    headers = {name.lower(): value for name, value in sent.headers.items()}
    body = gzip.decompress(sent.body) if headers.get("content-encoding") == "gzip" else sent.body
    kept = {name: value for name, value in headers.items() if name in KEPT_HEADERS}
    is_sdk = sent.door in (Door.ENVELOPE, Door.STORE)
    return Payload(int(NOW.timestamp() * 1e6), sent.door, body, RIGHTS.project_id if is_sdk else None, kept)


def test_there_is_a_sample_of_every_form_that_is_sent():
    assert {*samples.SAMPLES, *samples.IN_FILES_ONLY} == {form.NAME for form in FORMS}
    assert {path.stem for path in PAYLOADS.iterdir()} == set(samples.SAMPLES)
    assert all(path.stat().st_size < 8192 for path in PAYLOADS.iterdir())


def test_samples_hold_example_data_only():
    for path in PAYLOADS.iterdir():
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"https?://([^/\"]+)", text)) <= {
            "sentry.example.com",
            "localhost:8080",
            "localhost:8001",
        }
        assert not re.search(r"[\w.]+@(?!example\.com)[\w]+\.\w+", text.replace("shop@1.2.3", ""))


@pytest.mark.parametrize("form", samples.SAMPLES)
def test_a_sample_has_its_form_and_gives_its_row(form):
    sent = payload(form)
    found, _ = form_of(sent)
    assert form == found.NAME
    understood = interpret(sent, lambda _: True)
    if form in CHANGES:
        assert (understood.records, understood.asides) == ([], [])
        (change,) = understood.changes
        assert (change.project_slug, change.action, change.status, change.title) == CHANGES[form]
        assert change.changed_at == NOW.replace(microsecond=0)
        return
    assert understood.changes == []
    if form not in ROWS:
        assert understood.records == []
        assert [aside.reason for aside in understood.asides] == [Reason.NO_EVENT]
        return
    assert understood.asides == []
    (record,) = understood.records
    assert (record.source.name, record.project_slug, record.level, record.culprit, record.title) == ROWS[form]
    assert record.event_id.hex == EVENT_ID
    assert record.occurred_at == NOW
    assert record.project_id == (RIGHTS.project_id if record.project_slug is None else record.project_id)
    assert record.project_id
    assert record.repairs == ()


@pytest.mark.parametrize("form", samples.SAMPLES)
def test_a_sample_shows_its_right_to_be_sent(form):
    sent = samples.delivery(form, RIGHTS, EVENT_ID, NOW)
    headers = {name.lower(): value for name, value in sent.headers.items()}
    if sent.door is Door.HOOK:
        assert sent.path == "/hooks/sentry"
        auth.verify_signature(sent.body, auth.sent_signature(headers), [SECRET.encode()])
    elif sent.door is Door.LEGACY:
        assert sent.path == "/hooks/sentry/hookkey"
    else:
        assert sent.path == f"/api/17/{form}/"
        assert auth.dsn_key(headers, b"")[0] == RIGHTS.public_key


@contextmanager
def receiver(status=200):
    """A server that notes what is sent to it."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, dict(self.headers), body))
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def engine(database_url):
    made = engine_for(database_url)
    yield made
    made.dispose()


def test_every_sample_is_sent_with_new_ids_and_the_hook_is_gone_afterwards(engine, tmp_path):
    settings = load_settings(DATA_DIR=tmp_path)
    with receiver() as (url, seen):
        answers = samples.send(lambda: nullcontext(engine), settings, None, url + "/")
        samples.send(lambda: nullcontext(engine), settings, "error", url + "/behind/a/proxy")
    assert [(answer.form, answer.status, answer.answer) for answer in answers] == [
        (form, 200, "{}") for form in samples.SAMPLES
    ]
    assert seen[-1][0] == "/behind/a/proxy/hooks/sentry"
    ids = [json.loads(body)["data"]["error"]["event_id"] for _, headers, body in seen if _is_error(headers)]
    assert len(set(ids)) == 2
    with engine.connect() as connection:
        assert access.read(connection).hooks == {}
        assert projects.listed(connection)[0].public_key


def _is_error(headers):
    return headers.get("Sentry-Hook-Resource") == "error"


def test_what_a_receiver_refuses_is_told(engine, tmp_path):
    with receiver(401) as (url, _):
        answers = samples.send(lambda: nullcontext(engine), load_settings(DATA_DIR=tmp_path), "comment", url)
    assert [(answer.form, answer.status) for answer in answers] == [("comment", 401)]
    assert answers[0].cure


def no_database():
    raise AssertionError("nothing here needs the database")


def test_what_is_told_is_used_and_the_database_left_alone(tmp_path):
    told = samples.Told("theirs", f"http://{'d' * 32}@errors.example.com/99", "their-key")
    with receiver(200) as (url, requests):
        answers = samples.send(no_database, load_settings(DATA_DIR=tmp_path), None, url, told)
    assert len(answers) == len(samples.SAMPLES)
    assert {path for path, *_ in requests} == {
        "/hooks/sentry", "/hooks/sentry/their-key", "/api/99/envelope/", "/api/99/store/",
    }  # fmt: skip
    with pytest.raises(IngestError, match="The DSN cannot be read"):
        samples.send(no_database, load_settings(DATA_DIR=tmp_path), None, url, samples.Told(dsn="http://nothing"))


@pytest.mark.parametrize(
    ("form", "url", "told"),
    [
        ("rest_event", None, "`errhouse load FILE --form rest_event`"),
        ("nonsense", None, "There is no sample of a form nonsense; there is one of each of error,"),
        (None, "http://127.0.0.1:1", "Nothing answers as a receiver should at http://127.0.0.1:1 (Connection refused)"),
        (None, "127.0.0.1:8000", "127.0.0.1:8000 is not the URL of a receiver"),
        (None, "http://127.0.0.1:99999", "is not the URL of a receiver"),
        (None, "ftp://127.0.0.1", "is not the URL of a receiver"),
    ],
)
def test_what_cannot_be_sent_is_one_sentence(engine, tmp_path, form, url, told):
    with pytest.raises(IngestError) as caught:
        samples.send(lambda: nullcontext(engine), load_settings(DATA_DIR=tmp_path), form, url)
    assert told in str(caught.value)
    with engine.connect() as connection:
        assert access.read(connection).hooks == {}


def test_the_own_receiver_is_reached_wherever_it_listens():
    told = {host: samples.own_url(load_settings(HOST=host)) for host in ("0.0.0.0", "::", "192.0.2.7")}  # noqa: S104
    assert list(told.values()) == ["http://127.0.0.1:8000", "http://[::1]:8000", "http://192.0.2.7:8000"]
