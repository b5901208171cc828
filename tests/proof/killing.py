"""Ending and halting processes of a running service by their role, and how soon somebody answers again."""

import os
import signal
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import psutil

from tests.proof.verdict import Answer
from tests.support.server import Server
from tests.support.wait import until

DEATH = "died and is started again"
BACK_SECONDS = 120  # a deadline on a busy machine; a few seconds are usual


class Killer:
    """Sends signals to processes of a service; knows whom it has killed, and when."""

    def __init__(self, server: Server) -> None:
        self.killed: Counter[str] = Counter()
        self.moments: list[float] = []
        """When each kill was done, by the clock of senders' ledgers."""
        self._server = server
        self._gone: set[psutil.Process] = set()  # which may be seen for a while after they were killed
        self._deaths_before = server.log().count(DEATH)

    def kill(self, *names: str) -> bool:
        """Kill those that live, at once; False when none of them did."""
        victims = {name: process for name in names if (process := self.living(name))}
        for process in victims.values():
            os.kill(process.pid, signal.SIGKILL)
            self._gone.add(process)
        if victims:
            self.moments.append(time.monotonic())
            self.killed.update(list(victims))
        return bool(victims)

    def kill_working(self, *names: str) -> None:
        """Kill all of them at once, as soon as each is at its work."""
        for name in names:
            until(lambda each=name: self.is_working(each), BACK_SECONDS, f"{name} is at work")  # type: ignore[misc]
        assert self.kill(*names)

    def living(self, name: str) -> psutil.Process | None:
        """Give the process of a role, None while there is none."""
        try:
            process = psutil.Process(int((self._server.data_dir / "run" / f"{name}.pid").read_text()))
            return process if process not in self._gone and process.status() != psutil.STATUS_ZOMBIE else None
        except (OSError, ValueError, psutil.Error):
            return None

    def is_working(self, name: str) -> bool:
        """Say whether it has come so far that it has a spool open."""
        process = self.living(name)
        try:
            return process is not None and any("/spool/" in file.path for file in process.open_files())
        except (OSError, psutil.Error):
            return False

    def wait_seen(self) -> None:
        """Return when the service has noticed each death and started each anew."""
        total = self._deaths_before + self.killed.total()
        until(lambda: self._server.log().count(DEATH) >= total, BACK_SECONDS, "every kill is seen by the service")
        assert self._server.log().count(DEATH) == total


def seconds_to_answer(moments: Iterable[float], answers: Iterable[Answer]) -> list[float]:
    """
    Give for each moment, of the ledger's clock, how long it took until a request that left later was acknowledged.

    Ascending; moments that were followed by another one before that are left out: the service was not given the time.
    """
    acknowledged = sorted(
        (each.due + each.seconds - each.waited, each.due + each.seconds) for each in answers if each.is_acknowledged
    )
    soonest: list[float] = []
    best = float("inf")
    for _, answered in reversed(acknowledged):
        best = min(best, answered)
        soonest.append(best)
    soonest.reverse()
    left = [each[0] for each in acknowledged]
    seconds: list[float] = []
    for moment, following in pairwise([*moments, float("inf")]):
        at = bisect_left(left, moment)
        if at < len(soonest) and soonest[at] < following:
            seconds.append(soonest[at] - moment)
    return sorted(seconds)


def part(ascending: list[float], share: float) -> float:
    """Give the value that so large a share does not exceed; 0 for none."""
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))] if ascending else 0.0
