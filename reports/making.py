"""
What the process of one run does: make the report, in each format, and end the run.

What is to be sent is put into the outbox in the transaction that ends the run: both are so, or neither. The run is
done once the report is made; whether it arrived is told by its messages.
"""

import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import UUID

from models import failpoints
from models.clock import database_time, now
from models.engine import engine_for
from reports import runs
from reports.cron import period, told
from reports.delivery import outbox
from reports.delivery.message import Artifact, Message
from reports.delivery.report_message import report_message
from reports.errors import LostClaim, ReportsError

if TYPE_CHECKING:
    from reports.period import Period
    from reports.questions import Question
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
    """What reports are made with."""

    make: "Callable[[str, Reader, Period, Mapping[str, Any]], Report]"
    ahead: "Callable[[str, Period, Mapping[str, Any]], Sequence[Question]]"
    formats: Sequence[Format]


def perform(url: str, run_id: UUID, attempt_count: int, shop: Workshop, public_url: str = "") -> None:
    """
    Do a run that was claimed, to its end.

    Takes: `public_url`, under which the console is.
    Raises: ReportsError, one sentence on why it could not be made; LostClaim.
    """
    engine = engine_for(url, application="errhouse report", pool_size=1)
    try:
        with engine.begin() as connection:
            run = runs.read(connection, run_id, attempt_count)
        if run is None:
            raise LostClaim("The run is another worker's by now.")
        failpoints.passed(failpoints.SCHEDULE_CLAIMED)
        message, row_count = made(url, run, shop, public_url)
        failpoints.passed(failpoints.SCHEDULE_DONE)
        how = runs.Outcome("done", None, row_count, _most_memory(), version("errhouse"), message.artifacts)
        with engine.begin() as connection:
            is_ours = runs.end(connection, run, how)
            for target in run.targets if is_ours else ():
                outbox.put(connection, message, target, database_time(connection), run_id=run_id)
    finally:
        engine.dispose()
    if not is_ours:
        raise LostClaim("The run is another worker's by now.")


def made(url: str, run: runs.Run, shop: Workshop, public_url: str = "") -> tuple[Message, int]:
    """Make the report of a run in its formats; give it as it is sent, and how many rows were read."""
    from reports.reading import reading  # noqa: PLC0415 - pandas, which those that only send do not need

    known = {each.NAME: each for each in shop.formats}
    if strange := [name for name in run.formats if name not in known]:
        raise ReportsError(f"There is no format {', '.join(strange)}; there are {', '.join(known)}.")
    covered = period(run.report, run.scheduled_for, run.zone, run.parameters)
    parameters = told(run.parameters)
    with reading(url, shop.ahead(run.report, covered, parameters)) as reader:
        report = shop.make(run.report, reader, covered, parameters)
        row_count = reader.row_count
    artifacts = tuple(
        Artifact(each.NAME, each.EXTENSION, each.MEDIA_TYPE, each.render(report))
        for each in (known[name] for name in run.formats)
    )
    return report_message(report, run.run_id, run.name, artifacts, now(), public_url), row_count


def _most_memory() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
