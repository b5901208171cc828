"""The doors that channels go out by: nothing else in this room reaches for the world outside."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from socket import socket
from typing import Protocol

from reports.delivery.message import AboutIssue, Message
from reports.delivery.targets import Target
from reports.errors import DeliveryError

MOST_RETRY_AFTER = 3600.0
TEMPORARY = {408, 409, 423, 425, 429}  # and every 5xx


@dataclass(frozen=True)
class Sent:
    """What was answered to a message that arrived: HTTP status or SMTP code, and a word for the record."""

    status: int | None = None
    detail: str | None = None


@dataclass(frozen=True)
class Answer:
    """What an HTTP server answered; the body is cut, header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http(Protocol):
    """HTTP to one target, guarded: addresses are vetted, nothing is followed, and everything ends in seconds."""

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Send one request. Raises DeliveryError: permanent for a refused address or header, else temporary."""


@dataclass(frozen=True)
class TicketLink:
    """
    A ticket of an issue: `number` is None while it is not known to be there.

    `is_new`: nobody has begun it before. `is_held`: somebody began it a moment ago, and alone may open it.
    """

    key: str
    number: str | None = None
    url: str | None = None
    is_new: bool = False
    is_held: bool = False


class Tickets(Protocol):
    """Which tickets there are for issues, as the warehouse remembers."""

    def begun(self, issue: AboutIssue, target: str) -> TicketLink:
        """Give the ticket of an issue; where there is none, remember that one is going to be opened."""

    def opened(self, issue: AboutIssue, target: str, number: str, url: str) -> None:
        """Remember that it is there."""


class Scripts(Protocol):
    """Automation scripts of the operator's folder."""

    def check(self, name: str, sha256: str) -> None:
        """Raise DeliveryError when there is no such script, or it is another than was registered."""

    def run(self, target: Target, message: Message) -> Sent:
        """Run it with the message on its standard input. Raises DeliveryError when it ended in failure."""


@dataclass(frozen=True)
class Outgoing:
    """What a channel may use to send one message."""

    http: Callable[[Target], Http]
    connect: Callable[[Target, str, int], socket]
    """A TCP connection to a host and port, vetted as for HTTP. Raises DeliveryError."""
    tickets: Tickets
    scripts: Scripts
    now: Callable[[], datetime]


def accepted(answer: Answer, who: str) -> Sent:
    """
    Say that a message arrived when the status is 2xx. Raises DeliveryError otherwise, with what was answered.

    Takes: `who`, what the operator knows the receiver by, such as `Slack`.
    """
    told = _printable(answer.body)
    if 200 <= answer.status < 300:
        return Sent(answer.status, told)
    raise DeliveryError(
        f"{who} answered {answer.status}{_cure(answer.status)}.",
        permanent=answer.status not in TEMPORARY and answer.status < 500,
        status=answer.status,
        retry_after=retry_after(answer.headers),
        detail=told,
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Give the seconds of Retry-After, where they are told as a number; an hour at most."""
    told = headers.get("retry-after", "").strip()
    return min(float(told), MOST_RETRY_AFTER) if told.isascii() and told.isdigit() else None


def _cure(status: int) -> str:
    if status in {401, 403}:
        return "; check the target's secret"
    if status in {404, 410}:
        return "; check the target's address"
    return ""


def _printable(body: bytes) -> str:
    text = body[:2048].decode("utf-8", "replace")
    return "".join(char if char.isprintable() else " " for char in text).strip()
