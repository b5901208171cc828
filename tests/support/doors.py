"""The doors of channels for tests: the real client, whose every connection ends at a server of this machine."""

import socket
import ssl
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from reports.delivery.http_client import Client, dialled
from reports.delivery.message import AboutIssue, Message
from reports.delivery.outgoing import Outgoing, Sent, TicketLink
from reports.delivery.targets import Target
from reports.errors import DeliveryError

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SOMEWHERE = "93.184.216.34"


class MemoryTickets:
    """Tickets as the warehouse remembers them, in memory; `begun_times` counts how often one was to be opened."""

    def __init__(self) -> None:
        self.links: dict[tuple[int, int, str], TicketLink] = {}
        self.begun_times = 0

    def begun(self, issue: AboutIssue, target: str) -> TicketLink:
        place = (issue.project_id, issue.issue_id, target)
        if place not in self.links:
            self.begun_times += 1
            self.links[place] = TicketLink(f"errhouse-{issue.project_id}-{issue.issue_id}")
            return replace(self.links[place], is_new=True)
        return self.links[place]

    def opened(self, issue: AboutIssue, target: str, number: str, url: str) -> None:
        place = (issue.project_id, issue.issue_id, target)
        self.links[place] = TicketLink(self.links[place].key, number, url)


class NoScripts:
    """A folder without scripts."""

    def check(self, name: str, sha256: str) -> None:
        raise DeliveryError(f"There is no script {name} {sha256}.", permanent=True)

    def run(self, target: Target, message: Message) -> Sent:
        raise DeliveryError(f"There is no script for {target.name} and {message.key}.", permanent=True)


def doors(port: int, authority: Any = None, tickets: MemoryTickets | None = None) -> Outgoing:
    """
    Give doors by which everything ends at a port of this machine, whatever its name.

    Takes: `authority`, the `tests.support.vendor.Authority` that vouches for the server, where it speaks TLS.
    """

    def resolve(host: str, _: int) -> Sequence[str]:
        return [host] if host == "127.0.0.1" else [SOMEWHERE]

    def dial(_: str, __: int, seconds: float) -> socket.socket:
        return dialled("127.0.0.1", port, seconds)

    def tls(_: Target) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=authority.ca_file)

    client = Client(resolve, dial, tls)
    return Outgoing(client.http, client.connect, tickets or MemoryTickets(), NoScripts(), lambda: NOON)
