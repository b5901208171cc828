"""Packets that never arrive: those of one port of this machine, dropped by its packet filter."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

PACKETS = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("iptables") is None, reason="only root, with iptables, can have packets dropped"
)


@contextmanager
def dropping(port: int, *match: str) -> Iterator[None]:
    """Drop the packets to and from a port of this machine, all of them or those that match."""
    rules = [
        [*("INPUT", "-i", "lo", "-p", "tcp", side, str(port)), *match, "-j", "DROP"] for side in ("--dport", "--sport")
    ]
    with ExitStack() as undo:
        for rule in rules:
            iptables("-I", *rule)
            undo.callback(iptables, "-D", *rule)
        yield


def iptables(*words: str) -> str:
    return subprocess.run(["iptables", "-w", *words], check=True, capture_output=True, text=True).stdout
