"""The processes of `errhouse serve`, by their ids and by what they last said."""

import os
from pathlib import Path

from ingest.doctor.asking import ask
from ingest.doctor.finding import Context, Finding, Skip, ok, wrong
from ingest.health import LOADER_DEAD_SECONDS, loader_state
from ingest.nursery import TITLE
from ingest.samples import own_url
from models.schedule_state import schedule_state

SERVE = "Start `errhouse serve`"
CONTINUE = "Let it go on with `kill -CONT`, or end it: `errhouse serve` starts another."
STOPPED, GONE, ALIVE = "stopped", "gone", "alive"


def receivers(context: Context) -> Finding:
    """See that receivers run, and answer at once."""
    found = _states(context, "receive-*")
    if not found:
        return wrong(
            f"`errhouse serve` does not run with {context.settings.DATA_DIR}: nothing is received.",
            f"{SERVE} with the same ERRHOUSE_DATA_DIR.",
        )
    if STOPPED in found:
        return wrong("A receiver was stopped by a signal.", CONTINUE)
    said = ask(own_url(context.settings), "/healthz")
    if said.status != 200:
        return wrong(
            f"The receivers do not answer at {own_url(context.settings)} ({said.why or said.status}).",
            "Give this command the ERRHOUSE_HOST and ERRHOUSE_PORT of the service; else look at what it logs.",
        )
    return ok(f"{len(found)} receivers answer." if len(found) > 1 else "The receiver answers.")


def loader(context: Context) -> Finding:
    """See that a loader runs, and gets on with the database."""
    _needs_service(context)
    if bad := _ended(context, "load", "loader", "load"):
        return bad
    said = loader_state(context.run_dir)
    age = _age(context, said.heartbeat_us if said else None)
    if said is None or age > LOADER_DEAD_SECONDS:
        return _silent("loader", age)
    if said.database not in {"ok", "starting"}:
        return wrong(f"The loader says: {said.database}. Events wait in the spool.", "See the checks of the database.")
    return ok("The loader runs.")


def scheduler(context: Context) -> Finding:
    """See that a scheduler runs: without it nothing is folded, sent, reported or maintained."""
    _needs_service(context)
    if bad := _ended(context, "schedule", "scheduler", "schedule"):
        return bad
    said = schedule_state(context.run_dir)
    age = _age(context, said.heartbeat_us if said else None)
    if said is None or age > LOADER_DEAD_SECONDS:
        return _silent("scheduler", age)
    if said.failures:
        return wrong(
            f"The last maintenance could not do: {', '.join(said.failures)}.", "`errhouse db maintain` says why."
        )
    if said.database not in {"ok", "starting"}:
        return wrong(f"The scheduler says: {said.database}", "See the checks of the database, or what it logs.")
    return ok("The scheduler runs.")


def console(context: Context) -> Finding:
    """See that the process of the console's pages runs, where there are receivers."""
    if not is_receiving(context):
        raise Skip("No receiver runs here.")
    return _ended(context, "console", "console", "receive") or ok("The console runs.")


def is_receiving(context: Context) -> bool:
    """Whether a receiver of this data folder lives."""
    return ALIVE in _states(context, "receive-*")


def _needs_service(context: Context) -> None:
    if not any(_states(context, name) for name in ("receive-*", "load", "schedule")):
        raise Skip("`errhouse serve` does not run here.")


def _ended(context: Context, name: str, what: str, role: str) -> Finding | None:
    found = _states(context, name)
    if not found:
        return wrong(f"No {what} runs with {context.settings.DATA_DIR}.", f"{SERVE}, its --roles with {role}.")
    return wrong(f"The {what} was stopped by a signal.", CONTINUE) if STOPPED in found else None


def _states(context: Context, pattern: str) -> list[str]:
    """Say of each process with a note whether it lives, without those that are gone."""
    found = [_state(path) for path in sorted(context.run_dir.glob(f"{pattern}.pid"))]
    return [each for each in found if each != GONE]


def _state(path: Path) -> str:
    """Say how the process of a note is; a number that another program has by now is none of ours."""
    try:
        pid = int(path.read_text())
        os.kill(pid, 0)
    except PermissionError:
        return ALIVE
    except (OSError, ValueError):
        return GONE
    try:
        about = Path(f"/proc/{pid}")
        if not (about / "comm").read_text().startswith(TITLE):
            return GONE
        letter = (about / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ALIVE  # where the system does not tell
    return STOPPED if letter in "tT" else ALIVE


def _age(context: Context, heartbeat_us: int | None) -> float:
    """Give the seconds since a process last said that it lives; one that never did is dead."""
    return LOADER_DEAD_SECONDS + 1 if heartbeat_us is None else context.clock().timestamp() - heartbeat_us / 1e6


def _silent(who: str, age: float) -> Finding:
    return wrong(
        f"The {who} has not said anything for {age:,.0f} s.",
        "Look at what it logs; end its process, and `errhouse serve` starts another.",
    )
