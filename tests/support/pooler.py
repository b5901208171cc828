"""A pgbouncer in transaction mode before a database of a test: each transaction may reach another server process."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from tests.support.server import free_port
from tests.support.wait import until

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
POOL_SIZE = 6
CONFIGURATION = """
[databases]
{name} = host={url.host} port={url.port} dbname={url.database} user={url.username} password={url.password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
server_round_robin = 1
ignore_startup_parameters = options
"""


@contextmanager
def pooled(folder: Path, url: str) -> Iterator[str]:
    """Give a URL that leads through a pooler, as long as the context; transactions go round the server's processes."""
    assert PGBOUNCER is not None
    direct = make_url(url)
    made = direct.set(port=free_port())
    file = folder / "pgbouncer.ini"
    file.write_text(CONFIGURATION.format(name=direct.database, url=direct, port=made.port, pool_size=POOL_SIZE))
    words = [PGBOUNCER, str(file)]
    if os.geteuid() == 0:
        words[1:1] = ["-u", pwd.getpwnam("nobody").pw_name]
    with (folder / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        until(lambda: _listens(made.port or 0), 10, "pgbouncer listens")
        yield made.render_as_string(hide_password=False)
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
