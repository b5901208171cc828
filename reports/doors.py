"""The doors by which the service and its commands send: see reports.outgoing."""

from sqlalchemy import Engine

from models.clock import now
from reports.errors import DeliveryError
from reports.http_client import Client
from reports.message import Message
from reports.outgoing import Outgoing, Sent
from reports.targets import Target
from reports.tickets import KeptTickets


class NoScripts:
    """Refuses every script, where there is no folder of them."""

    def check(self, name: str, sha256: str) -> None:
        """Refuse it."""
        raise DeliveryError(f"There is no script {name} ({sha256[:8]}).", permanent=True)

    def run(self, target: Target, message: Message) -> Sent:
        """Refuse it."""
        raise DeliveryError(f"{target.name} cannot run a script for {message.kind}.", permanent=True)


def doors(engine: Engine) -> Outgoing:
    """Give them, over the warehouse of an engine."""
    client = Client()
    return Outgoing(client.http, client.connect, KeptTickets(engine, now), NoScripts(), now)
