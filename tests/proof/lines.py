"""The lines by which scenarios report: printed at the end of the run, and appended to a file where one is named."""

import os
from pathlib import Path

FILE_VARIABLE = "ERRHOUSE_TEST_PROOF_LINES"
LINES: list[str] = []


def report(line: str) -> None:
    """Keep a line for the end of the run."""
    LINES.append(line)
    print(line)
    if path := os.environ.get(FILE_VARIABLE):
        with Path(path).open("a") as file:
            file.write(line + "\n")
