"""Files that reports made: those that may name the person are dropped whole, for a report can be made again."""

from collections import defaultdict
from uuid import UUID

from sqlalchemy import Engine, text

from ingest.erase.person import Person

LEGIBLE = ("json", "html", "md", "svg")  # what can be searched; the others are packed, or pictures

# Runs that have files, and the files that can be searched, one run at a time.
RUNS = text("select distinct run_id from warehouse.report_artifact order by run_id")
BODIES = text("select body from warehouse.report_artifact where run_id = :run_id and format = any(:formats)")
GONE = text("delete from warehouse.report_artifact where run_id = any(:run_ids)")
COUNTED = text("select count(*) from warehouse.report_artifact where run_id = any(:run_ids)")


def erase_artifacts(engine: Engine, person: Person, *, is_dry: bool) -> int:
    """
    Drop the files of every run that names the person, or cannot be read; return how many.

    What the run reported on, and how it went, stays in report_run.
    """
    if not person.is_searched_for:
        return 0
    named: dict[bool, list[UUID]] = defaultdict(list)
    with engine.connect() as connection:
        for run_id in list(connection.execute(RUNS).scalars()):
            bodies = connection.execute(BODIES, {"run_id": run_id, "formats": list(LEGIBLE)}).scalars().all()
            named[not bodies or any(person.may_be_in(bytes(body)) for body in bodies)].append(run_id)
    if not named[True]:
        return 0
    with engine.begin() as connection:
        told = {"run_ids": named[True]}
        return int(
            connection.execute(COUNTED, told).scalar_one() if is_dry else connection.execute(GONE, told).rowcount
        )
