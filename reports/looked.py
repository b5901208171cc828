"""How targets and scripts are, for `errhouse doctor`: name, ok, warning or wrong, why, and what to do."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection

from models.errors import ModelsError
from models.settings import Settings
from reports.automation import script_folder
from reports.channels import channel_of
from reports.delivery import target_shown
from reports.delivery.targets_kept import Kept, Targets
from reports.errors import ReportsError

OK, WARNING, WRONG = "ok", "warning", "wrong"
SCRIPT = "script"
MEND = "Do what it says; `errhouse script list` shows every script."


class Looked(NamedTuple):
    """How one thing is."""

    name: str
    state: str
    sentence: str
    cure: str


def targets(settings: Settings, connection: Connection, now: datetime) -> Sequence[Looked]:
    """Look at every target; nothing is sent."""
    kept = Targets(settings)
    try:
        listed = kept.listed(connection)
    except ReportsError as error:
        return [Looked("TARGETS_FILE", WRONG, str(error), "Mend the file; targets of it are not sent anything.")]
    states = target_shown.states(connection)
    found = []
    for each in listed:
        state = states.get(each.name, {})
        try:
            target = kept.opened(each)
            channel_of(target.channel).check(target)
        except (ReportsError, ModelsError) as error:
            cure = (
                "Set it in the environment of `errhouse serve` and of this command."
                if "environment variable" in str(error)
                else f"Add it again: `errhouse target add {each.name} --replace …`."
            )
            found.append(Looked(each.name, WRONG, str(error), cure))
            continue
        until: datetime | None = state.get("open_until")
        test = f"Mend what it says, then `errhouse target test {each.name}`; what waits is sent after that."
        if until is not None and until > now:
            said = f"It failed {state['failure_count']} times in a row, so nothing is sent until {until:%H:%M} UTC"
            found.append(Looked(each.name, WRONG, f"{said}: {state['error']}", test))
        elif state.get("error"):
            found.append(Looked(each.name, WARNING, f"The last message failed: {state['error']}", test))
        else:
            found.append(Looked(each.name, OK, "It can be used.", ""))
    return found


def scripts(settings: Settings, connection: Connection) -> Sequence[Looked]:
    """Look at every script of the folder, and at those that targets name; nothing is run."""
    try:
        listed = [each for each in Targets(settings).listed(connection) if each.channel == SCRIPT]
    except ReportsError:
        listed = []  # the file is told of among the targets
    folder = settings.scripts_dir
    if not listed and not folder.is_dir():
        return []
    try:
        there = {each.name: each for each in script_folder.listed(folder)}
    except ReportsError as error:
        return [Looked(str(folder), WRONG if listed else WARNING, str(error), MEND)]
    used = [_used(each, there.get(each.options.get("url", "")), folder) for each in listed]
    names = {each.options.get("url") for each in listed}
    more = [_unused(each) for name, each in sorted(there.items()) if name not in names]
    return [*used, *more]


def _used(target: Kept, script: script_folder.Listed | None, folder: Path) -> Looked:
    name, pin = target.options.get("url", ""), target.options.get("sha256", "")
    if script is None:
        return Looked(name, WRONG, f"The target {target.name} names it, and it is not in {folder}.", MEND)
    if script.why_not is not None:
        return Looked(name, WRONG, script.why_not, MEND)
    if script.sha256 != pin.lower():
        again = f"If it is as it should be, add it again: `errhouse target add {target.name} --replace …`."
        return Looked(name, WRONG, f"It is not the file that the target {target.name} was given.", again)
    return Looked(name, OK, "It may be run.", "")


def _unused(script: script_folder.Listed) -> Looked:
    return Looked(script.name, WARNING, script.why_not, MEND) if script.why_not else Looked(script.name, OK, "", "")
