"""What is read from a spool for one transaction: payloads, bytes that are none, and the position behind them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from ingest.errors import Reason
from ingest.in_hand import Place
from ingest.interpret import EPOCH, Aside
from ingest.records import Door, Payload
from ingest.spool import Position
from ingest.spool.reader import SpoolReader
from ingest.spool.segment_reader import Damaged, Record

FATAL = (
    "The loader died each time it took this in hand; see its log, and `errhouse set-aside replay` when it is mended."
)

_decode = msgspec.msgpack.Decoder(Payload).decode


class Batch(NamedTuple):
    """What was read and is not committed yet."""

    payloads: list[Payload]
    asides: list[Aside]
    position: Position

    @property
    def size(self) -> int:
        """How many records it holds, good and bad."""
        return len(self.payloads) + len(self.asides)


class OpenSpool:
    """One spool and the batch in hand from it."""

    def __init__(self, name: str, reader: SpoolReader) -> None:
        self.name = name
        self.reader = reader
        self.batch: Batch | None = None
        self.committed = reader.committed

    @property
    def place(self) -> Place:
        """Where the next batch begins."""
        at = self.committed
        return None if at is None else (str(at.spool), at.segment, at.offset)


def batch_of(items: Sequence[Record | Damaged], now: datetime) -> Batch:
    """Make a batch of what a reader gave, one item at least."""
    payloads: list[Payload] = []
    asides: list[Aside] = []
    for item in items:
        if isinstance(item, Record):
            try:
                payloads.append(_decode(item.payload))
            except (msgspec.MsgspecError, ValueError):
                asides.append(_damaged(item.payload, "a record of the spool is not a payload", now))
        else:
            asides.append(_damaged(item.data, item.why, now))
    return Batch(payloads, asides, items[-1].position)


def unread(batch: Batch) -> Batch:
    """Set aside what a batch holds instead of looking at it."""
    asides = [Aside(payload, Reason.INTERNAL, FATAL) for payload in batch.payloads]
    return batch._replace(payloads=[], asides=[*asides, *batch.asides])


def _damaged(data: bytes, why: str, now: datetime) -> Aside:
    received_at_us = (now - EPOCH).total_seconds() * 1e6
    return Aside(Payload(int(received_at_us), Door.FILE, data), Reason.SPOOL_DAMAGED, why)
