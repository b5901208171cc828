"""Dictionaries of payloads for tests, and the payloads that are in a database, read back."""

import json
from datetime import datetime

import zstandard
from sqlalchemy import Connection, Engine, text

from models import PayloadDictionary
from models.payloads import Codebook
from tests.bench.events import events
from tests.support.loading import NOON

READ_PAYLOADS = text("select codec, body from warehouse.event_payload order by occurred_at, event_id")


def bodies(count: int, seed: int = 1, size: int = 1000) -> list[bytes]:
    """Give event JSON of about so many bytes."""
    return [body for _, body in events(count, size, seed)]


def dictionary(codec: int, seed: int = 1) -> bytes:
    """Train a small dictionary."""
    return zstandard.train_dictionary(4096, bodies(300, seed), dict_id=codec).as_bytes()


def add_dictionary(engine: Engine, codec: int, at: datetime = NOON, body: bytes | None = None) -> None:
    """Put a dictionary into the database, as `train` does."""
    with engine.begin() as connection:
        connection.execute(
            PayloadDictionary.__table__.insert(),  # type: ignore[attr-defined]
            {"codec": codec, "trained_at": at, "sample_count": 1, "gain": 0.5, "body": body or dictionary(codec)},
        )


def stored(connection: Connection) -> list[tuple[int, dict[str, object]]]:
    """Give codec and content of every payload."""
    book = Codebook.read(connection)
    found = connection.execute(READ_PAYLOADS).all()
    return [(codec, json.loads(book.decompress(codec, bytes(body)))) for codec, body in found]
