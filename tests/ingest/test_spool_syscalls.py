"""What the system saw (strace): the sync before the acknowledgement, and the faults of a real kernel boundary."""

import re
import subprocess
import sys
import textwrap

import pytest

from ingest.spool.reader import SpoolReader
from ingest.spool.segment_reader import Record
from tests.support.tracing import MISSING, calls, strace_works

WRITER = textwrap.dedent("""
    import asyncio, os, sys
    from pathlib import Path
    from ingest.spool import SpoolBroken
    from ingest.spool.writer import SpoolWriter

    async def send(writer, first):
        for n in range(first, int(sys.argv[2]), 4):
            try:
                await writer.append(b"<%d>" % n)
            except SpoolBroken:
                os.write(1, b"REFUSED %d\\n" % n)
            else:
                os.write(1, b"ACK %d\\n" % n)

    async def main():
        writer = SpoolWriter(Path(sys.argv[1]), 1 << 30, 2000)
        await asyncio.gather(*(send(writer, lane) for lane in range(4)))
        await writer.close()

    asyncio.run(main())
""")


pytestmark = pytest.mark.skipif(not strace_works(), reason=MISSING)


def acknowledged(folder, log, count, *options):
    done = subprocess.run(
        [
            *("strace", "-f", "-y", "-s", "200", "-o", str(log), *options),
            *(sys.executable, "-c", WRITER, str(folder), str(count)),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return re.findall(r"^ACK (\d+)$", done.stdout, re.MULTILINE)


@pytest.mark.scenario("A-04")
def test_nothing_is_acknowledged_before_it_is_synced(tmp_path):
    folder, log = tmp_path / "spool" / "0", tmp_path / "trace"
    acked = acknowledged(folder, log, 400, "-e", "trace=openat,mkdir,write,fdatasync,fsync")
    assert len(acked) == 400
    written: dict[str, set[str]] = {}
    durable: set[str] = set()
    nameless: set[str] = set()
    folders: set[str] = set()
    seen = 0
    for name, file, arguments, result in calls(log, "write(1<"):
        if name == "mkdir" and str(tmp_path) in arguments:
            folders.add(arguments.split('"')[1].rpartition("/")[0])
        elif name == "openat" and ".seg" in arguments and "O_CREAT" in arguments:
            nameless.add(arguments.split('"')[1])
        elif name == "fsync" and result == "0":
            folders.discard(file)
            nameless = {path for path in nameless if path.rpartition("/")[0] != file}
        elif name == "write" and file.endswith(".seg"):
            found = re.findall(r"<(\d+)>", arguments)
            assert not (found and file in nameless), "a record in a segment whose name is not durable"
            written.setdefault(file, set()).update(found)
        elif name == "fdatasync" and result == "0":
            durable |= written.pop(file, set())
        elif name == "write" and (match := re.search(r"ACK (\d+)", arguments)):
            seen += 1
            assert match[1] in durable, f"record {match[1]} was acknowledged before it was synced"
            assert not folders, "the folder's own name is not durable"
    assert seen >= 400


@pytest.mark.parametrize(
    "fault",
    [
        "fdatasync:error=EIO:when=20",
        "fdatasync:error=EIO:when=20+3",
        "fdatasync:error=ENOSPC:when=7+2",
        "fsync:error=EIO:when=5",
    ],
)
def test_no_false_promise_when_the_kernel_says_no(tmp_path, fault):
    folder = tmp_path / "spool" / "0"
    acked = acknowledged(folder, tmp_path / "trace", 200, "-e", "trace=fdatasync,fsync", "-e", f"inject={fault}")
    assert "(INJECTED)" in (tmp_path / "trace").read_text(errors="replace")
    reader = SpoolReader(folder)
    read = set()
    while items := reader.read():
        read |= {item.payload for item in items if isinstance(item, Record)}
    reader.close()
    assert acked
    assert not {b"<%s>" % number.encode() for number in acked} - read
