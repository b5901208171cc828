"""
The one client that reaches for the world: HTTP to a target, and a connection for mail.

A name is resolved once, every address it leads to is vetted (reports/delivery/guard.py), and one of those is connected
to; the name goes on as Host and for TLS. Nothing is followed, no proxy is asked, and nothing of the environment
counts. One deadline covers everything, so that whoever answers slowly, or without end, costs seconds and 64 KiB.
"""

import io
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import cast

from reports.delivery.guard import Place, check_addresses, check_header, check_host, check_url
from reports.delivery.outgoing import Answer
from reports.delivery.targets import Target
from reports.errors import DeliveryError

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 5.0
MAIL_SECONDS = 60.0
READ_BYTES = 64 * 1024
HEADER_BYTES = 64 * 1024
PIECE_BYTES = 16 * 1024
MOST_ADDRESSES = 8
MOST_LOOKUPS = 16
MAIL_PORTS = {25, 465, 587, 2525}

Resolve = Callable[[str, int], Sequence[str]]
"""Gives the addresses of a name; raises OSError."""
Dial = Callable[[str, int, float], socket.socket]
"""Connects to an IP address and port within seconds; raises OSError."""
Tls = Callable[[Target], ssl.SSLContext]
"""Gives what TLS to a target is held to; raises DeliveryError."""

_lookups = threading.BoundedSemaphore(MOST_LOOKUPS)


def resolved(host: str, port: int) -> Sequence[str]:
    """Ask the system for the addresses of a name."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def dialled(address: str, port: int, seconds: float) -> socket.socket:
    """Connect to an IP address; no name is looked up."""
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.settimeout(seconds)
        made.connect((address, port))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        made.close()
        raise
    return made


def tls_context(target: Target) -> ssl.SSLContext:
    """
    Give what TLS is held to: certificates are verified, by `ca_file` alone where the target has one; 1.2 at least.

    Raises: DeliveryError, permanent, when the file is none.
    """
    ca_file = target.get("ca_file")
    try:
        is_pem = ca_file.startswith("-----BEGIN ")  # `file:/path` has been read already
        context = ssl.create_default_context(
            cafile=None if is_pem else ca_file or None, cadata=ca_file if is_pem else None
        )
    except (OSError, ValueError):
        raise DeliveryError(
            "What ca_file names cannot be read as certificates; let it name a file in PEM.", permanent=True
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Client:
    """Reaches targets. Takes how names are resolved, addresses connected to and certificates verified, for tests."""

    def __init__(self, resolve: Resolve = resolved, dial: Dial = dialled, tls: Tls = tls_context) -> None:
        self._resolve = resolve
        self._dial = dial
        self._tls = tls

    def http(self, target: Target) -> "TargetHttp":
        """Give HTTP to one target."""
        return TargetHttp(target, self.open, self._tls)

    def connect(self, target: Target, host: str, port: int) -> socket.socket:
        """
        Connect for mail; whatever is said on the connection, it ends after a minute.

        Raises: DeliveryError, permanent for an address that is refused.
        """
        if port not in MAIL_PORTS and not (target.allow_private and 0 < port < 65536):
            raise DeliveryError(
                f"Port {port} is none of mail; take 465 or 587, or add the target with --allow-private.", permanent=True
            )
        made = self.open(check_host(host, target.allow_private), port, target.allow_private, _Deadline(TOTAL_SECONDS))
        made.settimeout(TOTAL_SECONDS)
        watch = made.dup()
        threading.Thread(target=_end_in_time, args=(watch, MAIL_SECONDS), name="mail-deadline", daemon=True).start()
        return made

    def open(self, host: str, port: int, allow_private: bool, deadline: "_Deadline") -> socket.socket:
        """Resolve once, vet, and connect to the first address that answers. Raises DeliveryError."""
        try:
            addresses = check_addresses(self._addresses(host, port, deadline), allow_private)[:MOST_ADDRESSES]
            connecting = _Deadline(min(CONNECT_SECONDS, deadline.left()))
        except TimeoutError:
            raise _failed("Its name was not resolved in time; look at this machine's resolver.") from None
        for place, address in enumerate(addresses):
            with suppress(OSError):
                return self._dial(address, port, connecting.left() / (len(addresses) - place))
        raise _failed("It cannot be connected to, or not within 3 seconds; is it running, and let through?")

    def _addresses(self, host: str, port: int, deadline: "_Deadline") -> Sequence[str]:
        if not _lookups.acquire(timeout=deadline.left()):
            raise _failed("Names are not resolved at the moment; look at this machine's resolver.")
        found: list[Sequence[str]] = []

        def ask() -> None:
            try:
                with suppress(OSError, UnicodeError):
                    found.append(self._resolve(host, port))
            finally:
                _lookups.release()

        asking = threading.Thread(target=ask, name="lookup", daemon=True)  # the system's resolver has no deadline
        asking.start()
        asking.join(min(CONNECT_SECONDS, deadline.left()))
        if not found or not found[0]:
            raise _failed("Its name leads to no address; check the name, and this machine's resolver.")
        return found[0]


class TargetHttp:
    """HTTP to one target; see reports.delivery.outgoing.Http. Takes what connects."""

    def __init__(
        self, target: Target, connect: Callable[[str, int, bool, "_Deadline"], socket.socket], tls: Tls
    ) -> None:
        self._target = target
        self._open = connect
        self._tls = tls

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """
        Send one request and read the answer, of which 64 KiB are kept.

        Raises: DeliveryError; permanent for a refused address or header, else temporary. A 2xx with a longer body is
            one: it comes from a page for people, or has no end.
        """
        place = check_url(url, self._target.allow_private)
        for name, value in headers.items():
            check_header(name, value)
        deadline = _Deadline(TOTAL_SECONDS)
        try:
            with closing(self._open(place.host, place.port, self._target.allow_private, deadline)) as plain:
                if place.scheme == "http":
                    return _exchange(_Wire(plain, deadline), method, place, headers, body)
                with closing(_secured(plain, place, self._tls(self._target), deadline)) as secure:
                    return _exchange(_Wire(secure, deadline), method, place, headers, body)
        except TimeoutError:
            raise _failed("It did not answer in full within 5 seconds.") from None
        except ssl.SSLCertVerificationError as error:
            raise _failed(f"Its certificate is not trusted ({error.verify_message}); name its CA in ca_file.") from None
        except ssl.SSLError as error:
            raise _failed(f"TLS failed ({error.reason or 'no reason told'}); it must speak TLS 1.2 or newer.") from None
        except (OSError, HTTPException, ValueError) as error:
            raise _failed(f"It did not answer as HTTP is answered ({type(error).__name__}).") from None


class _Deadline:
    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Incoming(io.RawIOBase):
    """What comes in: each read gets what is left of time, and of bytes."""

    def __init__(self, connected: socket.socket, deadline: _Deadline) -> None:
        self._connected = connected
        self._deadline = deadline
        self._left = HEADER_BYTES + READ_BYTES + PIECE_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        if self._left <= 0:
            raise TooLong
        self._connected.settimeout(self._deadline.left())
        count = self._connected.recv_into(buffer, min(len(buffer), self._left))
        self._left -= count
        return count


class _Wire:
    """A connection as http.client wants one; whoever opened it closes it."""

    def __init__(self, connected: socket.socket, deadline: _Deadline) -> None:
        self._connected = connected
        self._deadline = deadline

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self._connected, self._deadline))

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        for start in range(0, len(view), PIECE_BYTES):
            self._connected.settimeout(self._deadline.left())
            self._connected.sendall(view[start : start + PIECE_BYTES])

    def close(self) -> None:
        pass


class TooLong(OSError):
    """More was answered than is read."""


def _secured(plain: socket.socket, place: Place, context: ssl.SSLContext, deadline: _Deadline) -> ssl.SSLSocket:
    plain.settimeout(deadline.left())
    context.set_alpn_protocols(["http/1.1"])
    return context.wrap_socket(plain, server_hostname=place.host)


def _exchange(wire: _Wire, method: str, place: Place, headers: Mapping[str, str], body: bytes) -> Answer:
    connection = HTTPConnection(place.host, place.port)
    connection.auto_open = 0
    connection.sock = cast("socket.socket", wire)
    connection.putrequest(method, place.path, skip_host=True, skip_accept_encoding=True)
    own = {"host": place.authority, "accept-encoding": "identity", "connection": "close"}
    if not any(name.lower() == "user-agent" for name in headers):
        own["user-agent"] = "errhouse"
    if body or method not in {"GET", "HEAD"}:
        own["content-length"] = str(len(body))
    for name, value in {**own, **headers}.items():
        connection.putheader(name, value)
    with suppress(ConnectionError):  # who refuses a long body early has answered already
        connection.endheaders(body or None)
    with closing(connection.getresponse()) as response:
        return _answer(response)


def _answer(response: HTTPResponse) -> Answer:
    got = bytearray()
    is_long = False
    try:
        while len(got) <= READ_BYTES and (piece := response.read(PIECE_BYTES)):
            got += piece
    except TooLong:
        is_long = True
    is_long = is_long or len(got) > READ_BYTES
    if 200 <= response.status < 300:
        if is_long:
            raise DeliveryError(
                "It answered with more than 64 KiB; is it an address that takes messages, not a page?",
                permanent=False,
                status=response.status,
            )
        if response.length:
            raise DeliveryError(
                "It closed the connection before its answer ended.", permanent=False, status=response.status
            )
    named: dict[str, str] = {}
    for name, value in response.getheaders():
        named[name.lower()] = f"{named[name.lower()]}, {value}" if name.lower() in named else value
    return Answer(response.status, named, bytes(got[:READ_BYTES]))


def _end_in_time(watch: socket.socket, seconds: float) -> None:
    """Shut a connection down when its time is over; go when the other side has closed it."""
    with closing(watch):
        poll = select.poll()
        poll.register(watch, getattr(select, "POLLRDHUP", 0))
        if not poll.poll(seconds * 1000):
            with suppress(OSError):
                watch.shutdown(socket.SHUT_RDWR)


def _failed(sentence: str) -> DeliveryError:
    return DeliveryError(sentence, permanent=False)
