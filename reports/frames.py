"""
Questions to the warehouse as DataFrames: the door for notebooks, and what reports are made of.

    from reports import frames
    frames.frequency("30d", by="project,culprit")

Each function also takes a `Period` and an open `Reader`, so that a report asks everything of one snapshot. Numbers are
exact for any period.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import numpy as np
import pandas as pd

from models.clock import now
from reports import questions, questions_counted
from reports.filters import Filters, groupings
from reports.grouping import earliest, grouped, latest, summed
from reports.period import Period, parsed
from reports.questions import ALL, WANTED, Question
from reports.reading import Reader, reading

__all__ = [
    "WANTED",
    "compared",
    "culprit_days",
    "frequency",
    "history",
    "hours",
    "issue_days",
    "issue_hours",
    "issues",
    "quality",
    "release_days",
    "release_hours",
    "releases",
    "users",
]

Compared = tuple[pd.DataFrame, pd.DataFrame]
"""Counts of a period, and of the one before it."""

SUMMED = ("events", "weighted_events", "unhandled_events", "first_seen_at", "last_seen_at", "users")


def frequency(
    period: Period | str = "7d",
    by: str | tuple[str, ...] = "project,level,culprit",
    filters: Filters = ALL,
    reader: Reader | None = None,
    *,
    counts_users: bool = True,
) -> pd.DataFrame:
    """
    How often, by what was asked for, most frequent first.

    Takes: `by`, words of reports.filters.GROUPINGS; `counts_users`, which costs more than all the rest: else 0.
    Gives: those columns (str; issue int64; "" for none), events (int64), weighted_events (float64), unhandled_events
           (int64), users (int64, within 3 % beyond a thousand), first_seen_at, last_seen_at (UTC).
    """
    names = groupings(by) if isinstance(by, str) else by
    return _answer(questions_counted.frequency(_period(period), names, filters, counts_users=counts_users), reader)


def compared(
    period: Period, before: Period, by: tuple[str, ...], filters: Filters = ALL, reader: Reader | None = None
) -> Compared:
    """
    How often in a period, and in one before it; as `frequency` tells both, without users.

    Gives: the two frames.
    """
    question = questions_counted.compared(period, before, by, filters)
    if question is None:
        with _reader(reader) as opened:
            now_, then = (frequency(each, by, filters, opened, counts_users=False) for each in (period, before))
        return now_, then
    return _summed(_answer(question, reader).assign(users=0), by)


def hours(period: Period | str = "7d", filters: Filters = ALL, reader: Reader | None = None) -> pd.DataFrame:
    """
    Count by hour: one row per project, UTC hour, level and environment; hours that the period touches count whole.

    Gives: project_id (int64), project, hour (UTC), level, environment (str), events, unhandled_events (int64),
           weighted_events (float64).
    """
    return _answer(questions.hours(_period(period), filters), reader)


def history(period: Period, since: datetime, filters: Filters = ALL, reader: Reader | None = None) -> pd.DataFrame:
    """
    Count the hours that a period touches by project and level, and those before it, from `since`, by project alone.

    Gives: columns of reports.aggregation.HOURS; environment is "", and so is level before the period.
    """
    found = _answer(questions.history(period, since, filters), reader)
    found.insert(3, "environment", pd.Series("", index=found.index, dtype="str"))
    return found.assign(weighted_events=0.0, unhandled_events=0)


def culprit_days(period: Period, filters: Filters = ALL, reader: Reader | None = None) -> pd.DataFrame:
    """
    Count by UTC day, project and culprit; days that the period touches count whole.

    Gives: project, culprit (str), day (date), events (int64).
    """
    return _answer(questions_counted.days(period, ("project", "culprit"), filters), reader)


def users(
    period: Period | str = "7d",
    filters: Filters = ALL,
    reader: Reader | None = None,
    *,
    by: str | tuple[str, ...] = "project",
) -> pd.DataFrame:
    """
    Count distinct users, by name; a person in two projects is one in each, and cannot be told.

    Takes: `by`, words of reports.filters.GROUPINGS.
    Gives: those columns, as `frequency` does, and users (int64, within 3 % beyond a thousand).
    """
    names = groupings(by) if isinstance(by, str) else by
    if names == ("project",) and not any(filters._replace(project=())):
        question = questions.users(_period(period), filters)
    else:
        question = questions_counted.users(_period(period), names, filters)
    found = _answer(question, reader)
    return found.sort_values(list(names), ignore_index=True)[[*names, "users"]]


def issues(
    since: datetime, filters: Filters = ALL, reader: Reader | None = None, *, counts_users: bool = True
) -> pd.DataFrame:
    """
    Give the issues that were seen since an instant, as they are now.

    Takes: `counts_users`, which costs more than all the rest: else 0.
    Gives: project_id, issue_id, events, users (int64), project, title, culprit, level, status, substatus, priority,
           first_release, last_release (str, missing when not told), first_seen_at, last_seen_at, resolved_at (UTC).
    """
    return _answer(questions.issues(since, filters, counts_users=counts_users), reader)


def issue_hours(
    period: Period | str = "7d",
    filters: Filters = ALL,
    reader: Reader | None = None,
    *,
    chosen: Sequence[int] | None = None,
) -> pd.DataFrame:
    """
    Count by hour and issue, as long as that is kept (HOUR_GROUP_RETENTION_DAYS); of filters, project and issue count.

    Takes: `chosen`, ids of a few issues: the hours of these alone are looked up.
    Gives: project (str), issue_id (int64), hour (UTC), events (int64).
    """
    return _answer(questions.issue_hours(_period(period), filters, chosen), reader)


def issue_days(
    period: Period, chosen: Sequence[int], filters: Filters = ALL, reader: Reader | None = None
) -> pd.DataFrame:
    """
    Tell when a few issues, by id, had their first and last event of each UTC day that a period touches.

    Gives: project (str), issue_id (int64), day (date), first_seen_at, last_seen_at (UTC).
    """
    return _answer(questions.issue_days(period, chosen, filters), reader)


def releases(filters: Filters = ALL, reader: Reader | None = None) -> pd.DataFrame:
    """
    Give every release and distribution, over all time; of filters, project and release count.

    Gives: columns of `analytics.releases`, dist, package and version_sort missing where there is none.
    """
    return _answer(questions.releases(filters), reader)


def release_hours(period: Period | str = "7d", filters: Filters = ALL, reader: Reader | None = None) -> pd.DataFrame:
    """
    Count by hour, release and issue, from the events themselves: name the releases in the filters, they may be many.

    Gives: project, release (str), issue_id (int64), hour (UTC), events (int64).
    """
    return _answer(questions.release_hours(_period(period), filters), reader)


def release_days(period: Period | str = "30d", filters: Filters = ALL, reader: Reader | None = None) -> pd.DataFrame:
    """
    Count by UTC day and release; days that the period touches count whole.

    Gives: project, release (str, "" for none), day (date), events (int64).
    """
    return _answer(questions_counted.days(_period(period), ("project", "release"), filters), reader)


def quality(period: Period | str = "7d", filters: Filters = ALL, reader: Reader | None = None) -> pd.DataFrame:
    """Give `analytics.data_quality` for the UTC days that a period touches."""
    return _answer(questions.quality(_period(period), filters), reader)


def _summed(met: pd.DataFrame, by: tuple[str, ...]) -> Compared:
    """Add rows of the same names and period up, and put them in order: most frequent first, then by name."""
    is_now = met["is_now"].to_numpy(dtype=bool)
    groups = grouped(by, met)
    number = groups.numbers[0] * 2 + is_now
    if np.bincount(number).max(initial=0) > 1:
        count = 2 * len(groups.names)
        is_there = np.bincount(number, minlength=count) > 0
        made = groups.names.take(np.arange(count) // 2).reset_index(drop=True)
        made = made.assign(
            events=summed(number, met["events"], count),
            weighted_events=np.bincount(number, weights=met["weighted_events"], minlength=count),
            unhandled_events=summed(number, met["unhandled_events"], count),
            first_seen_at=earliest(number, met["first_seen_at"], count),
            last_seen_at=latest(number, met["last_seen_at"], count),
            users=0,
        )
        met, number = made[is_there], np.flatnonzero(is_there)
        is_now = number % 2 == 1
    order = np.lexsort((number, -met["events"].to_numpy()))
    columns = met[[*by, *SUMMED]]
    now, then = (columns.take(order[side[order]]).reset_index(drop=True) for side in (is_now, ~is_now))
    return now, then


def _period(told: Period | str) -> Period:
    return told if isinstance(told, Period) else parsed(now(), last=told)


def _answer(question: Question, given: Reader | None) -> pd.DataFrame:
    with _reader(given) as opened:
        return opened.read(question.sql, **question.told)


@contextmanager
def _reader(given: Reader | None) -> Iterator[Reader]:
    if given is not None:
        yield given
        return
    from models.engine import database_url  # noqa: PLC0415 - a notebook's way in; a report has its reader
    from models.settings import load_settings  # noqa: PLC0415 - the same

    with database_url(load_settings()) as url, reading(url) as opened:
        yield opened
