"""A server of this machine that stands for a vendor: it writes down what it is asked, and answers as it is told."""

import datetime as dt
import gzip
import ipaddress
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PATIENCE_SECONDS = 20.0


class Request(NamedTuple):
    """A request as it came: header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answerer = Callable[["Vendor", socket.socket, Request], None]
"""Answers one request on its connection; the connection is closed after that."""


class Vendor:
    """What was asked, and `answer`, which may be set anew at any time. `connections` counts all of them."""

    def __init__(self, listening: socket.socket, context: ssl.SSLContext | None, answer: Answerer) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.connections = 0
        self.is_over = threading.Event()
        self._listening = listening
        self._context = context
        self.port: int = listening.getsockname()[1]
        self.host = "127.0.0.1"
        self.url = f"{'https' if context else 'http'}://{self.host}:{self.port}"

    def serve(self) -> None:
        while not self.is_over.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(PATIENCE_SECONDS)
            if self._context is None:
                self._exchange(connection)
            else:
                with self._context.wrap_socket(connection, server_side=True) as secure:
                    self._exchange(secure)

    def _exchange(self, connection: socket.socket) -> None:
        request = _read(connection)
        self.requests.append(request)
        self.answer(self, connection, request)


@contextmanager
def vendor(answer: Answerer | None = None, authority: "Authority | None" = None) -> Iterator[Vendor]:
    """Run a vendor on a free port of 127.0.0.1; over TLS when there is an authority that vouches for it."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        made = Vendor(listening, authority.server_context() if authority else None, answer or answering(200))
        thread = threading.Thread(target=made.serve, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.is_over.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def answering(status: int = 200, body: bytes = b"ok", headers: dict[str, str] | None = None) -> Answerer:
    """Answer with a status, a body and headers."""

    def answer(_: Vendor, connection: socket.socket, __: Request) -> None:
        lines = {"content-length": str(len(body)), "content-type": "text/plain", **(headers or {})}
        connection.sendall(_head(status, lines) + body)

    return answer


def silent(vendor: Vendor, _: socket.socket, __: Request) -> None:
    """Never answer."""
    vendor.is_over.wait(PATIENCE_SECONDS)


def slow_headers(vendor: Vendor, connection: socket.socket, _: Request) -> None:
    """One byte of a header every fifth of a second."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
    _drip(vendor, connection)


def slow_body(vendor: Vendor, connection: socket.socket, _: Request) -> None:
    """One byte of a body every fifth of a second."""
    connection.sendall(_head(200, {"content-length": "1000000"}))
    _drip(vendor, connection)


def endless(vendor: Vendor, connection: socket.socket, _: Request) -> None:
    """A body without end, as fast as it is read."""
    connection.sendall(_head(200, {}))
    while not vendor.is_over.is_set():
        connection.sendall(b"x" * 65536)


def endless_chunks(vendor: Vendor, connection: socket.socket, _: Request) -> None:
    """The same in chunks."""
    connection.sendall(_head(200, {"transfer-encoding": "chunked"}))
    while not vendor.is_over.is_set():
        connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")


def bomb(_: Vendor, connection: socket.socket, __: Request) -> None:
    """A gigabyte of zeros, packed."""
    packed = _bomb()
    connection.sendall(_head(200, {"content-encoding": "gzip", "content-length": str(len(packed))}))
    connection.sendall(packed)


def many_headers(_: Vendor, connection: socket.socket, __: Request) -> None:
    """10,000 headers."""
    connection.sendall(_head(200, {f"x-{number}": "y" for number in range(10_000)}) + b"ok")


def long_header(vendor: Vendor, connection: socket.socket, _: Request) -> None:
    """A header of 10 MB."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
    for _ in range(1000):
        if not vendor.is_over.is_set():
            connection.sendall(b"y" * 10_000)
    connection.sendall(b"\r\n\r\nok")


def closing_midway(_: Vendor, connection: socket.socket, __: Request) -> None:
    """Half of a body, then nothing."""
    connection.sendall(_head(200, {"content-length": "100"}) + b"half")


def redirecting(status: int, url: str) -> Answerer:
    """Send the asker elsewhere."""
    return answering(status, b"", {"location": url})


def _drip(vendor: Vendor, connection: socket.socket) -> None:
    while not vendor.is_over.wait(0.2):
        connection.sendall(b"x")


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Told", "connection: close", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _read(connection: socket.socket) -> Request:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := connection.recv(65536)):
            raise OSError("nothing was asked")
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        if not (piece := connection.recv(65536)):
            raise OSError("the body was cut off")
        body += piece
    method, path, _ = first.split(" ")
    return Request(method, path, headers, body)


@cache
def _bomb() -> bytes:
    return gzip.compress(bytes(16 * 1024 * 1024), 9) * 64  # members one after another are one stream


class Authority:
    """An authority of a test's own, and a server's certificate by it for 127.0.0.1 and for names."""

    def __init__(self, folder: Path, *names: str, is_expired: bool = False) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of tests")])
        signs = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        own = (
            _built(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(signs, True)
        )
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(own.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        server_key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server")])
        hosts = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), *(x509.DNSName(each) for each in names)]
        built = _built(subject, name, server_key.public_key(), is_expired=is_expired)
        known = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        built = built.add_extension(known, False).add_extension(x509.SubjectAlternativeName(hosts), False)
        signed = built.sign(key, hashes.SHA256())
        self._file = folder / "server.pem"
        self._file.write_bytes(
            server_key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + signed.public_bytes(serialization.Encoding.PEM)
        )
        self.newest = ssl.TLSVersion.MAXIMUM_SUPPORTED
        self.asked_for: list[str | None] = []

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # old versions are asked for on purpose
            context.maximum_version = self.newest
        context.sni_callback = lambda _, name, __: self.asked_for.append(name)
        return context


def _built(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, is_expired: bool = False
) -> x509.CertificateBuilder:
    now = dt.datetime.fromtimestamp(time.time(), dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=10))
        .not_valid_after(now - dt.timedelta(days=1) if is_expired else now + dt.timedelta(days=10))
    )
