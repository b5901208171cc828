"""One figure a line: what was measured, what was aimed for, what the same run gave as a yardstick, and what it cost."""

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

import psutil

from tests.support.server import role

ROOT = Path(__file__).parents[2]
LATEST = ROOT / "bench.jsonl"
SAMPLE_SECONDS = 0.5


@dataclass
class Book:
    """The file the figures of one run are kept in; without a path they are only printed."""

    path: Path | None = None

    def begin(self, what: str) -> None:
        """Empty the file, and say where, when and of what the run is."""
        if self.path is not None:
            self.path.write_text("")
        self.write({"run": what, **machine()})

    def write(self, line: dict[str, Any]) -> None:
        """Print one line, and keep it."""
        text = json.dumps(line)
        print(text, flush=True)
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(text + "\n")

    def figure(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        aim: str | None = None,
        met: bool | None = None,
        yardstick: tuple[str, float] | None = None,
        **more: Any,
    ) -> None:
        """Tell one figure; the ratio is value to yardstick."""
        line: dict[str, Any] = {"name": name, "value": _short(value), "unit": unit, "aim": aim, "met": met}
        if yardstick is not None:
            line |= {"yardstick": yardstick[0], "yardstick_value": _short(yardstick[1])}
            line["ratio"] = _short(value / yardstick[1])
        self.write(line | more)


def told(name: str, **figures: Any) -> None:
    """Print one line of a bench that keeps none."""
    print(json.dumps({"bench": name, **figures}), flush=True)


def machine() -> dict[str, Any]:
    """Tell of what and on what a run is."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "commit": asked.stdout.strip(),
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "loop_seconds": _loop_seconds(),
    }


def _loop_seconds() -> float:
    """Time twenty million steps of a loop, by which processors can be compared."""
    begun = time.perf_counter()
    for _ in range(20_000_000):
        pass
    return round(time.perf_counter() - begun, 2)


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """Add up user and system time of processes that are still there, with that of children that have ended."""
    total = 0.0
    for process in processes:
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total


def tree(pid: int) -> list[psutil.Process]:
    """Give a process and all below it."""
    top = psutil.Process(pid)
    return [top, *top.children(recursive=True)]


def postgres(data_dir: Path) -> list[psutil.Process]:
    """Give the embedded server of a data folder, with its backends."""
    return tree(int((data_dir / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0]))


@dataclass
class Meter:
    """
    What a stretch of work cost: processor seconds of ours, of PostgreSQL and of strangers, and memory.

    Takes: `app` gives the processes of ours, without the one that measures; `is_mine`: they are children of this one,
           and some may have ended before the stretch does.
    """

    app: Callable[[], list[psutil.Process]]
    data_dir: Path
    is_mine: bool = False
    probe: Callable[[], dict[str, Any]] | None = None
    every: float = SAMPLE_SECONDS
    samples: list[dict[str, Any]] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Begin."""
        self._own = psutil.Process()
        self._done = Event()
        self._before = self._spent()
        self._thread = Thread(target=self._sample, daemon=True)
        self.begun = time.perf_counter()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.seconds = time.perf_counter() - self.begun
        after = self._spent()
        self._done.set()
        self._thread.join()
        self.app_seconds, self.postgres_seconds, own, busy = (b - a for a, b in zip(self._before, after, strict=True))
        ours = self.postgres_seconds + own + (0 if self.is_mine else self.app_seconds)
        self.others_share = min(1.0, max(0.0, (busy - ours) / self.seconds / (os.cpu_count() or 1)))

    def cost(self, events: int) -> dict[str, Any]:
        """Give what is told of every stretch: processor seconds for 10,000 events, megabytes, and strangers' share."""
        return {
            "events": events,
            "seconds": round(self.seconds, 1),
            "cpu_s_per_10k_app": round(self.app_seconds * 1e4 / events, 2),
            "cpu_s_per_10k_postgres": round(self.postgres_seconds * 1e4 / events, 2),
            "peak_memory_mb": max((sum(each["memory_mb"].values()) for each in self.samples), default=None),
            "cpu_share_of_others": round(self.others_share, 2),
        }

    def _spent(self) -> tuple[float, float, float, float]:
        times = psutil.cpu_times()
        busy = sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)
        own = sum(self._own.cpu_times()[:4])
        app = sum(self._own.cpu_times()[2:4]) if self.is_mine else cpu_seconds(self.app())
        return app, cpu_seconds(postgres(self.data_dir)), own, busy

    def _sample(self) -> None:
        looked_at = 0.0
        while not self._done.wait(self.every):
            at = time.perf_counter() - self.begun
            found = self.probe() if self.probe else {}
            if at - looked_at >= SAMPLE_SECONDS:
                looked_at = at
                self.samples.append({"at": at, "memory_mb": self._memory(), **found})

    def _memory(self) -> dict[str, int]:
        """Give megabytes by role; of what processes share, as copies of one do, each has its part."""
        found: dict[str, float] = {}
        for process in self.app():
            try:
                memory = process.memory_full_info()
            except psutil.Error:
                continue
            name = role(process) or "serve"
            found[name] = found.get(name, 0) + getattr(memory, "pss", memory.rss) / 1e6
        return {name: round(size) for name, size in found.items()}


def _short(value: float) -> float:
    return round(value) if abs(value) >= 100 else float(f"{value:.3g}")
