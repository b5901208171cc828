"""Archived days that were loaded again: once all of their events are there, they count once, not twice."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from models.archive_day import window
from models.archive_files import ArchiveError, columns_of_file, files_of, read_whole
from models.partitions import Leaf
from models.rebuild import hold, rebuild

# How many of some events are there, whatever instant they were loaded with.
THERE = text(
    """
    select count(*) from unnest(cast(:event_ids as uuid[])) as told(event_id)
    join warehouse.fact_event e on e.project_id = :project_id and e.event_id = told.event_id
    and e.occurred_at >= :since and e.occurred_at < :until
    """
)
TAKEN_BACK = text(
    """
    update warehouse.removal set reason = 'restored'
    where reason = 'archive' and project_id = :project_id and first_on = :day and end_on = :end
    """
)


def taken_back(
    engine: Engine, folder: Path, project_id: int, day: date, at: datetime, group_hour_days: int
) -> tuple[int, int]:
    """
    Note that the events of an archived day are back, and make its rollups again; return how many, and removals undone.

    Raises: ArchiveError while an event of a file is missing; nothing was changed then.
    """
    files = files_of(folder, project_id, day)
    if not files:
        raise ArchiveError(
            f"{folder} holds no file of project {project_id} on {day}; give the archive's folder with --to."
        )
    wanted = sum(read_whole(path).event_count for path in files)
    span = Leaf(day, day + timedelta(days=1))
    with engine.begin() as connection:
        hold(connection, [project_id])
        there = _there(connection, files, {"project_id": project_id, **window(span)})
        if there != wanted:
            raise ArchiveError(
                f"{wanted - there} of {wanted} archived events of project {project_id} on {day} are not in the "
                "database; load all of the day first."
            )
        told = {"project_id": project_id, "day": day, "end": span.end}
        undone = connection.execute(TAKEN_BACK, told).rowcount
        rebuild(connection, day, at.date(), group_hour_days, [project_id])
    return there, undone


def _there(connection: Connection, files: Iterable[Path], told: dict[str, object]) -> int:
    return sum(
        int(connection.execute(THERE, {**told, "event_ids": event_ids}).scalar_one())
        for path in files
        for (event_ids,) in columns_of_file(path, ("event_id",))
    )
