"""
What this room adds to the command line.

What needs much memory is imported where it is used: the scheduler stays small.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from models.errors import ModelsError
from models.maintain import why
from models.settings import Settings
from reports.cli_report import report_commands
from reports.cli_rule import rule_commands
from reports.cli_schedule import schedule_commands
from reports.cli_script import script_commands
from reports.cli_target import target_commands
from reports.errors import ReportsError
from reports.patience import Waiting, flagged, nothing_waits

if TYPE_CHECKING:
    from reports.pages.receiving import Receiving

__all__ = [
    "ReportsError",
    "looked_at_scripts",
    "looked_at_targets",
    "make_run",
    "report_commands",
    "rule_commands",
    "schedule",
    "schedule_commands",
    "script_commands",
    "target_commands",
]


def schedule(settings: Settings, should_stop: Callable[[], bool], waiting: Waiting = nothing_waits) -> None:
    """Run the scheduler in this process until told to stop; `waiting` says what is accepted and not loaded."""
    from reports.schedule import run  # noqa: PLC0415 - see above

    run(settings, should_stop, waiting)


def looked_at_targets(settings: Settings, connection: Connection, now: datetime) -> Sequence[tuple[str, str, str, str]]:
    """Tell how each target is, for the doctor: name, state, why, and what to do."""
    from reports.looked import targets  # noqa: PLC0415 - see above

    return targets(settings, connection, now)


def looked_at_scripts(settings: Settings, connection: Connection, _: datetime) -> Sequence[tuple[str, str, str, str]]:
    """Tell how each automation script is, for the doctor, in the same way."""
    from reports.looked import scripts  # noqa: PLC0415 - see above

    return scripts(settings, connection)


def make_run(settings: Settings, run_id: UUID, attempt_count: int, waiting: Waiting = nothing_waits) -> int:
    """
    Do one run in this process, which the scheduler started for it; give the exit code.

    Standard output is where the scheduler hears, in one sentence, why it could not be done.
    """
    from reports.apart import hold_memory, too_much_memory  # noqa: PLC0415 - see above
    from reports.making import perform  # noqa: PLC0415 - see above
    from reports.worker import limits  # noqa: PLC0415 - see above
    from reports.workshop import workshop  # noqa: PLC0415 - see above

    hold_memory(limits(settings))
    try:
        shop = flagged(workshop(), waiting())
        perform(settings.DATABASE_URL or "", run_id, attempt_count, shop, settings.public_url)
    except (ReportsError, ModelsError) as wrong:
        said = str(wrong)
    except SQLAlchemyError as wrong:
        said = why(wrong)
    except MemoryError:
        said = too_much_memory(limits(settings))
    except Exception as wrong:  # noqa: BLE001 - it is told to the parent, and logged whole
        structlog.get_logger().exception("a report failed by a fault of this program", run=str(run_id))
        said = f"It failed by a fault of this program ({type(wrong).__name__}); the log of the service says more."
    else:
        return 0
    sys.stdout.write(f"{said}\n")
    return 2


def console(
    settings: Settings,
    handle: int,
    health: Callable[[], Mapping[str, Any]],
    receiving: "Receiving | None" = None,
) -> None:
    """Run the console in this process, on a socket, until it is told to stop."""
    from reports.pages.server import run  # noqa: PLC0415 - see above

    run(settings, handle, health, receiving)
