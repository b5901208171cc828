"""The doors by which the service and its commands send: see reports.outgoing."""

from sqlalchemy import Engine

from models.clock import now
from models.settings import Settings
from reports.http_client import Client
from reports.outgoing import Outgoing
from reports.scripts import Runner
from reports.tickets import KeptTickets


def doors(engine: Engine, settings: Settings) -> Outgoing:
    """Give them, over the warehouse of an engine."""
    client = Client()
    return Outgoing(client.http, client.connect, KeptTickets(engine, now), Runner(engine, settings, now), now)
