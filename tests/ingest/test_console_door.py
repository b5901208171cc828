"""The way from a receiver to the console: what is handed on, what is not, and what happens when nobody answers."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ingest import console
from ingest.console import PEER, ConsoleDoor, bound, socket_path
from ingest.supervise import ServeError
from tests.support.server import ROOT

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\nset-cookie: a=b\r\n\r\nhi"


class Sent:
    """What the door sent to the one who asked."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def __call__(self, message: Any) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])


def scope(*headers: tuple[bytes, bytes], method: str = "GET", client: Any = ("198.51.100.7", 1), **more: Any) -> Any:
    made = {"type": "http", "method": method, "path": "/explore", "raw_path": b"/explore", "query_string": b"by=level"}
    return {**made, "headers": list(headers), "client": client, "scheme": "http", PEER: client, **more}


def asked(run_dir: Path, one: Any, body: bytes = b"", answer: bytes | None = ANSWER) -> tuple[Sent, bytes]:
    """Ask through the door; a console that answers as told is there unless it says None."""
    heard = bytearray()
    sent = Sent()

    async def heed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.readuntil(b"\r\n\r\n"))
        length = int(heard.split(b"content-length: ")[1].split(b"\r\n")[0])
        heard.extend(await reader.readexactly(length))
        writer.write(answer or b"")
        await writer.drain()
        writer.close()

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def all_of_it() -> None:
        door = ConsoleDoor(run_dir, "127.0.0.1")
        if answer is None:
            await door.answer(one, receive, sent)
            return
        listening = bound(socket_path(run_dir))
        async with await asyncio.start_unix_server(heed, sock=listening):
            await door.answer(one, receive, sent)

    asyncio.run(all_of_it())
    return sent, bytes(heard)


def test_a_request_and_its_answer_go_through_whole(tmp_path: Path) -> None:
    sent, heard = asked(tmp_path, scope((b"cookie", b"c=d"), method="POST"), b"name=x")
    assert (sent.status, sent.body) == (200, b"hi")
    assert (b"set-cookie", b"a=b") in sent.messages[0]["headers"]
    assert heard.startswith(b"POST /explore?by=level HTTP/1.1\r\n")
    assert b"\r\ncookie: c=d\r\n" in heard
    assert heard.endswith(b"\r\n\r\nname=x")


@pytest.mark.parametrize("name", [b"x-errhouse-client", b"x-errhouse-proxied", b"x_errhouse_proxied"])
def test_nobody_outside_can_say_what_the_receiver_says(tmp_path: Path, name: bytes) -> None:
    _, heard = asked(tmp_path, scope((name, b"1"), (b"content-length", b"900"), (b"transfer-encoding", b"chunked")))
    assert b"x-errhouse-client: 198.51.100.7\r\n" in heard
    assert b"x-errhouse-proxied: 0\r\n" in heard
    assert heard.lower().count(b"errhouse") == 3
    assert heard.count(b"content-length") == 1
    assert b"chunked" not in heard


def test_only_a_trusted_proxy_that_told_who_asks_is_one(tmp_path: Path) -> None:
    for client, peer, wanted in (
        (("203.0.113.5", 0), ("127.0.0.1", 9), b"proxied: 1"),
        (("127.0.0.1", 9), ("127.0.0.1", 9), b"proxied: 0"),
        (("203.0.113.5", 0), ("192.0.2.1", 9), b"proxied: 0"),
        (("203.0.113.5", 0), None, b"proxied: 0"),
    ):
        _, heard = asked(tmp_path, scope(client=client, **{PEER: peer}))
        assert wanted in heard, (client, peer)


def test_a_console_that_is_away_or_ends_early_is_a_503(tmp_path: Path) -> None:
    for answer in (
        None,
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"nonsense\r\n\r\n",
        ANSWER.replace(b"set-cookie: a", b"transfer-encoding: a"),
    ):
        sent, _ = asked(tmp_path, scope(), answer=answer)
        assert (sent.status, b"events are accepted" in sent.body) == (503, True), answer


def test_more_than_a_form_holds_is_refused(tmp_path: Path) -> None:
    sent, heard = asked(tmp_path, scope(method="POST"), b"x" * (console.MOST_BODY_BYTES + 1))
    assert (sent.status, heard) == (413, b"")


def test_no_more_than_so_many_are_on_their_way_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "MOST_AT_ONCE", 0)
    assert asked(tmp_path, scope())[0].status == 503


def test_a_socket_is_for_its_owner_alone_and_has_a_path_that_is_short_enough(tmp_path: Path) -> None:
    for run_dir in (tmp_path, tmp_path / ("long" * 30)):
        path = socket_path(run_dir)
        assert len(str(path)) < 104
        listening = bound(path)
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o077 == 0 or path.parent == tmp_path
        listening.close()
        path.unlink()
    path.parent.chmod(0o755)
    with pytest.raises(ServeError, match="not a folder of yours alone"):
        socket_path(tmp_path / ("long" * 30))
    path.parent.rmdir()


@pytest.mark.parametrize(
    ("module", "foreign"),
    [
        ("ingest.app", {"reports", "jinja2", "argon2", "pandas", "numpy"}),
        ("reports.pages.app", {"pandas", "numpy", "pyarrow", "altair", "ingest"}),
    ],
)
def test_a_receiver_knows_no_pages_and_pages_know_no_frames(module: str, foreign: set[str]) -> None:
    code = f"import sys, {module}; print(*sorted({foreign!r} & {{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
