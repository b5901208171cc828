"""
What the spool costs: `python tests/bench/bench_spool.py [FOLDER]`. Prints figures, asserts nothing.

CPU is of the whole process, loop and thread together, without the part of making the load itself.
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import uvloop

from ingest.spool.reader import SpoolReader
from ingest.spool.writer import SpoolWriter

RECORD = os.urandom(3000)
PLENTY = 1 << 40


async def nothing(_record: bytes) -> None:
    await asyncio.sleep(0.001)


def sync_cpu(folder: Path) -> float:
    """Say what one write and one fdatasync cost, in CPU seconds."""
    with (folder / "probe").open("wb", buffering=0) as file:
        begun = time.process_time()
        for _ in range(200):
            file.write(RECORD)
            os.fdatasync(file.fileno())
        return (time.process_time() - begun) / 200


async def paced(append, rate: int, seconds: float) -> tuple[list[float], float]:
    """Append at a rate; give the latencies and the CPU seconds."""
    took: list[float] = []

    async def one() -> None:
        begun = time.perf_counter()
        await append(RECORD)
        took.append(time.perf_counter() - begun)

    tasks = set()
    begun, cpu = time.perf_counter(), time.process_time()
    sent = 0
    while (passed := time.perf_counter() - begun) < seconds:
        while sent < passed * rate:
            task = asyncio.create_task(one())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            sent += 1
        await asyncio.sleep(0.001)
    await asyncio.gather(*tasks)
    return sorted(took), time.process_time() - cpu


async def flood(append, records: int, lanes: int) -> tuple[float, float]:
    async def lane() -> None:
        for _ in range(records // lanes):
            await append(RECORD)

    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(lane() for _ in range(lanes)))
    return time.perf_counter() - begun, time.process_time() - cpu


async def write(folder: Path) -> None:
    writer = SpoolWriter(folder, PLENTY)
    before = 0
    for rate in (500, 3000):
        _, idle = await paced(nothing, rate, 4)
        took, cpu = await paced(writer.append, rate, 4)
        groups, before = writer.stats().group_count - before, writer.stats().group_count
        print(
            f"append {rate}/s: CPU {(cpu - idle) / len(took) * 1e6:.1f} us/record, of it the sync about "
            f"{groups / len(took) * sync_cpu(folder) * 1e6:.1f}, "
            f"p50 {took[len(took) // 2] * 1e3:.2f} ms, p99 {took[len(took) * 99 // 100] * 1e3:.2f} ms, "
            f"max {took[-1] * 1e3:.1f} ms, {groups} groups"
        )
    for lanes in (1, 16, 256):
        records = 1000 if lanes == 1 else 20_000
        took_s, cpu = await flood(writer.append, records, lanes)
        print(f"append, {lanes} at once: {records / took_s:.0f} records/s, CPU {cpu / records * 1e6:.1f} us/record")
    await writer.close()


def read(folder: Path) -> None:
    reader = SpoolReader(folder)
    begun, cpu = time.perf_counter(), time.process_time()
    backlog = reader.backlog()
    print(f"count: {backlog.events} records, {(time.process_time() - cpu) / backlog.events * 1e6:.2f} us/record")
    begun, cpu = time.perf_counter(), time.process_time()
    count = 0
    while items := reader.read():
        count += len(items)
    took_s, used = time.perf_counter() - begun, time.process_time() - cpu
    print(f"read: {count / took_s:.0f} records/s, CPU {used / count * 1e6:.2f} us/record")
    begun, cpu = time.perf_counter(), time.process_time()
    reader.wait(2.0)
    print(f"idle wait: CPU {(time.process_time() - cpu) / (time.perf_counter() - begun) * 100:.2f} %")
    reader.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as root:
        uvloop.run(write(Path(root) / "0"))
        read(Path(root) / "0")
