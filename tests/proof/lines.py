"""
The lines by which scenarios report: printed at the end of the run, and appended to a file where one is named.

A scenario that measures writes its own line, which begins with its id; for the others the outcome of its tests is told.
"""

import os
from collections import defaultdict
from pathlib import Path

FILE_VARIABLE = "ERRHOUSE_TEST_PROOF_LINES"
LINES: list[str] = []
OUTCOMES: dict[str, list[str]] = defaultdict(list)
"""Outcomes of the tests of each scenario: passed, failed or skipped."""


def report(line: str) -> None:
    """Keep a line for the end of the run."""
    LINES.append(line)
    print(line)
    if path := os.environ.get(FILE_VARIABLE):
        with Path(path).open("a") as file:
            file.write(line + "\n")


def summary() -> list[str]:
    """Give a line or more for each scenario that was run, in the order of their ids."""
    told = {line.split(" ", 1)[0] for line in LINES}
    lines = list(LINES)
    for name, outcomes in OUTCOMES.items():
        if name in told and "failed" not in outcomes:
            continue
        how = "FAIL" if "failed" in outcomes else "pass" if "passed" in outcomes else "skip"
        counts = ", ".join(f"{outcomes.count(each)} {each}" for each in ("passed", "failed", "skipped"))
        lines.append(f"{name} {how} tests: {counts}")
    return sorted(lines)
