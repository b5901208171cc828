"""Automation scripts of tests: put one there, run it apart, and guard one as another user than root."""

import base64
import codecs
import hashlib
import json
import os
import pwd
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from models.settings import Settings
from reports.automation import script_apart, script_guard
from reports.automation.script_apart import Ended, Job
from reports.automation.script_folder import in_memory, opened
from reports.delivery.message import Message
from reports.delivery.targets import Target

USER = "nobody"


def put(folder: Path, name: str, body: str, mode: int = 0o755) -> str:
    """Put a script into a folder, which is made; give its hash."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    path = folder / name
    path.write_text(body)
    path.chmod(mode)
    return hashlib.sha256(body.encode()).hexdigest()


def target(name: str, sha256: str, **options: str) -> Target:
    """Give a target `ops` that runs a script."""
    return Target("ops", "script", {"url": name, "sha256": sha256, **options})


def message(key: str = "k", **event: Any) -> Message:
    """Give a message about an event."""
    return Message(key=key, kind="alert", title=str(event.get("title", "Broken")), event=event)


def settings(data_dir: Path) -> Settings:
    """Give settings with a data folder."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Settings(DATA_DIR=data_dir)


def job(*arguments: str, seconds: float = 20, cpu_seconds: int = 10, has_network: bool = True) -> Job:
    """Give a run with an id of its own."""
    return Job(uuid4(), arguments, seconds, cpu_seconds, has_network)


def run(folder: Path, name: str, what: Job, event: bytes = b"{}\n") -> Ended:
    """Run a script of a folder apart, as nobody when we are root."""
    with opened(folder, name) as script, script_apart.slot(folder.parent / "run") as held:
        return script_apart.run(script, what, event, script_apart.user_of(USER), held)


def guarded_as(user: str, folder: Path, name: str, what: Job) -> dict[str, Any]:
    """Run the guard itself as another user, with the script as that user too; give what it tells."""
    read_job, write_job = os.pipe()
    read_answer, write_answer = os.pipe()
    event = in_memory("event", b"{}\n")
    for encoding in ("ascii", "utf-8"):
        codecs.lookup(encoding)  # another user may not be able to read Python's own files
    with opened(folder, name) as script:
        told = {
            "script": script.handle,
            "event": event,
            "argv": [name, *what.arguments],
            "environment": environment(what.run_id),
            "uid": None,
            "seconds": what.seconds,
            "cpu_seconds": what.cpu_seconds,
            "no_network": not what.has_network,
        }
        pid = os.fork()
        if pid == 0:
            _guard(user, read_job, write_answer, (write_job, read_answer))
    for handle in (event, read_job, write_answer):
        os.close(handle)
    os.write(write_job, json.dumps(told).encode() + b"\n")
    with os.fdopen(read_answer, "rb") as answer:
        said = answer.read()
    os.close(write_job)
    os.waitpid(pid, 0)
    found: dict[str, Any] = json.loads(said)
    found["output"] = base64.b64decode(found["output"]).decode()
    return found


def environment(run_id: UUID) -> dict[str, str]:
    """Give all that a script's environment holds."""
    return {"PATH": script_apart.PATH, "LANG": script_apart.LANG, "ACTION_ID": str(run_id)}


def _guard(user: str, job_handle: int, answer_handle: int, others: Sequence[int]) -> None:
    try:
        for handle in others:
            os.close(handle)
        os.dup2(job_handle, 0)
        os.dup2(answer_handle, 1)
        found = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(found.pw_gid)
        os.setuid(found.pw_uid)
        sys.stdin = os.fdopen(0, "r", closefd=False)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        script_guard.main()
        sys.stdout.flush()
    finally:
        os._exit(0)
