"""One HTTP request, made as a sender would: no proxy, no redirect followed, never for longer than a check may take."""

import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from ingest.doctor.finding import Skip

SECONDS = 3.0
MOST_BYTES = 4096


class Said(NamedTuple):
    """What was answered; with status 0, why nothing was."""

    status: int
    body: bytes
    location: str = ""
    why: str = ""


def parts_of(url: str) -> SplitResult:
    """Take a URL apart. Raises Skip when it is none; the check of the address says so."""
    try:
        parts = urlsplit(url)
        if parts.hostname and parts.port != 0:
            return parts
    except ValueError:
        pass
    raise Skip(f"{url} is no URL.")


def port_of(parts: SplitResult) -> int:
    """Give the port a URL leads to."""
    return parts.port or (443 if parts.scheme == "https" else 80)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_private(host: str) -> bool:
    """Whether it is an address that is not of the Internet."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan"))


def ask(
    url: str, path: str, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None
) -> Said:
    """Send one request; certificates are another check's."""
    parts = parts_of(url)
    host, port = parts.hostname or "", port_of(parts)
    connection: HTTPConnection
    if parts.scheme == "https":
        connection = HTTPSConnection(host, port, timeout=SECONDS, context=_unchecked())
    else:
        connection = HTTPConnection(host, port, timeout=SECONDS)
    try:
        connection.request(method, parts.path.rstrip("/") + path, body, headers or {})
        answer = connection.getresponse()
        return Said(answer.status, answer.read(MOST_BYTES), answer.getheader("location") or "")
    except (OSError, HTTPException, UnicodeError) as error:
        return Said(0, b"", why=getattr(error, "strerror", None) or str(error) or type(error).__name__)
    finally:
        connection.close()


def _unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
