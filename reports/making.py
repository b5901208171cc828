"""
What the process of one run does: make the report, in each format, send it, and end the run.

It is sent before the run is ended: after a crash in between it is sent again, rather than never. A report that was
made and could not be sent is kept, and its run has failed.
"""

import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import UUID

from sqlalchemy import Engine

from models.engine import engine_for
from reports import runs
from reports.channels import CHANNELS, Channel, check
from reports.cron import period, told
from reports.errors import DeliveryError, LostClaim, ReportsError
from reports.message import AboutReport, Artifact, Message
from reports.targets import written

NOWHERE: Any = None  # a folder needs no way out

if TYPE_CHECKING:
    from reports.period import Period
    from reports.reading import Reader
    from reports.report import Report


class Format(Protocol):
    """One format of reports."""

    NAME: str
    EXTENSION: str
    MEDIA_TYPE: str

    def render(self, report: "Report") -> bytes:
        """Give the file."""


class Workshop(NamedTuple):
    """What reports are made with, and sent by."""

    make: "Callable[[str, Reader, Period, Mapping[str, Any]], Report]"
    formats: Sequence[Format]
    channels: Sequence[Channel] = CHANNELS


def perform(url: str, run_id: UUID, attempt_count: int, shop: Workshop) -> None:
    """
    Do a run that was claimed, to its end.

    Raises: ReportsError, one sentence on why it could not be made or sent; LostClaim.
    """
    engine = engine_for(url, application="errhouse report", pool_size=1)
    try:
        with engine.begin() as connection:
            run = runs.read(connection, run_id, attempt_count)
        if run is None:
            raise LostClaim("The run is another worker's by now.")
        message, row_count = made(url, run, shop)
        trouble = _sent(engine, run, message, shop)
        how = runs.Outcome(
            "failed" if trouble else "done",
            trouble,
            row_count,
            _most_memory(),
            version("errhouse"),
            message.artifacts,
        )
        with engine.begin() as connection:
            is_ours = runs.end(connection, run, how)
    finally:
        engine.dispose()
    if not is_ours:
        raise LostClaim("The run is another worker's by now.")
    if trouble:
        raise ReportsError(trouble)


def made(url: str, run: runs.Run, shop: Workshop) -> tuple[Message, int]:
    """Make the report of a run in its formats; give it as it is sent, and how many rows were read."""
    from reports.reading import reading  # noqa: PLC0415 - pandas, which those that only send do not need

    known = {each.NAME: each for each in shop.formats}
    if strange := [name for name in run.formats if name not in known]:
        raise ReportsError(f"There is no format {', '.join(strange)}; there are {', '.join(known)}.")
    covered = period(run.report, run.scheduled_for, run.zone, run.parameters)
    with reading(url) as reader:
        report = shop.make(run.report, reader, covered, told(run.parameters))
        row_count = reader.row_count
    artifacts = tuple(
        Artifact(each.NAME, each.EXTENSION, each.MEDIA_TYPE, each.render(report))
        for each in (known[name] for name in run.formats)
    )
    about = AboutReport(run.name, run.report, covered.label)
    return Message(str(run.run_id), "report", report.title, report=about, artifacts=artifacts), row_count


def _sent(engine: Engine, run: runs.Run, message: Message, shop: Workshop) -> str | None:
    """Send a report to every target of its run; give in one sentence what could not be sent."""
    if not run.targets:
        return None
    with engine.begin() as connection:
        if not runs.beat(connection, run):
            raise LostClaim("The run is another worker's by now.")
    failures = []
    for target in run.targets:
        try:
            to = written(target)
            check(to, shop.channels).send(to, message, NOWHERE)
        except (DeliveryError, ReportsError) as wrong:
            failures.append(str(wrong))
    return f"It was made, and not sent: {' '.join(failures)}" if failures else None


def _most_memory() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
