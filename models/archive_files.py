"""
The archive's files: one Parquet file a project and UTC day, that says itself what it holds.

`DIR/events/of_project=<id>/day=YYYY-MM-DD/events.parquet`, with the columns of analytics.events under their names, by
`occurred_at`. Not `project=<id>`: the view has a column of that name, and pandas and pyarrow refuse, DuckDB hides, a
column that is also a part of the path. What comes after the events of a day were let go of stands in `events-2.parquet`
and so on. uuids and jsonb are strings, which every reader knows; instants are microseconds in UTC.
"""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from models.errors import ModelsError

READ_ROWS = 2_000
THRIFTY: dict[str, Any] = {"page_checksum_verification": True, "pre_buffer": False, "buffer_size": 1024 * 1024}
PAYLOAD = "payload"
NUMBERED = re.compile(r"events(?:-(\d+))?\.parquet")
MANIFEST = b"errhouse"
HALF = 1 << 64


class ArchiveError(ModelsError):
    """The archive cannot be written, or does not hold what it should; the message says what to do."""


class State(NamedTuple):
    """What identifies the events of a project and day; `version_sum` changes with every correction of a row."""

    event_count: int
    first_at: datetime
    last_at: datetime
    loaded_until: datetime
    id_sum: str
    version_sum: int


class Manifest(NamedTuple):
    """What a file says of itself; `payload_count` is None where payloads were not asked for."""

    project_id: int
    day: date
    state: State
    payload_count: int | None
    columns: tuple[str, ...]
    written_at: datetime


class Held(NamedTuple):
    """What was found in a file by reading all of it."""

    event_count: int
    distinct_count: int
    first_at: datetime
    last_at: datetime
    id_sum: str
    payload_count: int


def folder_of(folder: Path, project_id: int, day: date) -> Path:
    """Give the folder of a project and day."""
    return folder / "events" / f"of_project={project_id}" / f"day={day.isoformat()}"


def files_of(folder: Path, project_id: int, day: date) -> list[Path]:
    """Give the files of a project and day in the order they were begun."""
    place = folder_of(folder, project_id, day)
    found = [(int(match[1] or 1), path) for path in place.glob("*") if (match := NUMBERED.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def next_file(folder: Path, project_id: int, day: date) -> Path:
    """Give the name of the next file of a project and day."""
    there = files_of(folder, project_id, day)
    number = max(int(match[1] or 1) for path in there if (match := NUMBERED.fullmatch(path.name))) if there else 0
    return folder_of(folder, project_id, day) / (f"events-{number + 1}.parquet" if number else "events.parquet")


def id_sum(high: int, low: int) -> str:
    """Give the checksum over event ids, whatever their order: the sums of their halves, each modulo 2^64."""
    return f"{high % HALF:016x}{low % HALF:016x}"


def manifest(path: Path) -> Manifest:
    """
    Read what a file says of itself.

    Raises: ArchiveError when it is no whole Parquet file of ours.
    """
    import pyarrow as pa  # noqa: PLC0415 - commands that need no Parquet start faster
    import pyarrow.parquet as pq  # noqa: PLC0415 - the same

    try:
        with path.open("rb") as file:
            footer = pq.read_metadata(file)
        told = json.loads((footer.metadata or {})[MANIFEST])
        state = told["state"]
        for name in ("first_at", "last_at", "loaded_until"):
            state[name] = datetime.fromisoformat(state[name])
        return Manifest(
            project_id=told["project_id"],
            day=date.fromisoformat(told["day"]),
            state=State(**state),
            payload_count=told["payload_count"],
            columns=tuple(name for name in footer.schema.to_arrow_schema().names if name != PAYLOAD),
            written_at=datetime.fromisoformat(told["written_at"]),
        )
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from None


def read_whole(path: Path) -> Held:
    """
    Read every page of a file against its checksum, and count what is in it.

    Raises: ArchiveError when a page is damaged or missing.
    """
    import pyarrow as pa  # noqa: PLC0415 - commands that need no Parquet start faster
    import pyarrow.compute as pc  # noqa: PLC0415 - the same
    import pyarrow.parquet as pq  # noqa: PLC0415 - the same

    ids: list[Any] = []
    firsts: list[datetime] = []
    high = low = payload_count = 0
    try:
        with path.open("rb") as file, pq.ParquetFile(file, **THRIFTY) as parquet:
            for batch in parquet.iter_batches(READ_ROWS, use_threads=False):
                if not batch.num_rows:
                    continue
                ids.append(batch.column("event_id"))
                halves = _halves(ids[-1].to_pylist())
                high, low = high + halves[0], low + halves[1]
                span = pc.min_max(batch.column("occurred_at"))
                firsts += [span["min"].as_py(), span["max"].as_py()]
                if PAYLOAD in batch.schema.names:
                    payload_count += batch.num_rows - batch.column(PAYLOAD).null_count
            promised = parquet.metadata.num_rows
        distinct_count = pc.count_distinct(pa.chunked_array(ids)).as_py()
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise _unreadable(path, error) from None
    event_count = sum(len(part) for part in ids)
    if event_count != promised or not event_count:
        raise _unreadable(path, ValueError(f"{event_count} rows of {promised}"))
    return Held(event_count, distinct_count, min(firsts), max(firsts), id_sum(high, low), payload_count)


def columns_of_file(path: Path, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Read some columns of a file in its order, some thousand rows at a time, as one tuple of columns each."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - commands that need no Parquet start faster

    with path.open("rb") as file, pq.ParquetFile(file, **THRIFTY) as parquet:
        for batch in parquet.iter_batches(READ_ROWS, columns=list(columns), use_threads=False):
            yield tuple(batch.column(name).to_pylist() for name in columns)


def _halves(ids: Sequence[str]) -> tuple[int, int]:
    numbers = [int(each.replace("-", ""), 16) for each in ids]
    low = sum(number % HALF for number in numbers)
    return (sum(numbers) - low) // HALF, low


def _unreadable(path: Path, error: Exception) -> ArchiveError:
    said = (str(error).splitlines() or [""])[0] or type(error).__name__
    return ArchiveError(
        f"{path} is no whole file of this archive ({said}), so nothing more is done: while its events are in the "
        "database, remove it and run the command again, else put it back from a copy."
    )
