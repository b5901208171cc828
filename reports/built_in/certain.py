"""
What a report is certain to ask, known from its period and parameters alone (pure).

It is asked while pandas is imported. What is not in the list is asked when it is needed, with the same answer.
"""

from datetime import timedelta
from zoneinfo import ZoneInfo

from reports import questions, questions_counted
from reports.built_in.asked import Asked
from reports.filters import words
from reports.period import BASELINE_WEEKS, Period, midnight
from reports.questions import Question

FINE = ("project", "level", "culprit", "environment", "issue")
BY_ISSUE = ("project", "issue")
BY_RELEASE = ("project", "release")
DAYS_BEFORE = 14
HISTORY = timedelta(weeks=BASELINE_WEEKS)


def certain(name: str, period: Period, asked: Asked) -> list[Question]:
    """Give the questions of a report, in the order in which it needs the answers."""
    if name == "weekly":
        return _compared(period, period.previous(), asked, counts_before=True)
    if name == "daily":
        return _compared(period, baseline(period), asked, counts_before=False)
    if name == "frequency":
        return [
            questions_counted.frequency(period, words(asked.by), asked.filters, counts_users=True),
            questions_counted.frequency(period.previous(), words(asked.by), asked.filters, counts_users=False),
        ]
    if name == "health":
        filters = asked.filters._replace(environment=(), level=(), culprit=(), release=(), issue=())
        return [
            questions.quality(period, filters),
            *_both(period, period.previous(), ("project",), asked._replace(filters=filters)),
        ]
    return []


def baseline(period: Period) -> Period:
    """Give the fourteen days, or periods of the same length, before."""
    if period.kind != "day":
        return Period(period.start - DAYS_BEFORE * (period.end - period.start), period.start, period.zone, "span")
    first = period.start.astimezone(ZoneInfo(period.zone)).date() - timedelta(days=DAYS_BEFORE)
    return Period(midnight(first, period.zone), period.start, period.zone, "span")


def _compared(period: Period, before: Period, asked: Asked, *, counts_before: bool) -> list[Question]:
    chosen = asked.filters
    by_project = not any(chosen._replace(project=()))
    return [
        *_both(period, before, FINE, asked),
        questions.history(period, period.start - HISTORY, chosen),
        *_both(period, before, BY_RELEASE, asked),
        questions.issues(before.start, chosen, counts_users=False),
        *([questions.users(period, chosen)] if by_project else []),
        *([questions.users(before, chosen)] if by_project and counts_before else []),
        questions.quality(period, chosen),
    ]


def _both(period: Period, before: Period, by: tuple[str, ...], asked: Asked) -> list[Question]:
    question = questions_counted.compared(period, before, by, asked.filters)
    if question is not None:
        return [question]
    return [questions_counted.frequency(each, by, asked.filters, counts_users=False) for each in (period, before)]
