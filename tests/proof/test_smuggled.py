"""Scenarios F: requests that proxy and service could read differently; no second one gets past the first."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.proof.lines import report
from tests.support.builders import auth, event
from tests.support.raw import said
from tests.support.receiver import Running, receiving
from tests.support.server import free_port
from tests.support.wait import until

HIDDEN_ID = "5" * 32
AUTH = auth()["X-Sentry-Auth"].encode()


def store(event_id: str, *headers: bytes) -> bytes:
    body = json.dumps(event(event_id=event_id)).encode()
    head = [b"POST /api/42/store/ HTTP/1.1", b"Host: h", b"X-Sentry-Auth: " + AUTH, *headers]
    return b"\r\n".join([*head, b"Content-Length: %d" % len(body), b"", body])


HIDDEN = store(HIDDEN_ID)
CHUNKED = b"Transfer-Encoding: chunked"
LENGTH = b"Content-Length: %d" % (len(HIDDEN) + 5)
END = b"0\r\n\r\n"
HEADS: dict[str, list[bytes]] = {
    "length, then chunked": [LENGTH, CHUNKED],
    "chunked, then length": [CHUNKED, LENGTH],
    "chunked in capitals, and length": [LENGTH, b"TRANSFER-ENCODING: CHUNKED"],
    "two lengths": [b"Content-Length: 5", LENGTH],
    "two lengths, the longer first": [LENGTH, b"Content-Length: 5"],
    "a list of lengths": [b"Content-Length: 5, 5"],
    "a length with a plus": [b"Content-Length: +5"],
    "a negative length": [b"Content-Length: -5"],
    "a length in hexadecimal": [b"Content-Length: 0x5"],
    "a length in two words": [b"Content-Length: 5 5"],
    "a length of 20 digits": [b"Content-Length: 18446744073709551621"],
    "a length with a letter": [b"Content-Length: 5a"],
    "an unknown coding": [b"Transfer-Encoding: xchunked"],
    "chunked before identity": [b"Transfer-Encoding: chunked, identity"],
    "a quoted coding": [b'Transfer-Encoding: "chunked"'],
    "a space before the colon": [b"Transfer-Encoding : chunked", LENGTH],
    "a tab before the colon": [b"Transfer-Encoding\t: chunked", LENGTH],
    "a vertical tab before the coding": [b"Transfer-Encoding: \x0bchunked", LENGTH],
    "a NUL behind the coding": [b"Transfer-Encoding: chunked\0", LENGTH],
    "a coding on a line of its own": [b"Transfer-Encoding:\r\n chunked", LENGTH],
    "a line that begins with a space": [b"X: y", b" Transfer-Encoding: chunked", LENGTH],
    "a header behind a bare line feed": [b"X: y\nTransfer-Encoding: chunked", LENGTH],
    "a header behind a bare carriage return": [b"X: y\rTransfer-Encoding: chunked", LENGTH],
    "two codings in two lines, and a length": [b"Transfer-Encoding: identity", CHUNKED, LENGTH],
    "a NUL in a header's name": [b"X\0Y: z", b"Content-Length: 5"],
    "a NUL in a header": [b"X: y\0z", b"Content-Length: 5"],
    "a space in a header's name": [b"Content Length: 5"],
    "a line without a colon": [b"Content-Length", b"Content-Length: 5"],
    "a folded line": [b"X: y\r\n z", b"Content-Length: 5"],
}
CHUNKS: dict[str, bytes] = {
    "a negative chunk": b"-1\r\nabc\r\n",
    "a chunk of 2^64": b"10000000000000000\r\nabc\r\n",
    "a chunk size with 0x": b"0x3\r\nabc\r\n",
    "a chunk size with a plus": b"+3\r\nabc\r\n",
    "no chunk size": b";a=b\r\nabc\r\n",
    "a chunk without its end": b"3\r\nabcXX",
    "a chunk with more than its size": b"3\r\nabcdef\r\n",
    "chunks with bare line feeds": b"3\nabc\n",
    "a chunk extension with a line feed": b"3;a\nb\r\nabc\r\n",
    "a chunk extension with a carriage return": b"3;a\rb\r\nabc\r\n",
}
LINES: dict[str, bytes] = {
    "a version too many": b"POST /api/42/store/ HTTP/1.1 HTTP/1.1\r\n",
    "version 9.9": b"POST /api/42/store/ HTTP/9.9\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n",
    "a bare line feed": b"POST /api/42/store/ HTTP/1.1\n",
    "no path": b"POST  HTTP/1.1\r\n",
    "an unknown method": b"SMUGGLE /api/42/store/ HTTP/1.1\r\n",
}


def table() -> Iterator[tuple[str, bytes]]:
    first = b"POST /api/42/store/ HTTP/1.1\r\n"
    known = b"Host: h\r\nX-Sentry-Auth: " + AUTH + b"\r\n"
    for name, headers in HEADS.items():
        yield name, first + known + b"\r\n".join(headers) + b"\r\n\r\n" + END + HIDDEN
    for name, chunk in CHUNKS.items():
        yield name, first + known + CHUNKED + b"\r\n\r\n" + chunk + END + HIDDEN
    for name, line in LINES.items():
        yield name, line + known + b"Content-Length: 5\r\n\r\n" + END + HIDDEN


TABLE = dict(table())
OF_PROXIES = (501, 505)  # nginx says so itself
NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 100; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream errhouse {{ server 127.0.0.1:{backend}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://errhouse; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off;
    }}
  }}
}}
"""
HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend in
  bind 127.0.0.1:{port}
  default_backend errhouse
backend errhouse
  http-reuse always
  server one 127.0.0.1:{backend}
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with receiving(tmp_path_factory.mktemp("smuggled") / "data") as found:
        yield found


def port_of(running: Running) -> int:
    return running.client.base_url.port or 0


def hidden(running: Running) -> int:
    return sum(payload.body.startswith(b"{") and HIDDEN_ID.encode() in payload.body for payload in running.kept())


@contextmanager
def fronted(program: str, backend: int, folder: Path) -> Iterator[int]:
    """Run a proxy before a port; gives its own."""
    path = shutil.which(program, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if path is None:
        pytest.skip(f"{program} is not installed")
    port = free_port()
    template = NGINX if program == "nginx" else HAPROXY
    config = folder / f"{program}.conf"
    config.write_text(template.format(folder=folder, port=port, backend=backend))
    words = ["-c", str(config)] if program == "nginx" else ["-db", "-f", str(config)]
    with subprocess.Popen([path, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: _answers(port), 20, f"{program} answers")
            yield port
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    try:
        return said(port, b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").statuses == [200]
    except OSError:
        return False


@pytest.mark.scenario("F-04")
@pytest.mark.parametrize("name", TABLE)
def test_what_can_be_read_in_two_ways_is_refused_and_its_connection_closed(running: Running, name: str) -> None:
    found = said(port_of(running), TABLE[name])
    assert found.statuses == [400]
    assert found.is_closed
    assert hidden(running) == 0


@pytest.mark.scenario("F-04")
@pytest.mark.parametrize("program", ["nginx", "haproxy"])
def test_no_request_gets_past_a_proxy_that_has_not_seen_it(running: Running, program: str, tmp_path: Path) -> None:
    seen_twice = []
    with fronted(program, port_of(running), tmp_path) as port:
        for number, (name, raw) in enumerate(TABLE.items()):
            before = hidden(running)
            found = said(port, raw)
            came_through = hidden(running) - before
            if came_through:
                seen_twice.append(name)
            assert came_through <= max(0, len(found.statuses) - 1), f"{name}: {found.text!r}"
            assert not any(status >= 500 for status in found.statuses if status not in OF_PROXIES), (
                f"{name}: {found.text!r}"
            )
            honest = f"{number:032x}"
            answer = said(port, store(honest, b"Connection: close"))
            assert honest.encode() in answer.text, f"after {name}, another sender is answered {answer.text!r}"
    report(f"F-04 pass {program}: {len(TABLE)} requests, {len(seen_twice)} read as two by the proxy itself")
