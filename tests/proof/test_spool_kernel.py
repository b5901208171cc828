"""Scenario C-06: the kernel says no to a spool's writer, at each of thirty calls."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.spool import COUNTED, META, segment_path
from ingest.spool.reader import SpoolReader
from ingest.spool.segment_reader import Record
from tests.proof.lines import report
from tests.proof.spool_at_work import number_of
from tests.support.server import ROOT, environment

CALLS = 30
COUNT = 120
NOT_STARTED = "NOT STARTED"
"""Of a spool that could not be made or found: its receiver ends, and is started again."""
FAULTS = {
    "no space": "write:error=ENOSPC",
    "over quota": "write:error=EDQUOT",
    "read-only": "openat:error=EROFS",
    "too many files": "openat:error=EMFILE",
    "a name cannot be changed": "rename:error=EROFS",
}


def strace_works() -> bool:
    try:
        return subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], check=False).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = [
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not strace_works(), reason="strace is not installed, or may not trace here"),
]


def traced(folder: Path, log: Path, fault: str) -> str:
    """Run a spool at work to its end, with a fault of the kernel's in calls to the spool's own files."""
    names = [folder / META, folder / f"{META}.tmp", folder / COUNTED, folder / f"{COUNTED}.tmp"]
    names += [segment_path(folder, number) for number in range(1, 60)]
    paths = [word for name in names for word in ("-P", str(name))]
    work = [sys.executable, "-m", "tests.proof.spool_at_work", str(folder), "2000", str(COUNT)]
    done = subprocess.run(
        ["strace", "-f", "-o", str(log), *paths, "-e", f"inject={fault}", *work],
        cwd=ROOT,
        env=environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0 or "OSError" in done.stderr, done.stderr
    return done.stdout if done.returncode == 0 else f"{done.stdout}{NOT_STARTED}\n"


@pytest.mark.scenario("C-06", tier=2)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_false_promise_whatever_call_the_kernel_refuses(tmp_path: Path, fault: str) -> None:
    acked = refused = injected = 0
    for number in range(1, CALLS + 1):
        folder, log = tmp_path / f"{number}" / "0", tmp_path / f"{number}.trace"
        folder.parent.mkdir()
        told = traced(folder, log, f"{FAULTS[fault]}:when={number}")
        injected += log.read_text(errors="replace").count("(INJECTED)")
        promised = {int(each) for each in re.findall(r"^ACK (\d+)$", told, re.MULTILINE)}
        loaded = {
            int(each) for line in re.findall(r"^AT \S+ \S+ \S+ (.*)$", told, re.MULTILINE) for each in line.split()
        }
        found = read(folder)
        assert promised <= found | loaded, f"call {number}: acknowledged and lost"
        acked += len(promised)
        refused += told.count("REFUSED")
        assert NOT_STARTED in told or len(promised) + told.count("REFUSED") == COUNT, "everybody is told"
    assert injected > 0
    assert acked > 0
    report(f"C-06 pass {fault}: calls {CALLS} injected {injected} acked {acked} refused {refused}")


def read(folder: Path) -> set[int]:
    """Read everything there is, from the oldest byte."""
    reader = SpoolReader(folder)
    found: set[int] = set()
    while items := reader.read():
        for item in items:
            if isinstance(item, Record):
                number = number_of(item.payload)
                assert number is not None, "an invented record"
                found.add(number)
    reader.close()
    return found
