"""The client against servers that wish it no good: rebinding, redirects, endless answers, bad TLS (O-02 to O-04)."""

import os
import resource
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from reports.delivery.http_client import Client, dialled
from reports.delivery.targets import Target
from reports.errors import DeliveryError
from tests.support import vendor as vendors
from tests.support.vendor import Answerer, Authority, answering, redirecting, vendor
from tests.support.wait import until

PRIVATE = Target("x", "webhook", {}, allow_private=True)
PUBLIC = Target("x", "webhook", {})


def test_a_request_goes_out_as_it_was_told_and_nothing_of_the_environment_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with vendor() as proxy, vendor(answering(201, b"made", {"X-Two": "1", "x-two": "2"})) as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        answer = Client().http(PRIVATE).request("POST", f"{server.url}/a%20b?c=d", {"content-type": "x/y"}, b"body")
        assert (answer.status, answer.body, answer.headers["x-two"]) == (201, b"made", "1, 2")
        [asked] = server.requests
        assert asked[:2] == ("POST", "/a%20b?c=d")
        assert asked.headers == {
            "host": f"127.0.0.1:{server.port}", "accept-encoding": "identity", "connection": "close",
            "content-length": "4", "content-type": "x/y", "user-agent": "errhouse",
        }  # fmt: skip
        assert asked.body == b"body"
        assert proxy.connections == 0


def test_a_name_is_resolved_once_and_only_what_was_vetted_is_connected_to() -> None:
    asked: list[str] = []
    connected: list[str] = []

    def resolve(host: str, _: int) -> list[str]:
        asked.append(host)
        return ["93.184.216.34"] if len(asked) % 2 else ["127.0.0.1"]

    def dial(address: str, _: int, __: float) -> Any:
        connected.append(address)
        raise ConnectionRefusedError

    client = Client(resolve, dial)
    for number in range(200):
        with pytest.raises(DeliveryError) as wrong:
            client.http(PUBLIC).request("POST", "https://rebinding.example.com/", {})
        assert wrong.value.permanent == bool(number % 2)
    assert len(asked) == 200
    assert connected == ["93.184.216.34"] * 100


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    with vendor() as server:
        connected: list[str] = []

        def dial(address: str, port: int, seconds: float) -> socket.socket:
            connected.append(address)
            assert 0 < seconds <= 3
            if address == "10.0.0.1":
                raise ConnectionRefusedError
            return dialled("127.0.0.1", port, seconds)

        client = Client(lambda *_: ["10.0.0.1", "10.0.0.2", "10.0.0.3"], dial)
        assert client.http(PRIVATE).request("GET", f"http://name.internal:{server.port}/", {}).status == 200
        assert connected == ["10.0.0.1", "10.0.0.2"]
        assert server.requests[0].headers["host"] == f"name.internal:{server.port}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with vendor() as canary, vendor(redirecting(status, f"{canary.url}/secret")) as server:
        assert Client().http(PRIVATE).request("POST", server.url, {}, b"x").status == status
        assert (canary.connections, server.connections) == (0, 1)


def test_a_refresh_is_not_followed() -> None:
    with vendor() as canary, vendor(answering(200, b"ok", {"Refresh": f"0; url={canary.url}"})) as server:
        assert Client().http(PRIVATE).request("POST", server.url, {}).status == 200
        assert canary.connections == 0


@pytest.mark.parametrize(
    "answer",
    [
        vendors.silent, vendors.slow_headers, vendors.slow_body, vendors.endless, vendors.endless_chunks, vendors.bomb,
        vendors.many_headers, vendors.long_header, vendors.closing_midway,
    ],
)  # fmt: skip
def test_a_hostile_receiver_costs_five_seconds_and_little_memory(answer: Answerer) -> None:
    vendors._bomb()
    with vendor(answer) as server:
        before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        with pytest.raises(DeliveryError) as wrong:
            Client().http(PRIVATE).request("POST", server.url, {}, b"x")
        assert time.monotonic() - begun < 5.5
        assert not wrong.value.permanent
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 5_000


def test_a_long_body_of_a_refusal_is_cut() -> None:
    with vendor(answering(404, b"x" * 1_000_000)) as server:
        answer = Client().http(PRIVATE).request("POST", server.url, {})
        assert (answer.status, len(answer.body)) == (404, 65536)


def test_who_does_not_read_a_long_body_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        begun = time.monotonic()
        with pytest.raises(DeliveryError, match="within 5 seconds"):
            Client().http(PRIVATE).request("POST", f"http://127.0.0.1:{deaf.getsockname()[1]}/", {}, bytes(50_000_000))
        assert time.monotonic() - begun < 5.5


def test_who_does_not_speak_tls_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        begun = time.monotonic()
        with pytest.raises(DeliveryError, match="within 5 seconds"):
            Client().http(PRIVATE).request("POST", f"https://127.0.0.1:{deaf.getsockname()[1]}/", {})
        assert time.monotonic() - begun < 5.5


def test_a_resolver_that_hangs_is_not_waited_for() -> None:
    def hang(_: str, __: int) -> list[str]:
        time.sleep(4)
        return ["93.184.216.34"]

    begun = time.monotonic()
    with pytest.raises(DeliveryError, match="resolve") as wrong:
        Client(hang).http(PUBLIC).request("POST", "https://example.com/", {})
    assert time.monotonic() - begun < 3.5
    assert not wrong.value.permanent


def test_what_nobody_listens_on_is_tried_again_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    with pytest.raises(DeliveryError, match="cannot be connected to") as wrong:
        Client().http(PRIVATE).request("POST", url, {})
    assert not wrong.value.permanent


def test_tls_is_verified_by_the_targets_own_authority_and_asks_for_the_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "chat.internal")
    with vendor(authority=authority) as server:
        url = f"https://chat.internal:{server.port}/"
        client = Client(lambda *_: ["127.0.0.1"])
        for ca_file in (str(authority.ca_file), authority.ca_file.read_text()):
            target = Target("x", "webhook", {"ca_file": ca_file}, allow_private=True)
            assert client.http(target).request("POST", url, {}).status == 200
        assert authority.asked_for == ["chat.internal"] * 2
        with pytest.raises(DeliveryError, match="certificate is not trusted"):
            client.http(PRIVATE).request("POST", url, {})
        with pytest.raises(DeliveryError, match="certificate is not trusted"):
            client.http(target).request("POST", f"https://other.internal:{server.port}/", {})
        assert len(server.requests) == 2


@pytest.mark.parametrize("fault", ["expired", "old", "other"])
def test_tls_that_is_no_good_is_refused(fault: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path, is_expired=fault == "expired")
    ca_file = authority.ca_file
    if fault == "old":
        authority.newest = ssl.TLSVersion.TLSv1_1
    if fault == "other":
        (tmp_path / "other").mkdir()
        ca_file = Authority(tmp_path / "other").ca_file
    with vendor(authority=authority) as server:
        target = Target("x", "webhook", {"ca_file": str(ca_file)}, allow_private=True)
        with pytest.raises(DeliveryError, match=r"certificate|TLS"):
            Client().http(target).request("POST", server.url, {})
        assert server.requests == []


def test_a_file_that_holds_no_certificates_is_told(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("nothing")
    for name in ("none.pem", "missing.pem"):
        target = Target("x", "webhook", {"ca_file": str(tmp_path / name)}, allow_private=True)
        with vendor() as server, pytest.raises(DeliveryError, match="ca_file") as wrong:
            Client().http(target).request("POST", f"https://127.0.0.1:{server.port}/", {})
        assert wrong.value.permanent


def test_mail_is_vetted_as_http_is() -> None:
    with vendor() as server:
        for host in ("127.0.0.1", "localhost", "169.254.169.254", "mail.example.com"):
            with pytest.raises(DeliveryError) as wrong:
                Client(lambda *_: ["127.0.0.1"]).connect(PUBLIC, host, 25)
            assert wrong.value.permanent
        with pytest.raises(DeliveryError, match="Port 6379"):
            Client().connect(PUBLIC, "mail.example.com", 6379)
        assert server.connections == 0
        with Client(lambda *_: ["127.0.0.1"]).connect(PRIVATE, "mail.internal", server.port) as connected:
            connected.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert connected.recv(5) == b"HTTP/"


def test_a_connection_for_mail_ends_in_time_whatever_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.delivery.http_client.MAIL_SECONDS", 0.5)
    with vendor(vendors.slow_body) as server:
        with Client().connect(PRIVATE, "127.0.0.1", server.port) as connected:
            connected.sendall(b"GET / HTTP/1.1\r\n\r\n")
            begun = time.monotonic()
            while connected.recv(100):
                assert time.monotonic() - begun < 3
        until(lambda: not any("mail-deadline" in name for name in _threads()), 5, "its watch ends")


def _threads() -> list[str]:
    own = Path(f"/proc/{os.getpid()}/task")
    return [(each / "comm").read_text() for each in own.iterdir()] if own.exists() else []
