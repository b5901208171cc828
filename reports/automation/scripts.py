"""
Automation scripts: run for messages, at most once each, and every run written down.

Of an event nothing but JSON on standard input reaches a script: not its arguments, nor its environment or its folder.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Connection, Engine

from models.clock import database_time
from models.settings import Settings
from reports.automation import script_apart, script_runs
from reports.automation.script_apart import Ended, Job
from reports.automation.script_folder import Script, opened
from reports.automation.script_options import Asked, asked
from reports.automation.script_runs import Run
from reports.delivery.message import Message
from reports.delivery.outgoing import Sent
from reports.delivery.targets import Target
from reports.errors import DeliveryError

FAILED = "It ended with exit code {}; `errhouse script list` and warehouse.script_run say more."


class Done(NamedTuple):
    """A run by hand, and how it went."""

    run_id: UUID
    ended: Ended


def pinned(settings: Settings, options: dict[str, str]) -> dict[str, str]:
    """
    Give the options of a target that is being added with the hash of its script, as it is now.

    Raises: DeliveryError when there is no script that may be run, or it is another than the hash that was told.
    """
    with opened(settings.scripts_dir, options.get("url", "")) as script:
        if told := options.get("sha256"):
            _same(script, told)
        return {**options, "sha256": script.sha256.hex()}


def standard_input(message: Message, target: str | None, run_id: UUID) -> bytes:
    """Give what a script reads: one JSON object on one line, in ASCII. Raises DeliveryError."""
    bare = msgspec.structs.replace(message, artifacts=())
    told: dict[str, Any] = {"action_id": str(run_id), "target": target, **msgspec.to_builtins(bare)}
    del told["artifacts"]
    try:
        return json.dumps(told, allow_nan=False).encode("ascii") + b"\n"
    except ValueError:
        raise DeliveryError("The event has a number that JSON does not know.", permanent=True) from None


class Runner:
    """Runs scripts of the operator's folder. Takes `clock` in place of the database's, for tests."""

    def __init__(
        self, engine: Engine, settings: Settings, clock: Callable[[Connection], datetime] = database_time
    ) -> None:
        self._engine = engine
        self._folder = settings.scripts_dir
        self._run_dir = settings.DATA_DIR / "run"
        self._user = settings.SCRIPTS_USER
        self._clock = clock

    def check(self, name: str, sha256: str) -> None:
        """Raise DeliveryError when there is no such script, or it is another than was registered."""
        with opened(self._folder, name) as script:
            _same(script, sha256)

    def run(self, target: Target, message: Message) -> Sent:
        """Run the script of a target for a message. Raises DeliveryError, permanent once it has begun."""
        options = asked(target)
        with self._engine.begin() as connection:
            message_id = script_runs.message_id(connection, f"{message.key}:{target.name}")
        run = Run(uuid4(), target.name, message_id, options.name, options.sha256, options.is_dry_run)
        try:
            with opened(self._folder, options.name) as script:
                run = run._replace(sha256=script.sha256)
                _same(script, options.sha256.hex())
                ended = self._ended(run, options, script, message)
        except DeliveryError as wrong:
            self._refuse(run, wrong)
            raise
        return _sent(run, ended) if isinstance(ended, Ended) else ended

    def try_out(self, name: str, message: Message, options: Asked) -> Done:
        """Run a script by hand, whatever its hash. Raises DeliveryError."""
        with opened(self._folder, name) as script:
            run = Run(uuid4(), None, None, name, script.sha256, options.is_dry_run)
            ended = self._ended(run, options, script, message)
        if not isinstance(ended, Ended):
            raise TypeError("what is run by hand has no message that it was run for before")
        return Done(run.run_id, ended)

    def _ended(self, run: Run, options: Asked, script: Script, message: Message) -> Ended | Sent:
        event = standard_input(message, run.target, run.run_id)
        user = script_apart.user_of(self._user)
        job = Job(run.run_id, options.arguments, options.seconds, options.cpu_seconds, options.has_network)
        with script_apart.slot(self._run_dir) as held:
            with self._engine.begin() as connection:
                moment = self._clock(connection)
                if run.target and (told := script_runs.before(connection, run, options, moment)):
                    return told
                script_runs.begin(connection, run, moment)
            if run.is_dry_run:
                ended = Ended(None, None, _would(options, event, self._user if user is not None else None))
            else:
                ended = _run(script, job, event, user, held)
        with self._engine.begin() as connection:
            script_runs.end(connection, run, ended, self._clock(connection))
        return ended

    def _refuse(self, run: Run, wrong: DeliveryError) -> None:
        """Write down what was refused for good."""
        if wrong.permanent:
            with self._engine.begin() as connection:
                script_runs.refuse(connection, run, str(wrong), self._clock(connection))


def _run(script: Script, job: Job, event: bytes, user: int | None, held: int) -> Ended:
    try:
        return script_apart.run(script, job, event, user, held)
    except DeliveryError as wrong:
        return Ended(None, str(wrong), "")


def _same(script: Script, sha256: str) -> None:
    if script.sha256.hex() != sha256.lower():
        raise DeliveryError(
            f"The script {script.name} is another than was registered; look at what was changed, and add its target "
            "again.",
            permanent=True,
        )


def _sent(run: Run, ended: Ended) -> Sent:
    if run.is_dry_run:
        return Sent(detail=ended.output)
    if ended.exit_code == 0:
        return Sent(status=0, detail=f"Exit code 0, run {run.run_id}.")
    why = ended.error if ended.exit_code is None else FAILED.format(ended.exit_code)
    raise DeliveryError(why or FAILED.format("unknown"), permanent=True, detail=f"Run {run.run_id}.")


def _would(options: Asked, event: bytes, user: str | None) -> str:
    words = json.dumps([options.name, *options.arguments])
    return f"Dry run: would run {words}{f' as {user}' if user else ''}, with {len(event)} bytes on standard input."
