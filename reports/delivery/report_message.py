"""What a message says of a report that goes with it: what it found, in a few sentences, and its headline."""

from datetime import datetime
from uuid import UUID

from reports import wording
from reports.delivery.message import AboutReport, Artifact, Fact, Message
from reports.report import Figure, Report

MOST_SENTENCES = 4


def report_message(
    report: Report, run_id: UUID, schedule: str, artifacts: tuple[Artifact, ...], made_at: datetime, public_url: str
) -> Message:
    """
    Give the message of a run.

    Takes: `schedule`, its name; `public_url`, under which the console is, or nothing.
    """
    sentences = [each.sentence for each in report.sections if each.sentence]
    period = report.period
    return Message(
        key=str(run_id),
        kind="report",
        title=f"{report.title} {period.label}",
        text="\n".join([*filter(None, report.notes), *sentences[:MOST_SENTENCES]]),
        facts=(
            Fact("period", f"{wording.span(period)}, {period.zone}"),
            *(Fact(each.title, _said(each, period.zone)) for each in report.headline),
        ),
        link=f"{public_url}/reports/runs/{run_id}" if public_url else None,
        made_at=made_at,
        report=AboutReport(schedule, report.name, period.label),
        artifacts=artifacts,
    )


def _said(figure: Figure, zone: str) -> str:
    value, difference = wording.figure(figure, zone), wording.change(figure)
    if difference is None:
        return value
    return f"{value} ({wording.compared(difference, is_significant=figure.is_significant)})"
