"""
How near webhooks are to Sentry's limit: it disables an integration whose webhooks time out 1,000 times in a day.

Taken for a timeout is an answer to a webhook after 0.9 s or later, or 503. Counts are those of this service's
processes, in the files of `DATA_DIR/run/metrics`, since `errhouse serve` was started.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

from ingest.answer import SLOW_SECONDS
from ingest.records import Door

__all__ = ["SLOW_SECONDS", "answers_of_day", "late"]

DAY_SECONDS = 86_400.0
DOORS = frozenset({Door.HOOK.value, Door.LEGACY.value})
REFUSED = "503"

Sample = tuple[str, dict[str, str], float]
"""A counter's name, its labels, and its value."""


def late(samples: Iterable[Sample]) -> float:
    """Count the answers to webhooks that were late or refused (pure)."""
    return sum(
        value
        for name, labels, value in samples
        if labels.get("door") in DOORS
        and (
            name == "errhouse_slow_answers_total"
            or (name == "errhouse_requests_total" and labels.get("status") == REFUSED)
        )
    )


def answers_of_day(data_dir: Path, now: datetime) -> float | None:
    """Give how many of a day were; of a service that runs for longer, the mean of its days. None when none counts."""
    folder = data_dir / "run" / "metrics"
    files = sorted(folder.glob("counter_*.db"))
    if not files:
        return None
    days = (now.timestamp() - min(_begun(path) for path in (folder, *files))) / DAY_SECONDS
    return late(sample for path in files for sample in _samples(path)) / max(1.0, days)


def _begun(path: Path) -> float:
    """Give when a file was made, as far as the system tells."""
    status = path.stat()
    return float(getattr(status, "st_birthtime", status.st_mtime))


def _samples(path: Path) -> Iterator[Sample]:
    found = MmapedDict.read_all_values_from_file(str(path))  # type: ignore[no-untyped-call]
    for key, value, *_ in found:
        _, name, labels, _ = json.loads(key)
        yield name, labels, value
