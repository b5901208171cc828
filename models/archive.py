"""
Closed days go into Parquet files: what is there and still true is passed over, what changed is written again.

A file holds what the database holds of a project and day. Once events of that day were let go of, the file is closed
for ever, and what comes later stands in a file beside it, so that writing never takes an event out of the archive.
"""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Row, text

from models.archive_day import NAMES, Archived, Task, window, write_day
from models.archive_files import ArchiveError, Manifest, files_of, manifest, next_file
from models.migrate import current
from models.partitions import Leaf, leaves

CLOSED_FOR = timedelta(days=1)  # so long a day is over before it is archived: most late events have come

# What there is of each project and day; a row that is corrected gets another xmin.
SEEN = text(
    """
    select project_id, (occurred_at at time zone 'UTC')::date as day, count(*) as event_count,
        max(loaded_at) as loaded_until, sum(xmin::text::bigint) as version_sum
    from warehouse.fact_event
    where occurred_at >= :since and occurred_at < :until and (cast(:only as bigint) is null or project_id = :only)
    group by 1, 2 order by 2, 1
    """
)
# When events of some days were last let go of, for all projects or for one.
LET_GO = text(
    """
    select project_id, first_on, end_on, removed_at from warehouse.removal
    where event_count > 0 and reason <> 'restored' and first_on < :end and end_on > :first
    """
)


def check_before(before: date, at: datetime) -> None:
    """
    Refuse days that are open, or were a moment ago.

    Raises: ArchiveError.
    """
    latest = (at - CLOSED_FOR).astimezone(UTC).date()
    if before > latest:
        raise ArchiveError(
            f"Days are archived when they have been over for a day: give --before {latest} or earlier, not {before}."
        )


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """
    Keep other archiving out of a folder; it is made if need be.

    Raises: ArchiveError.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise ArchiveError(f"{folder} cannot be written to ({error.strerror}); give another with --to.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ArchiveError(f"Another `errhouse db archive` works in {folder}; wait for its end.") from None
        yield


def archive(
    engine: Engine,
    folder: Path,
    before: date,
    at: datetime,
    *,
    project_id: int | None = None,
    has_payloads: bool = False,
) -> Iterator[Archived]:
    """
    Bring the files up to date with the days before `before`, and tell of each as it is done, oldest partition first.

    Raises: ArchiveError; sqlalchemy.exc.DBAPIError. What was told of before is there.
    """
    check_before(before, at)
    with engine.connect() as connection:
        there = leaves(connection)
        schema_version = current(connection) or ""
    for leaf in there:
        if leaf.first < before:
            span = Leaf(leaf.first, min(leaf.end, before))
            told = _archive_leaf(engine, folder, span, at, schema_version, project_id, has_payloads=has_payloads)
            try:
                yield from told
            except OSError as error:
                raise ArchiveError(
                    f"{folder} cannot be written to ({error.strerror or error}); make room there, or give another "
                    "folder with --to."
                ) from None


def _archive_leaf(
    engine: Engine,
    folder: Path,
    span: Leaf,
    at: datetime,
    schema_version: str,
    project_id: int | None,
    *,
    has_payloads: bool,
) -> Iterator[Archived]:
    with engine.connect() as connection:
        seen = connection.execute(SEEN, {**window(span), "only": project_id}).all()
        let_go = connection.execute(LET_GO, {"first": span.first, "end": span.end}).all()
    for day, rows in groupby(seen, key=lambda row: row.day):
        tasks: dict[int, Task] = {}
        for row in rows:
            path, former = _file_for(folder, row.project_id, day, let_go)
            if former is not None and _is_true(former, row, has_payloads=has_payloads):
                yield Archived(row.project_id, day, path, former, path.stat().st_size, "kept")
            else:
                is_wanted = has_payloads or (former is not None and former.payload_count is not None)
                tasks[row.project_id] = Task(path, former, is_wanted)
        if tasks:
            yield from write_day(engine, day, tasks, at, schema_version)


def _file_for(folder: Path, project_id: int, day: date, let_go: Sequence[Row[Any]]) -> tuple[Path, Manifest | None]:
    """Give the file for what the database holds now of a project and day, and what it says if it is there."""
    gone = [
        each.removed_at
        for each in let_go
        if each.project_id in {None, project_id} and each.first_on <= day < each.end_on
    ]
    there = files_of(folder, project_id, day)
    if there:
        said = manifest(there[-1])
        if (said.project_id, said.day) != (project_id, day):
            raise ArchiveError(
                f"{there[-1]} is the file of project {said.project_id}, {said.day}; put it where it was."
            )
        if not gone or said.written_at > max(gone):
            return there[-1], said
    return next_file(folder, project_id, day), None


def _is_true(said: Manifest, row: Row[Any], *, has_payloads: bool) -> bool:
    state = said.state
    return (
        (state.event_count, state.loaded_until, state.version_sum)
        == (row.event_count, row.loaded_until, int(row.version_sum))
        and said.columns == NAMES
        and (said.payload_count is not None or not has_payloads)
    )
