"""What the kernel saw: strace around processes, to read the order of their calls, and to have some of them fail."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.wait import until

ATTACH_SECONDS = 10
MISSING = "strace is not installed, or may not trace here"


class Call(NamedTuple):
    """One call: its name, the file of its first argument, the arguments after it, and its result."""

    name: str
    file: str
    arguments: str
    result: str


def strace_works() -> bool:
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], check=False, capture_output=True).returncode == 0


def calls(log: Path, *begun: str) -> Iterator[Call]:
    """
    Give each call in the order in which they ended.

    Takes: `begun`, beginnings of calls (`write(1<`) that count from where they begin; their result may be "begun".
    """
    unfinished: dict[str, str] = {}
    with log.open(errors="replace") as lines:
        for line in lines:
            thread, _, text = line.rstrip("\n").partition(" ")
            call = text.strip()
            if call.endswith("<unfinished ...>"):
                unfinished[thread] = call = call.removesuffix("<unfinished ...>")
                if call.startswith(begun):
                    yield from _told(f"{call}) = 0", "begun")
                continue
            if match := re.match(r"<\.\.\. \w+ resumed>(.*)", call):
                call = unfinished.pop(thread, "") + match[1]
                if begun and call.startswith(begun):
                    continue  # told when it began
            yield from _told(call)


def _told(call: str, result: str = "") -> Iterator[Call]:
    if match := re.match(r"(\w+)\((?:\d+<((?:[^>]|->)*)>)?(.*)\)\s+= (-?\d+|\?)", call):
        yield Call(match[1], match[2] or "", match[3], result or match[4])


@contextmanager
def traced(pids: Sequence[int], log: Path, *options: str) -> Iterator[None]:
    """Trace processes that run, with all their threads, for as long as the context; they live on."""
    attached = [word for pid in pids for word in ("-p", str(pid))]
    said = log.with_suffix(".said")
    with said.open("w") as output:
        tracer = subprocess.Popen(["strace", "-f", "-y", "-o", str(log), *options, *attached], stderr=output)
    try:
        until(lambda: said.read_text().count(" attached") >= len(pids), ATTACH_SECONDS, "strace is attached")
        yield
    finally:
        tracer.terminate()
        tracer.wait(ATTACH_SECONDS)
