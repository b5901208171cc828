"""What the daily and the weekly report ask the warehouse: each question once, all of one snapshot."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from reports import frames
from reports.aggregation import COUNTS, counts, empty
from reports.aggregations.issue_movement import SILENCE
from reports.built_in.asked import Asked
from reports.built_in.certain import BY_ISSUE, BY_RELEASE, FINE, HISTORY
from reports.built_in.chosen import Chosen, chosen
from reports.grouping import grouped, summed, weighed
from reports.hourly import dispersion_of
from reports.period import Period
from reports.reading import Reader

__all__ = ["BY_ISSUE", "BY_RELEASE", "Gathered", "gathered", "mean_of", "recent"]

MOST_CHOSEN = 1000  # issues named in a question; beyond it all are asked for


class Gathered(NamedTuple):
    """
    Frames of a period and of what it is compared with.

    `times`: how many such periods that is, to whose mean the period is compared; `dispersion`: Φ of all events.
    """

    period: Period
    before: Period
    times: int
    asked: Asked
    reader: Reader
    now: pd.DataFrame
    then: pd.DataFrame
    history: pd.DataFrame
    dispersion: float
    issues: pd.DataFrame
    users: pd.DataFrame
    users_before: pd.DataFrame
    quality: pd.DataFrame
    chosen: Chosen
    of_releases: frames.Compared

    @property
    def hours(self) -> pd.DataFrame:
        """Return the hours of the period alone, by project and level."""
        return self.history[self.history["level"] != ""]

    def compared_by(self, *by: str) -> pd.DataFrame:
        """Return counts of before by some groupings, as of one period."""
        return mean_of(self.then, by, self.times)


def gathered(reader: Reader, period: Period, before: Period, asked: Asked, times: int = 1) -> Gathered:
    """Ask what a report that compares two periods is made of."""
    filters = asked.filters
    now, then = frames.compared(period, before, FINE, filters, reader)
    closer = chosen(now, then, period, asked)
    reader.ask(closer.questions(period, before, asked))
    history = frames.history(period, period.start - HISTORY, filters, reader)
    return Gathered(
        period,
        before,
        times,
        asked,
        reader,
        now,
        then,
        history,
        dispersion_of(history, period.end),
        described_by(frames.issues(before.start, filters, reader, counts_users=False), now, then),
        frames.users(period, filters, reader),
        frames.users(before, filters, reader) if times == 1 else empty(counts("project"))[["project", "users"]],
        frames.quality(period, filters, reader),
        closer,
        frames.compared(period, before, BY_RELEASE, filters, reader),
    )


def described_by(issues: pd.DataFrame, now: pd.DataFrame, then: pd.DataFrame) -> pd.DataFrame:
    """Give each issue the culprit and level that most of its events had then, so that later ones change nothing."""
    both = pd.concat([now, then], ignore_index=True)
    told = both.drop_duplicates(["project", "issue"])[["project", "issue", "culprit", "level"]]
    told = told.rename(columns={"issue": "issue_id"})
    made = issues.drop(columns=["culprit", "level"]).merge(told, on=["project", "issue_id"], how="inner", sort=False)
    return made.sort_values(["project", "issue_id"], ignore_index=True)


def recent(found: Gathered) -> pd.DataFrame:
    """Count the 14 days before the period, of issues that may have been silent in them."""
    start = found.period.start
    if found.before.start <= start - SILENCE:
        return found.then
    known = found.issues[found.issues["first_seen_at"] < start]["issue_id"].unique()
    seen = found.now[found.now["issue"].isin(known)]["issue"].unique()
    chosen = sorted(set(seen.tolist()) - set(found.then["issue"].tolist()))
    if not chosen:
        return empty({name: COUNTS[name] for name in counts("project", "issue")})
    days = Period(start - SILENCE, start, found.period.zone, "span")
    filters = found.asked.filters
    if len(chosen) <= MOST_CHOSEN:
        filters = filters._replace(issue=tuple(str(each) for each in chosen))
    return frames.frequency(days, BY_ISSUE, filters, found.reader, counts_users=False)


def mean_of(frame: pd.DataFrame, by: tuple[str, ...], times: int) -> pd.DataFrame:
    """Sum counts by groups and divide them by a number of periods, to whole events."""
    if times == 1:
        return frame
    groups = grouped(by, frame)
    made = summed_up(frame, groups.names, groups.numbers[0], len(groups.names))
    for name in ("events", "unhandled_events"):
        made[name] = np.rint(made[name] / times).astype("int64")
    return made


def summed_up(frame: pd.DataFrame, names: pd.DataFrame, number: np.ndarray, count: int) -> pd.DataFrame:
    """Give one row of counts per group, without its users."""
    by_first = frame.assign(number=number).groupby("number", sort=True)
    return names.assign(
        events=summed(number, frame["events"], count),
        weighted_events=weighed(number, frame["weighted_events"], count),
        unhandled_events=summed(number, frame["unhandled_events"], count),
        users=np.zeros(count, dtype=np.int64),
        first_seen_at=by_first["first_seen_at"].min().reset_index(drop=True),
        last_seen_at=by_first["last_seen_at"].max().reset_index(drop=True),
    )
