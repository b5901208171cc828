"""Tables as CSV, which a spreadsheet opens without doing what a sender wrote into a culprit."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

_ACTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def written(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Give the file: UTF-8, instants in ISO 8601, words that would act as a formula behind an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return out.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, str) and value.lstrip(" ").startswith(_ACTS):
        return f"'{value}"
    return value
