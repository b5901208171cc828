"""What the kernel saw: strace around processes, to read the order of their calls, and to have some of them fail."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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


def tracer(log: Path, *options: str) -> tuple[str, ...]:
    """Give the words that run a command, and all it starts, under strace; only the calls asked for are slowed down."""
    return ("strace", "-D", "-f", "--seccomp-bpf", "-y", "-o", str(log), *options)
