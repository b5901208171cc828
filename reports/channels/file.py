"""
Writes reports to a folder of this machine, as `<report>-<period>.<extension>`.

A schedule that is not named as its report is named in between, so that two of one report do not replace each other.
A file appears whole or not at all, and one of the same period replaces the one before. Every error is permanent but
those of a full or faulty disk.
"""

import errno
import os
import re
from contextlib import suppress
from pathlib import Path

from reports.delivery.message import Artifact, Message
from reports.delivery.outgoing import Outgoing, Sent
from reports.delivery.targets import Option, Target
from reports.errors import DeliveryError

NAME: str = "file"
SENTENCE: str = "Writes the files of reports to a folder of this machine."
OPTIONS: tuple[Option, ...] = (Option("url", "The folder: an absolute path.", is_required=True),)
PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT}

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)


def check(target: Target) -> None:
    """Refuse what is not the absolute path of a folder."""
    address = target.get("url")
    folder = Path(address)
    if not folder.is_absolute() or ".." in folder.parts or "\0" in address:
        raise DeliveryError(f"{address!r} is not an absolute path without `..`; write file:/folder.", permanent=True)


def send(target: Target, message: Message, _: Outgoing) -> Sent:
    """Write every artifact of the message."""
    check(target)
    folder = Path(target.get("url"))
    if not folder.is_dir():
        raise DeliveryError(f"There is no folder {folder}; make it, and let errhouse write to it.", permanent=True)
    for artifact in message.artifacts:
        path = folder / file_name(message, artifact)
        try:
            _replace(path, artifact.body)
        except OSError as error:
            raise DeliveryError(
                f"{path} cannot be written ({error.strerror}); let errhouse write to that folder.",
                permanent=error.errno not in PASSING,
            ) from None
    return Sent()


def file_name(message: Message, artifact: Artifact) -> str:
    """Give the name of a file, which is no path. Raises DeliveryError."""
    about = message.report
    if about is None:
        raise DeliveryError("A folder takes reports only; give the rule another target.", permanent=True)
    period = re.sub(r"[^A-Za-z0-9._-]+", "-", about.period.replace(":", ""))
    names = (about.report,) if about.schedule == about.report else (about.report, about.schedule)
    for part in (*names, period, artifact.extension):
        if not _PLAIN.fullmatch(part) or ".." in part:
            raise DeliveryError(f"{part!r} cannot be part of the name of a file; give it another name.", permanent=True)
    return f"{'-'.join((*names, period))}.{artifact.extension}"


def _replace(path: Path, body: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    with suppress(FileNotFoundError):
        draft.unlink()
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise
