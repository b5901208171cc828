"""`errhouse serve` with a certificate of its own: senders over TLS, and a new certificate while they send."""

import json
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import psycopg
import pytest
import sentry_sdk

from tests.support.certificates import Authority
from tests.support.server import Server, errhouse, serving
from tests.support.wait import until

SECRET = "a-secret-of-tests"


class Secure(NamedTuple):
    server: Server
    authority: Authority
    cert: Path
    key: Path
    url: str
    database_url: str

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority.ca_file)

    def serial(self, version: ssl.TLSVersion | None = None) -> str:
        """Give the serial number of the certificate a new connection gets."""
        context = self.trust()
        if version is not None:
            context.minimum_version = context.maximum_version = version
        with (
            socket.create_connection(("127.0.0.1", self.server.port), 5) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            told = secure.getpeercert()
            assert told is not None
            return str(told["serialNumber"])

    def renew(self) -> None:
        cert, key = self.authority.pair()
        self.cert.write_bytes(cert)  # one after the other, as programs that renew do
        self.key.write_bytes(key)


@pytest.fixture
def secure(tmp_path: Path, database_url: str) -> Iterator[Secure]:
    authority = Authority(tmp_path)
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    for path, content in zip((cert, key), authority.pair(), strict=True):
        path.write_bytes(content)
    env = {"ERRHOUSE_TLS_CERT_FILE": str(cert), "ERRHOUSE_TLS_KEY_FILE": str(key), "ERRHOUSE_WEBHOOK_SECRETS": SECRET}
    with serving(tmp_path / "data", database_url, wait=False, **env) as server:
        made = Secure(server, authority, cert, key, f"https://127.0.0.1:{server.port}", database_url)
        until(lambda: is_ready(made), 60, "it is ready")
        yield made


def is_ready(secure: Secure) -> bool:
    assert secure.server.process.poll() is None, secure.server.log()
    try:
        return httpx.get(f"{secure.url}/readyz", verify=secure.trust(), trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_webhooks_and_sdks_send_over_tls_and_a_new_certificate_refuses_nobody(secure: Secure) -> None:
    before = secure.serial()
    assert secure.serial(ssl.TLSVersion.TLSv1_2) == before
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with pytest.raises(OSError):
            secure.serial(ssl.TLSVersion.TLSv1_1)
    env = {
        "ERRHOUSE_TLS_CERT_FILE": str(secure.cert),
        "ERRHOUSE_TLS_KEY_FILE": str(secure.key),
        "ERRHOUSE_WEBHOOK_SECRETS": SECRET,
        "ERRHOUSE_PORT": str(secure.server.port),
    }

    def run(*words: str, code: int = 0) -> str:
        done = errhouse(*words, data_dir=secure.server.data_dir, database_url=secure.database_url, **env)
        assert done.returncode == code, done.stderr
        return str(done.stdout + done.stderr)

    assert {one["status"] for one in json.loads(run("send-test", "--json"))} == {200}
    trusting = run("send-test", "--json", "--url", secure.url, "--ca-file", str(secure.authority.ca_file))
    assert {one["status"] for one in json.loads(trusting)} == {200}
    assert "is not trusted" in run("send-test", "--url", secure.url, code=2)
    dsn = json.loads(run("project", "add", "shop", "--json"))["dsn"]
    assert dsn.startswith("https://")

    failures: list[str] = []
    sent = 0
    stop = threading.Event()

    def send_on() -> None:
        nonlocal sent
        trust = secure.trust()
        while not stop.is_set():
            try:  # a connection of its own each time: every one is a handshake
                answer = httpx.get(f"{secure.url}/healthz", verify=trust, trust_env=False)
                failures.extend([str(answer.status_code)] if answer.status_code != 200 else [])
                sent += 1
            except httpx.HTTPError as error:
                failures.append(repr(error))

    thread = threading.Thread(target=send_on)
    thread.start()
    try:
        secure.cert.write_bytes(b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
        until(lambda: "the one before is kept" in secure.server.log(), 20, "a broken certificate is told")
        assert secure.serial() == before
        secure.renew()
        until(lambda: secure.serial() != before, 20, "the new certificate is served")
    finally:
        stop.set()
        thread.join()
    assert failures == []
    assert sent > 10

    sentry_sdk.init(dsn=dsn, ca_certs=str(secure.authority.ca_file), default_integrations=False)
    event_id = sentry_sdk.capture_message("over TLS", level="error")
    sentry_sdk.flush(10)
    sentry_sdk.init()
    assert event_id

    def is_row() -> bool:
        with psycopg.connect(secure.database_url) as connection:
            found = connection.execute("select 1 from analytics.events where event_id = %s", (event_id,)).fetchone()
        return found is not None

    until(is_row, 20, "the SDK's event is a row")
    assert httpx.get(secure.url, verify=secure.trust(), trust_env=False, follow_redirects=True).status_code == 200


@pytest.mark.parametrize("wrong", ["missing", "other key", "no pem", "locked away"])
def test_a_pair_that_cannot_be_used_is_one_sentence_at_the_start(tmp_path: Path, wrong: str) -> None:
    authority = Authority(tmp_path)
    (cert, key), (_, other) = authority.pair(), authority.pair()
    told = {"missing": None, "other key": other, "no pem": b"nonsense", "locked away": key}[wrong]
    (tmp_path / "cert.pem").write_bytes(cert)
    key_file = tmp_path / "key.pem"
    if told is not None:
        key_file.write_bytes(told)
    if wrong == "locked away":
        key_file = tmp_path / "key.pem" / "beneath a file"
    env = {"ERRHOUSE_TLS_CERT_FILE": str(tmp_path / "cert.pem"), "ERRHOUSE_TLS_KEY_FILE": str(key_file)}
    done = errhouse("serve", data_dir=tmp_path / "data", **env)
    assert done.returncode == 2
    assert done.stderr.startswith("errhouse: ")
    assert done.stderr.count("\n") == 1
    assert "KEY_FILE" in done.stderr
