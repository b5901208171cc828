"""
A spool at work, in a process of its own: `python -m tests.proof.spool_at_work FOLDER RATE [COUNT]`.

It tells what it did, a line each, when it was done: `ACK n` when record n is durable; `AT spool segment offset n…` when
these records, which lie before that position, are committed elsewhere, as in a database that forgets nothing; only then
it lets go of the segments before. Record n is `n`, a colon, and a text that follows from n.
"""

import asyncio
import os
import sys
from pathlib import Path
from random import Random

from ingest.spool import SpoolBroken
from ingest.spool.reader import SpoolReader
from ingest.spool.segment_reader import Record
from ingest.spool.writer import SpoolWriter
from models.logs import configure

SEGMENT_BYTES = 64 * 1024
MOST_BYTES = 1 << 30
LANES = 8


def record(number: int) -> bytes:
    """Give record `number`."""
    random = Random(number)
    return b"%d:" % number + random.randbytes(random.choice((10, 300, 2_000, 8_000)))


def number_of(payload: bytes) -> int | None:
    """Give the number of a record, None when it is none of ours or not whole."""
    number = payload.partition(b":")[0]
    return int(number) if number.isdigit() and record(int(number)) == payload else None


def told(line: str) -> None:
    os.write(1, line.encode() + b"\n")


async def send(writer: SpoolWriter, lane: int, rate: float, count: int) -> None:
    for number in range(lane, count, LANES):
        try:
            await writer.append(record(number))
        except SpoolBroken:
            told(f"REFUSED {number}")
        else:
            told(f"ACK {number}")
        await asyncio.sleep(LANES / rate)


async def consume(folder: Path) -> None:
    """Load as a loader does, always some way behind."""
    reader = SpoolReader(folder)
    while True:
        await asyncio.sleep(0.2)
        if items := reader.read(40):
            at = items[-1].position
            numbers = [number_of(item.payload) for item in items if isinstance(item, Record)]
            told(f"AT {at.spool} {at.segment} {at.offset} {' '.join(map(str, numbers))}")
            reader.release(at)


async def main() -> None:
    configure("info", "spool")  # to standard error: what it tells stands alone in its lines
    folder, rate = Path(sys.argv[1]), float(sys.argv[2])
    writer = SpoolWriter(folder, MOST_BYTES, SEGMENT_BYTES)
    count = int(sys.argv[3]) if len(sys.argv) > 3 else sys.maxsize
    consuming = asyncio.create_task(consume(folder))
    await asyncio.gather(*(send(writer, lane, rate, count) for lane in range(LANES)))
    consuming.cancel()
    await writer.close()


if __name__ == "__main__":
    asyncio.run(main())
