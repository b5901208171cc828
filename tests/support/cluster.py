"""A PostgreSQL of a test's own, made of the embedded binaries, that the test may stop and start as it likes."""

import os
import signal
from pathlib import Path

from models import embedded_server
from models.embedded_binaries import binaries
from tests.support.wait import until

FAST = signal.SIGINT  # what `pg_ctl stop -m fast` sends
IMMEDIATE = signal.SIGQUIT  # and `-m immediate`: no goodbye, recovery at the next start
STOP_SECONDS = 30


class Cluster:
    """One cluster in one folder, on one port for its whole life."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._data = home / "data"
        home.mkdir(mode=0o700)
        embedded_server.initialize(home, binaries(self._data))
        self.start()

    @property
    def url(self) -> str:
        password = (self._home / "password").read_text().strip()
        port = (self._home / "port").read_text().strip()
        return f"postgresql://{embedded_server.NAME}:{password}@127.0.0.1:{port}/{embedded_server.NAME}"

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        embedded_server.start(self._home, binaries(self._data))

    def stop(self, how: signal.Signals = FAST) -> None:
        """Stop it, and return when it is gone."""
        server = embedded_server.postmaster(self._data)
        if server is None:
            return
        os.kill(server.pid, how)
        until(lambda: embedded_server.postmaster(self._data) is None, STOP_SECONDS, "PostgreSQL stops")
