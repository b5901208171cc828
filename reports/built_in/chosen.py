"""
What the counts of a period choose to be looked at closer: the second round of questions, asked once counts are there.

A section that uses the answer reads it with the same values, so that a wrong guess would be asked again, not be wrong.
"""

from datetime import timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports import questions, questions_counted
from reports.aggregations.escalating import LAST_HOURS
from reports.built_in.asked import Asked
from reports.filters import Filters
from reports.grouping import Ints, grouped, ranking, summed
from reports.period import Period
from reports.questions import Question

BY_CULPRIT = ("project", "culprit")
BY_QUIET = ("project", "level", "issue")
MOST_FOLLOWED = 200
"""Issues that are asked for: the most frequent of the period, and as many of the one before."""
LATELY = timedelta(hours=LAST_HOURS)
BASELINE = timedelta(days=7)
"""What spikes of issues are compared with; more is not always kept, and a report of the past must not change."""
SPARK_DAYS = 14


class Chosen(NamedTuple):
    """
    What there is to be asked, empty for nothing.

    `late`: issues seen in the last hours; `frequent`: of both periods; `quiet`: those always handled; `culprits`:
    filters for the most frequent ones.
    """

    late: list[int]
    frequent: list[int]
    quiet: list[int]
    culprits: Filters

    def questions(self, period: Period, before: Period, asked: Asked) -> list[Question]:
        """Give what is asked of them, in the order in which a report needs the answers."""
        filters = asked.filters
        made = []
        if self.late:
            made.append(questions.issue_hours(lately(period), filters._replace(issue=()), self.late))
        if self.culprits.culprit:
            made.append(questions_counted.users(period, BY_CULPRIT, self.culprits))
            made.append(questions_counted.days(sparks(period), BY_CULPRIT, self.culprits))
        if self.frequent:
            made.append(questions.issue_days(whole(period, before), self.frequent, filters))
        if self.quiet:
            made.append(questions_counted.users(period, BY_QUIET, of_issues(filters, self.quiet)))
        return made


def chosen(now: pd.DataFrame, then: pd.DataFrame, period: Period, asked: Asked) -> Chosen:
    """Choose, of the counts of a period and of the one before (pure)."""
    issues = grouped(("issue",), now, then)
    (here, there), ids = issues.numbers, issues.names["issue"].to_numpy()
    is_late = (now["last_seen_at"] >= period.end - LATELY).to_numpy()
    has_spikes = not any(asked.filters[1:5])
    most = {*_frequent(here, now["events"], ids), *_frequent(there, then["events"], ids)}
    is_unhandled = summed(here, now["unhandled_events"], len(ids)) > 0
    culprits = _most(now, BY_CULPRIT, asked.top)
    return Chosen(
        late=_frequent(here[is_late], now["events"][is_late], ids) if has_spikes else [],
        frequent=sorted(most),
        quiet=_quiet(now[~is_unhandled[here]]),
        culprits=asked.filters._replace(
            project=tuple(dict.fromkeys(culprits["project"])), culprit=tuple(dict.fromkeys(culprits["culprit"]))
        ),
    )


def lately(period: Period) -> Period:
    """Give what spikes at the end of a period are told from."""
    return Period(period.end - BASELINE, period.end, period.zone, "span")


def sparks(period: Period) -> Period:
    """Give the last 14 days, or those of the period when it is longer."""
    days = max(SPARK_DAYS, round(period.hours / 24))
    return Period(period.end - timedelta(days=days), period.end, period.zone, "span")


def whole(period: Period, before: Period) -> Period:
    """Give a period and the one before it as one."""
    return Period(before.start, period.end, period.zone, "span")


def of_issues(filters: Filters, issues: list[int]) -> Filters:
    """Give filters for issues by id."""
    return filters._replace(issue=tuple(str(each) for each in issues))


def _frequent(number: Ints, events: pd.Series, ids: Ints) -> list[int]:
    """Give the most frequent issues of those that rows are numbered by."""
    is_there = np.bincount(number, minlength=len(ids)) > 0
    order = ranking(summed(number, events, len(ids)))
    return [int(each) for each in ids[order[is_there[order]][:MOST_FOLLOWED]]]


def _quiet(counts: pd.DataFrame) -> list[int]:
    """Give the most frequent issues, by their parts, of counts of those that programs always handled."""
    if counts.empty:
        return []
    issues = _most(counts, BY_QUIET, len(counts))["issue"].drop_duplicates()
    return sorted(int(each) for each in issues.head(MOST_FOLLOWED))


def _most(counts: pd.DataFrame, by: tuple[str, ...], most: int) -> pd.DataFrame:
    groups = grouped(by, counts)
    events = summed(groups.numbers[0], counts["events"], len(groups.names))
    return groups.names.iloc[ranking(events)[:most]]
