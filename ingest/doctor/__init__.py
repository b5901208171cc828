"""
`errhouse doctor`: every link from the sender to the analyst is looked at, each apart from the others.

A check is a small function; one that fails, or takes too long, says so and costs the others nothing. None of them
changes anything, and what is sent as a sample is not kept.
"""

from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic

import structlog
from sqlalchemy.exc import SQLAlchemyError

from ingest.doctor import (
    address,
    answers,
    clock,
    database,
    loading,
    messages,
    processes,
    projects,
    schema,
    secret,
    senders,
    spool,
)
from ingest.doctor.finding import Context, Database, Finding, Skip, State, wrong
from ingest.sqlstate import told
from models.errors import ModelsError

__all__ = ["CHECKS", "DEADLINE_SECONDS", "Check", "Context", "Database", "Finding", "State", "examine"]

DEADLINE_SECONDS = 5.0  # of each check; all of them are made at once

NOT_THERE = frozenset({"3F000", "42P01", "42703", "42883"})  # schema, table, column, function

log = structlog.get_logger()
Check = Callable[[Context], Finding]

CHECKS: tuple[Check, ...] = (
    address.address,
    address.tls,
    secret.secret,
    secret.signature,
    senders.known_senders,
    senders.dsn,
    processes.receivers,
    answers.answers,
    clock.clock,
    spool.room,
    spool.disk,
    processes.loader,
    loading.loader_lag,
    database.database,
    database.durability,
    schema.migrations,
    schema.grants,
    schema.partitions,
    loading.set_aside,
    projects.last_events,
    processes.scheduler,
    loading.rollups,
    messages.rules,
    messages.targets,
    messages.scripts,
    processes.console,
)


def name_of(check: Check) -> str:
    """Give the name under which a check is shown."""
    return check.__name__.replace("_", " ")


def examine(
    context: Context, checks: Sequence[Check] = CHECKS, deadline_seconds: float = DEADLINE_SECONDS
) -> list[Finding]:
    """Make checks, all at once, and give what each found, in their order."""
    answered: SimpleQueue[tuple[int, Finding]] = SimpleQueue()
    for number, check in enumerate(checks):
        Thread(target=_tell, args=(answered, number, check, context), name=name_of(check), daemon=True).start()
    found: dict[int, Finding] = {}
    end = monotonic() + deadline_seconds
    while len(found) < len(checks):
        try:
            number, finding = answered.get(timeout=max(0.0, end - monotonic()))
        except Empty:
            break
        found[number] = finding
    late = wrong(
        f"It could not be told within {deadline_seconds:g} s.",
        "Ask again; if it stays so, look at the load of this machine, its disk and its database.",
    )
    return [found.get(number, late)._replace(name=name_of(check)) for number, check in enumerate(checks)]


def _tell(answered: "SimpleQueue[tuple[int, Finding]]", number: int, check: Check, context: Context) -> None:
    answered.put((number, _made(check, context)))


def _made(check: Check, context: Context) -> Finding:
    try:
        return check(context)
    except Skip as skip:
        return Finding(State.SKIPPED, str(skip))
    except SQLAlchemyError as error:
        if getattr(getattr(error, "orig", None), "sqlstate", None) in NOT_THERE:
            return Finding(State.SKIPPED, "It needs tables that are not there; see the check of the migrations.")
        return wrong(
            f"The database refused ({told(error)}).", "See the checks of the database, its tables and its grants."
        )
    except ModelsError as error:
        return wrong(str(error), "Do what it says.")
    except OSError as error:
        return wrong(
            f"{error.filename or 'A file'} cannot be used ({error.strerror or error}).",
            "Run this as the user who runs `errhouse serve`.",
        )
    except Exception as error:
        log.exception("a check failed by a fault of this program")
        return wrong(f"The check failed by a fault of this program ({type(error).__name__}).", "Please report it.")
