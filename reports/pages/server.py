"""The console's process: a server on the socket that receivers hand requests to."""

import socket

import uvicorn

from models.settings import Settings
from reports.pages.app import create_app
from reports.pages.page import Health
from reports.pages.receiving import Receiving


def run(settings: Settings, handle: int, health: Health, receiving: Receiving | None = None) -> None:
    """Serve pages until SIGTERM, on a socket opened by the parent."""
    config = uvicorn.Config(
        create_app(settings, settings.DATABASE_URL or "", health, receiving=receiving),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=3,
        ws="none",
        lifespan="off",
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=handle)])
