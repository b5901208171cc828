"""Apprise in a process of its own: no address of a network, no other program, no secret told."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from reports.channels import apprise
from reports.delivery.message import Message
from reports.delivery.plain import plain, plain_line
from reports.delivery.targets import Target
from reports.errors import DeliveryError
from tests.support.contracts import MESSAGE
from tests.support.vendor import redirecting, vendor

NOTHING: Any = None


def to(url: str, *, allow_private: bool = False) -> Target:
    return Target("there", "apprise", {"url": url}, allow_private)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "2130706433", "0x7f000001", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]",  # noqa: S104
        "169.254.169.254",
        "metadata.google.internal", "10.0.0.1", "127.0.0.1.nip.io",
    ],
)  # fmt: skip
def test_an_address_of_a_network_is_not_reached(host: str) -> None:
    with vendor() as canary:
        with pytest.raises(DeliveryError) as wrong:
            apprise.send(to(f"json://key-of-a-canary@{host}:{canary.port}/canary"), MESSAGE, NOTHING)
        assert wrong.value.permanent
        assert "canary" not in str(wrong.value)
        assert canary.connections == 0


@pytest.mark.parametrize("host", ["169.254.169.254", "metadata.google.internal"])
def test_the_machinery_of_a_network_is_not_reached_even_when_a_network_is_allowed(host: str) -> None:
    with pytest.raises(DeliveryError) as wrong:
        apprise.send(to(f"json://{host}/", allow_private=True), MESSAGE, NOTHING)
    assert wrong.value.permanent


def test_a_redirect_is_not_followed() -> None:
    with vendor() as canary, vendor(redirecting(307, canary.url)) as server:
        with pytest.raises(DeliveryError):
            apprise.send(to(f"json://127.0.0.1:{server.port}/", allow_private=True), MESSAGE, NOTHING)
        assert (server.connections, canary.connections) == (1, 0)


@pytest.mark.parametrize(
    "url", ["rsyslog://127.0.0.1", "mailto://user:word@example.com?smtp=127.0.0.1&to=a@example.com"]
)
def test_other_ways_than_http_are_watched_too(url: str) -> None:
    with pytest.raises(DeliveryError) as wrong:
        apprise.send(to(url), MESSAGE, NOTHING)
    assert wrong.value.permanent
    assert "not of the Internet" in str(wrong.value)


@pytest.mark.parametrize(
    "url",
    ["", "x", "https://", "nonsense://secret-canary", "discord://canary", "jsons://example.com/canary?verify=no",
     "json://example.com/\r\nx", "file:///etc/passwd", "json://example.com/" + "x" * 3000],
)  # fmt: skip
def test_what_apprise_does_not_understand_is_refused_when_it_is_added(url: str) -> None:
    with pytest.raises(DeliveryError) as wrong:
        apprise.check(to(url))
    assert wrong.value.permanent
    assert "canary" not in str(wrong.value)


@pytest.mark.parametrize("url", ["discord://123456789/abcdefghijklmnop", "ntfys://topic", "json://127.0.0.1/x"])
def test_what_apprise_understands_is_taken_and_nothing_is_reached(url: str) -> None:
    apprise.check(to(url))


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("import subprocess; subprocess.run(['id'])", "another program"),
        ("import os; os.system('id')", "another program"),
        ("import os; os.fork()", "another program"),
        ("import socket; socket.socket(socket.AF_UNIX).connect('/run/x')", "a local socket"),
        ("import socket; socket.create_connection(('localhost', 1))", "not of the Internet"),
        ("import socket; socket.socket().connect(('localhost', 1))", "no address"),
        ("import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('10.0.0.1', 1))", "10.0.0.1"),
        ("import socket; socket.gethostbyname('metadata')", "cloud"),
        ("import socket; socket.socket().connect_ex(('127.0.0.1', 1))", "127.0.0.1"),
        ("import syslog; syslog.openlog('x')", "one of this machine"),
    ],
)  # fmt: skip
def test_the_process_refuses_itself_what_a_service_has_no_need_of(what: str, sentence: str) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from reports.delivery.apprise_apart import _hook; why = []\n"
        f"sys.addaudithook(_hook(False, why))\ntry:\n    exec({what!r})\nexcept OSError: pass\nprint(why)"
    )
    root = Path(apprise.__file__).parents[2]
    said = subprocess.run([sys.executable, "-I", "-c", program, str(root)], capture_output=True, text=True, check=True)
    assert sentence in said.stdout


def test_a_service_that_never_ends_is_ended_and_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise, "SECONDS", 1)
    monkeypatch.setattr(apprise, "PROGRAM", ("sh", "-c", "sleep 987 & sleep 988"))
    begun = time.monotonic()
    with pytest.raises(DeliveryError, match="within 1 seconds") as wrong:
        apprise.send(to("json://example.com/"), MESSAGE, NOTHING)
    assert time.monotonic() - begun < 5
    assert not wrong.value.permanent
    assert not [
        each
        for each in psutil.process_iter(["cmdline"])
        if (each.info["cmdline"] or [])[:2] in (["sleep", "987"], ["sleep", "988"])
    ]


def test_a_process_that_dies_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise, "PROGRAM", ("sh", "-c", "kill -9 $$"))
    with pytest.raises(DeliveryError, match="without a word") as wrong:
        apprise.send(to("json://example.com/"), MESSAGE, NOTHING)
    assert not wrong.value.permanent


def test_no_secret_is_in_arguments_or_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    monkeypatch.setenv("ERRHOUSE_DATABASE_URL", "a-canary")
    monkeypatch.setattr(apprise, "PROGRAM", ("sh", "-c", f"env > {seen}; tr '\\0' ' ' </proc/$$/cmdline >> {seen}"))
    with pytest.raises(DeliveryError):
        apprise.send(to("json://key-of-a-canary@example.com/"), MESSAGE, NOTHING)
    assert "PATH" in seen.read_text()
    assert "canary" not in seen.read_text()


def test_text_of_others_mentions_and_links_nothing() -> None:
    made = plain("<!channel> @all <@U1> [x](http://e.com) ![](https://e.com) www.e.com a@b.c \u202e\x1b[0m\0\n#1", 500)
    for live in ("<!", "@all", "<@", "](", "http:", "https:", "www.", "#1", "\u202e", "\x1b", "\0"):
        assert live not in made.replace("http\u200b", "h").replace("https\u200b", "h"), live
    assert plain_line("a\nb", 10) == "a b"
    assert apprise.body(Message("k", "test", "Only a title")) == "Only a title"
