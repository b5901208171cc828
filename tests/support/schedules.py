"""Schedules in a test's own database, a tiny report to make by them, and programs that stand for one."""

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from reports import schedules
from reports.cron import Schedule
from reports.making import Workshop
from reports.period import Period
from reports.questions import Question
from reports.reading import Reader
from reports.report import Figure, Report, encoded, span

START = datetime(2026, 11, 20, tzinfo=UTC)


def given(name: str = "counts", **about: Any) -> Schedule:
    """Give a schedule with defaults."""
    row: dict[str, Any] = {
        "report": "tiny", "cron": "0 * * * *", "zone": "UTC", "starts_at": START, "parameters": {},
        "formats": ["json"], "targets": [], "settle": timedelta(0), **about,
    }  # fmt: skip
    return Schedule(name, **row)


def keep(engine: Engine, *made: Schedule) -> None:
    """Write schedules."""
    with engine.begin() as connection:
        for each in made:
            schedules.keep(connection, each, is_replaced=True)


def tiny(name: str, reader: Reader, period: Period, parameters: Mapping[str, Any]) -> Report:
    """Make a report that counts the events of its period."""
    question = "select count(*) as events from analytics.events where occurred_at >= :start and occurred_at < :end"
    found = reader.read(question, start=period.start, end=period.end)
    headline = [Figure("events", "Events", int(found["events"][0]))]
    return Report(name, "Counts", span(period), None, dict(parameters), headline, [], [], [], [])


def nothing(name: str, period: Period, parameters: Mapping[str, Any]) -> list[Question]:
    """Ask nothing ahead."""
    del name, period, parameters
    return []


class Json:
    """The one format of the tiny report."""

    NAME = "json"
    EXTENSION = "json"
    MEDIA_TYPE = "application/json"

    def render(self, report: Report) -> bytes:
        return encoded(report)


SHOP = Workshop(tiny, nothing, (Json(),))


def program(*lines: str) -> Iterable[str]:
    """Give a command that stands for the process of a report."""
    return (sys.executable, "-c", "\n".join(lines))
