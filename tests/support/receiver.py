"""A receiver in this process: the real application under a real server on a free port, with a spool of its own."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import uvicorn

from ingest.app import create_app
from ingest.console import behind_proxies
from ingest.records import Payload
from ingest.spool.reader import SpoolReader
from ingest.spool.segment_reader import Record
from ingest.wire import limited
from models.access import Access, hook_hash, publish
from tests.support.builders import PUBLIC_KEY
from tests.support.loading import settings
from tests.support.wait import until

SECRET, OLD_SECRET = "s3cret-of-today", "s3cret-of-yesterday"
HOOK_KEY = "a-hook-key-of-many-random-letters"
MIB = 1024 * 1024
LIMITS = {"MAX_BODY_BYTES": 64 * 1024, "MAX_DECODED_BYTES": 2 * MIB, "SPOOL_MAX_BYTES": 8 * MIB}


class Running(NamedTuple):
    client: httpx.Client
    data_dir: Path

    def kept(self) -> list[Payload]:
        """Read what is in the spool by now."""
        reader = SpoolReader(self.data_dir / "spool" / "1")
        items = reader.read(10_000, 64 * MIB)
        reader.close()
        assert all(isinstance(item, Record) for item in items)
        return [msgspec.msgpack.decode(item.payload, type=Payload) for item in items if isinstance(item, Record)]

    def last(self) -> Payload:
        return self.kept()[-1]


@contextmanager
def receiving(data_dir: Path, **overrides: Any) -> Iterator[Running]:
    (data_dir / "run").mkdir(parents=True)
    publish(data_dir, Access({PUBLIC_KEY: 42, "0" * 32: 7}, {hook_hash(HOOK_KEY): "plugin"}))
    made = settings(data_dir, WEBHOOK_SECRETS=f"{OLD_SECRET},{SECRET}", **{**LIMITS, **overrides})
    app = create_app(made, data_dir / "spool" / "1", data_dir / "run")
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        behind_proxies(app, made.TRUSTED_PROXIES),
        http=limited(),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        until(lambda: server.started, 30, "the receiver listens")
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
            yield Running(client, data_dir)
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
