"""A PostgreSQL of a test's own, made of the embedded binaries, that the test may stop and start as it likes."""

import os
import signal
import subprocess
from pathlib import Path

from sqlalchemy.engine import make_url

from models import embedded_server
from models.embedded_binaries import binaries
from tests.support.wait import until

FAST = signal.SIGINT  # what `pg_ctl stop -m fast` sends
IMMEDIATE = signal.SIGQUIT  # and `-m immediate`: no goodbye, recovery at the next start
STOP_SECONDS = 30


class Cluster:
    """
    One cluster in one folder, on one port for its whole life.

    Takes: `follows`, a running one whose standby this is until it is promoted; `settings` of PostgreSQL, beside those
    of the embedded one.
    """

    def __init__(self, home: Path, *, follows: "Cluster | None" = None, **settings: str) -> None:
        self._home = home
        self._data = home / "data"
        home.mkdir(mode=0o700)
        if follows:
            self._copy(follows)
        else:
            embedded_server.initialize(home, binaries(self._data))
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())
        self.start()

    @property
    def url(self) -> str:
        password = (self._home / "password").read_text().strip()
        port = (self._home / "port").read_text().strip()
        return f"postgresql://{embedded_server.NAME}:{password}@127.0.0.1:{port}/{embedded_server.NAME}"

    def url_of(self, database: str, login: str | None = None) -> str:
        """Give the URL of a database, by a login whose password is its name; None: by the superuser."""
        made = make_url(self.url).set(database=database)
        return (made.set(username=login, password=login) if login else made).render_as_string(hide_password=False)

    @property
    def data(self) -> Path:
        """PostgreSQL's own folder, in which it runs."""
        return self._data

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

    def _copy(self, primary: "Cluster") -> None:
        tools = binaries(primary.data)
        self._data.mkdir(mode=0o700)
        if tools.become:
            os.chown(self._data, *tools.become)
        command = [tools.folder / "pg_basebackup", "-D", ".", "-d", primary.url, "-R", "-X", "stream", "-c", "fast"]
        subprocess.run(command, cwd=self._data, capture_output=True, check=True, **tools.process_options())
        password = Path(primary.data.parent / "password").read_text()
        (self._home / "password").write_text(password)
