"""
Write the figures of a run of `make bench` into docs/benchmarks.md, between its two marks.

    python -m tests.bench.table [FILE] ["what else was to be said of the run"]
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.figures import LATEST, ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- made by tests/bench/table.py: begin -->", "<!-- end -->"
MET = {True: "met", False: "**missed**", None: ""}
ASIDE = {
    "acked_per_second": "{} answered/s",
    "drained_seconds": "last row {} s after the last answer",
    "ack_p99_ms": "answers 99 % {} ms",
    "ack_slowest_ms": "slowest {} ms",
    "per_second": "at {}/s",
    "median": "median {} s",
    "median_ms": "median {} ms",
    "slowest": "slowest {} s",
    "peak_memory_mb": "at most {} MB",
    "grown_mb": "{} MB more at the end than after a tenth",
    "bytes_per_event": "{} bytes an event",
    "events": "{} events",
}


def lines(figures: list[dict[str, Any]]) -> Iterator[str]:
    """Give the page's part, line by line."""
    run = figures[0]
    yield (
        f"Commit {run['commit']}, {run['date']}: {run['cores']} {run['architecture']} cores, {run['memory_gb']} GB, "
        f"Python {run['python']}, where twenty million steps of a loop took {run['loop_seconds']} s."
    )
    yield ""
    yield (
        "| figure | value | aim | | yardstick in the same run | ratio | CPU-s per 10,000 events, errhouse + PostgreSQL "
        "| others' share of the CPU | |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for each in figures[1:]:
        if "name" in each:
            yield "| " + " | ".join(_cells(each)) + " |"


def _cells(each: dict[str, Any]) -> list[str]:
    yardstick = f"{each['yardstick']} {_number(each['yardstick_value'])}" if "yardstick" in each else ""
    cpu = f"{each['cpu_s_per_10k_app']} + {each['cpu_s_per_10k_postgres']}" if "cpu_s_per_10k_app" in each else ""
    others = f"{each['cpu_share_of_others']:.0%}" if "cpu_share_of_others" in each else ""
    aside = [text.format(_number(each[key])) for key, text in ASIDE.items() if each.get(key) is not None]
    return [
        each["name"],
        f"{_number(each['value'])} {each['unit']}",
        each["aim"] or "",
        MET[each["met"]],
        yardstick,
        str(each.get("ratio", "")),
        cpu,
        others,
        ", ".join(aside),
    ]


def _number(value: float) -> str:
    return f"{value:,}"


def main() -> None:
    """Run it."""
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else LATEST
    figures = [json.loads(line) for line in source.read_text().splitlines()]
    made = [*lines(figures), *(["", " ".join(sys.argv[2:])] if sys.argv[2:] else [])]
    page = PAGE.read_text()
    start, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    PAGE.write_text(page[:start] + "\n\n" + "\n".join(made) + "\n\n" + page[end:])


if __name__ == "__main__":
    main()
