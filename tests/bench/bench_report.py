"""
What a report of many events takes: time, processor and memory of the command, in a process of its own.

Takes the warehouse that bench_warehouse has built (`--data FOLDER` there), and prints one JSON line a figure. The
first run of each is not counted; processor seconds are the command's, without PostgreSQL's. Asserts nothing.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from models import embedded, migrate
from tests.bench.figures import told

WEEK = "2026-W46"
REPORTS = (
    ("weekly", "json"),
    ("weekly", "html"),
    ("daily", "json"),
    ("health", "json"),
    ("frequency", "json"),
)
COMMAND = "from ingest.front import main; main()"
MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, used.ru_maxrss, used.ru_utime + used.ru_stime)
"""
# Asked, made and rendered, again and again in one process.
MAKING = """
import sys, time
from datetime import UTC, datetime
from reports.built_in import ahead, make
from reports.period import parsed
from reports.reading import reading
from reports.render import FORMATS
url, name, period, form, repeat = sys.argv[1:]
way = next(each for each in FORMATS if each.NAME == form)
for _ in range(int(repeat) + 1):
    begun = time.perf_counter()
    covered = parsed(datetime.now(UTC), period=period)
    with reading(url, ahead(name, covered)) as reader:
        way.render(make(name, reader, covered, {}))
    print(time.perf_counter() - begun)
"""


def main() -> None:
    """Run it."""
    options = argparse.ArgumentParser()
    options.add_argument("--data", type=Path, required=True, help="the folder that bench_warehouse was given")
    options.add_argument("--times", type=int, nargs="*", default=[1, 10], help="which of its parts")
    options.add_argument("--repeat", type=int, default=5)
    chosen = options.parse_args()
    for times in chosen.times:
        if (chosen.data / f"times-{times}" / "built").exists():
            with embedded.running(chosen.data / f"times-{times}") as url:
                migrate.upgrade(url)
                for name, form in REPORTS:
                    measured(url, times, name, form, chosen.repeat)


def making(url: str, name: str, period: str, form: str, repeat: int, environment: dict[str, str]) -> list[float]:
    """Give the seconds that a report takes in a process that has made one before."""
    command = [sys.executable, "-c", MAKING, url, name, period, form, str(repeat)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()[1:]]


def measured(url: str, times: int, name: str, form: str, repeat: int) -> None:
    """Make a report some times, and tell the middle and the worst."""
    period = "2026-11-11" if name == "daily" else WEEK
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "ERRHOUSE_DATABASE_URL": url, "ERRHOUSE_DATA_DIR": home}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed command is not compiled at each start
        command = [sys.executable, "-c", COMMAND, "report", "run", name, "--period", period, "--format", form]
        took, spent, memory = [], [], 0
        for _ in range(repeat + 1):
            begun = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", MEASURED, *command], env=environment, capture_output=True, text=True, check=True
            )
            took.append(time.perf_counter() - begun)
            code, used, seconds = done.stdout.split()
            if code != "0":
                raise SystemExit(done.stderr)
            spent.append(float(seconds))
            memory = max(memory, int(used) * (1 if sys.platform == "darwin" else 1024))
        made = sorted(making(url, name, period, form, repeat, environment))
    took, spent = sorted(took[1:]), sorted(spent[1:])
    told(
        "report",
        report=name,
        format=form,
        times=times,
        p50_making_seconds=round(made[len(made) // 2], 2),
        p50_seconds=round(took[len(took) // 2], 2),
        worst_seconds=round(took[-1], 2),
        p50_processor_seconds=round(spent[len(spent) // 2], 2),
        peak_mb=round(memory / 1e6),
    )


if __name__ == "__main__":
    main()
