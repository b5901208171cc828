"""What a sender does wrong is answered with its status and a JSON `detail`, never with a redirect or a 5xx."""

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from tests.support import postgres, warehouse
from tests.support.builders import auth, envelope, event, signed
from tests.support.server import errhouse, serving

SECRET = "fedcba9876543210" * 4
MAX_BODY_BYTES = 100_000


class Target(NamedTuple):
    """A running server, its database, its first project with its key, and the path of a legacy hook."""

    client: httpx.Client
    database_url: str
    project_id: int
    key: str
    hook_path: str


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, postgres_url: str, template_database: str) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("requests") / "data"
    limits = {"ERRHOUSE_MAX_BODY_BYTES": str(MAX_BODY_BYTES), "ERRHOUSE_MAX_DECODED_BYTES": str(4 * MAX_BODY_BYTES)}
    with (
        postgres.database(postgres_url, template_database) as url,
        serving(folder, url, ERRHOUSE_WEBHOOK_SECRETS=SECRET, **limits) as server,
        httpx.Client(base_url=server.url, timeout=10, trust_env=False) as client,
    ):
        hook = errhouse("hook", "add", "plugin", "--json", data_dir=folder, database_url=url)
        yield Target(client, url, *warehouse.first_project(url), json.loads(hook.stdout)["path"])
        warehouse.loaded(server)
        # what nobody had a right to send has left no trace, and nothing became a row
        kept = warehouse.rows(url, "select reason from warehouse.set_aside")
        assert {row["reason"] for row in kept} <= {"not_json", "empty_body", "bad_envelope", "bad_encoding"}
        assert warehouse.value(url, "select count(*) from analytics.events") == 0


def assert_refused(answer: httpx.Response, status: int, reason: str) -> None:
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.json()
    assert told["reason"] == reason
    assert len(told["detail"]) > 5
    assert "location" not in answer.headers
    if answer.request.url.path.startswith("/api/"):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "x-sentry-error" in answer.headers["access-control-expose-headers"]


def post(target: Target, door: str, body: bytes, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    path = f"/api/{target.project_id}/{door}/"
    return target.client.post(path, content=body, headers={**auth(target.key), **named})


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
@pytest.mark.parametrize("path", ["/api/1/store/", "/api/1/envelope/", "/hooks/sentry", "/hooks/sentry/some-key"])
def test_another_method_is_405_and_told_which_to_use(target: Target, method: str, path: str) -> None:
    answer = target.client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"].startswith("POST")
    if method != "HEAD":
        assert answer.json()["detail"]
    if path.startswith("/api/"):
        assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api/1/",
        "/api/1/storage/",
        "/api/x/store/",
        "/api/1/envelope/more",
        "/hooks",
        "/hooks/sentry/a/b",
        "/x",
    ],
)
def test_another_path_is_404_as_json_and_no_redirect(target: Target, path: str) -> None:
    answer = target.client.post(path, content=b"{}")
    assert answer.status_code == 404
    assert answer.json()["detail"]
    if path.startswith("/api/"):
        assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_browser_may_ask_whether_it_may_send(target: Target, slash: str) -> None:
    for door in ("store", "envelope"):
        answer = target.client.options(
            f"/api/{target.project_id}/{door}{slash}", headers={"Origin": "https://shop.example"}
        )
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert "x-sentry-auth" in answer.headers["access-control-allow-headers"]


@pytest.mark.parametrize("door", ["store", "envelope"])
def test_keys_are_asked_for_and_checked(target: Target, door: str) -> None:
    body = envelope(event()) if door == "envelope" else json.dumps(event()).encode()
    path = f"/api/{target.project_id}/{door}/"
    assert_refused(target.client.post(path, content=body), 401, "missing_key")
    assert_refused(target.client.post(path, content=body, headers=auth("0" * 32)), 403, "unknown_key")
    assert_refused(target.client.post(path, content=body, headers=auth("short")), 403, "unknown_key")
    other = f"/api/{target.project_id + 1}/{door}/"
    assert_refused(target.client.post(other, content=body, headers=auth(target.key)), 403, "wrong_project")


def test_a_webhook_must_be_signed_over_its_very_bytes(target: Target) -> None:
    body = json.dumps({"action": "created", "data": {"error": event()}}).encode()
    good = signed(body, SECRET)
    unsigned = {name: value for name, value in good.items() if name != "Sentry-Hook-Signature"}
    assert_refused(target.client.post("/hooks/sentry", content=body), 401, "bad_signature")
    assert_refused(target.client.post("/hooks/sentry", content=body, headers=unsigned), 401, "bad_signature")
    assert_refused(target.client.post("/hooks/sentry", content=body + b" ", headers=good), 401, "bad_signature")
    assert_refused(
        target.client.post("/hooks/sentry", content=body, headers=signed(body, SECRET.upper())), 401, "bad_signature"
    )
    assert_refused(target.client.post("/hooks/sentry/no-such-key", content=body), 401, "bad_signature")


def test_a_signed_body_that_is_no_payload_is_400_and_kept(target: Target) -> None:
    assert_refused(target.client.post("/hooks/sentry", content=b"no", headers=signed(b"no", SECRET)), 400, "not_json")
    assert_refused(target.client.post(target.hook_path, content=b" "), 400, "empty_body")
    assert_refused(post(target, "store", b"no"), 400, "not_json")
    assert_refused(post(target, "envelope", b"no\n"), 400, "bad_envelope")


@pytest.mark.parametrize("door", ["store", "envelope"])
def test_a_body_that_is_too_large_is_413_however_it_is_sent(target: Target, door: str) -> None:
    large = b'{"message":"' + b"x" * MAX_BODY_BYTES + b'"}'
    assert_refused(post(target, door, large), 413, "too_large")
    chunked = target.client.post(
        f"/api/{target.project_id}/{door}/", content=iter([large[:5000], large[5000:]]), headers=auth(target.key)
    )
    assert_refused(chunked, 413, "too_large")
    bomb = gzip.compress(b"x" * 5 * MAX_BODY_BYTES)
    assert len(bomb) < MAX_BODY_BYTES
    assert_refused(post(target, door, bomb, Content_Encoding="gzip"), 413, "too_large")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_broken_encoding_is_400_and_its_bytes_are_kept(target: Target, encoding: str) -> None:
    assert_refused(post(target, "store", b"nothing of the kind", Content_Encoding=encoding), 400, "bad_encoding")


def test_an_encoding_nobody_knows_is_415(target: Target) -> None:
    assert_refused(post(target, "store", b"{}", Content_Encoding="rot13"), 415, "unsupported_encoding")


def test_a_body_that_breaks_off_inside_its_encoding_is_400(target: Target) -> None:
    whole = zlib.compress(json.dumps(event()).encode())
    assert_refused(post(target, "store", whole[:-20], Content_Encoding="deflate"), 400, "bad_encoding")
