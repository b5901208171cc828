"""The doors by which the service and its commands send: see reports.delivery.outgoing."""

from sqlalchemy import Engine

from models.clock import now
from models.settings import Settings
from reports.automation.scripts import Runner
from reports.delivery.http_client import Client
from reports.delivery.outgoing import Outgoing
from reports.delivery.tickets import KeptTickets


def doors(engine: Engine, settings: Settings) -> Outgoing:
    """Give them, over the warehouse of an engine."""
    client = Client()
    return Outgoing(client.http, client.connect, KeptTickets(engine), Runner(engine, settings), now)
