"""Schedules of a real service: one that is due now, its run, and the processes that make it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from models.clock import now
from tests.support import postgres, warehouse
from tests.support.server import Server, errhouse
from tests.support.wait import until

WITHIN = 60
RUN = "select * from warehouse.report_run where name = %s"
FORMATS = ("html", "json", "csv")


def last_minute() -> datetime:
    """Give the minute before this one."""
    return now().replace(second=0, microsecond=0) - timedelta(minutes=1)


def due_now(url: str, data_dir: Path, name: str, at: datetime, *more: str) -> None:
    """Add a daily schedule by the command, whose instant of today was passed after it was added."""
    arguments = ("--report", "frequency", "--cron", f"{at:%M} {at:%H} * * *", "--settle", "0s", *more)
    added = errhouse("schedule", "add", name, *arguments, data_dir=data_dir, database_url=url)
    assert added.returncode == 0, added.stderr
    assert f"{at + timedelta(days=1):%Y-%m-%d %H:%M} UTC" in added.stdout
    # it begins when it is added: as if that had been five minutes ago
    back = "update warehouse.report_schedule set starts_at = starts_at - interval '5 min' where name = "
    postgres.run(url, f"{back}'{name}'")


def run_of(url: str, name: str) -> dict[str, Any]:
    """Read the one run of a schedule; empty while there is none."""
    found = warehouse.rows(url, RUN, name)
    assert len(found) <= 1, found
    return found[0] if found else {}


def ended(url: str, name: str, status: str = "done") -> dict[str, Any]:
    """Return the one run of a schedule when it has ended so."""

    def has_ended() -> bool:
        return run_of(url, name).get("status") not in {None, "running"}

    until(has_ended, WITHIN, f"the run of {name} has ended")
    found = run_of(url, name)
    assert found["status"] == status, found
    return found


def making(server: Server) -> psutil.Process | None:
    """Return the process that makes a report now, if there is one."""
    for each in server.children():
        try:
            if "_report" in each.cmdline():
                return each
        except psutil.NoSuchProcess:
            continue
    return None


def maker(server: Server) -> psutil.Process:
    """Return the process that makes a report, as soon as there is one."""
    found = until(lambda: making(server), WITHIN, "a report is being made")
    assert found is not None
    return found


def artifacts(url: str, name: str) -> dict[str, bytes]:
    """Read what the run of a schedule has made, by format."""
    query = (
        "select format, body from warehouse.report_artifact where run_id = (select run_id from warehouse.report_run "
    )
    return {row["format"]: bytes(row["body"]) for row in warehouse.rows(url, f"{query} where name = %s)", name)}


def utc(moment: datetime) -> str:
    """Write a minute as pages do."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
