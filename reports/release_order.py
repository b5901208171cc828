"""Which release came before which, and how old releases were when their events occurred (pure)."""

from datetime import datetime

import numpy as np
import pandas as pd

from reports.grouping import Ints, grouped, summed
from reports.hourly import hour_number, numbered

PAIR = ("project", "release", "predecessor", "first_seen_at", "previous_first_seen_at")


def pairs(releases: pd.DataFrame, release: str | None = None) -> pd.DataFrame:
    """
    Give each project's release that was first seen last, or the one named, and its predecessor.

    The predecessor is the next lower version of the same package, or an earlier build of the same version; where
    versions do not sort, the release first seen before it.
    Gives: PAIR, one row per project that has the release; predecessor "" and NaT where there is none.
    """
    known = ordered(releases)
    line = [known["project"], known["package"], known["version_sort"] == ""]
    is_first = ~pd.concat(line, axis=1).duplicated()
    known = known.assign(
        predecessor=known["release"].shift(1).where(~is_first).astype("str").fillna(""),
        previous_first_seen_at=known["first_seen_at"].shift(1).where(~is_first),
    )
    if release is not None:
        known = known[known["release"] == release]
    latest = known.sort_values("first_seen_at", kind="stable").drop_duplicates("project", keep="last")
    return latest.sort_values("project", ignore_index=True)[list(PAIR)]


def ordered(releases: pd.DataFrame) -> pd.DataFrame:
    """Give each release once, by project and package, in the order of versions where they sort, then of first sight."""
    texts = {name: releases[name].astype("str").fillna("") for name in ("project", "release", "package")}
    made = releases.assign(**texts, version_sort=releases["version_sort"].astype("str").fillna(""))
    made = made.sort_values(["first_seen_at", "release"]).drop_duplicates(["project", "release"])
    return made.sort_values(["project", "package", "version_sort", "first_seen_at", "release"], ignore_index=True)


class Aged:
    """
    Events of releases and of their predecessors, both within the same number of hours after each was first seen.

    `side` is 1 for the release, 0 for its predecessor, -1 for events of neither; `pair` is the row of `pairs`.
    """

    def __init__(self, hours: pd.DataFrame, found: pd.DataFrame, end: datetime, within_hours: int) -> None:
        self.pairs = found
        first = numbered(found["first_seen_at"])
        has = found["previous_first_seen_at"].notna().to_numpy()
        before = np.where(has, numbered(found["previous_first_seen_at"].fillna(found["first_seen_at"])), first)
        self.has_predecessor = has
        self.age_hours = np.clip(hour_number(end) - first, 0, within_hours).astype(np.int64)
        self.events = hours["events"].to_numpy()
        place = {project: number for number, project in enumerate(found["project"])}
        pair = hours["project"].map(place).fillna(-1).to_numpy().astype(np.int64)
        row = np.maximum(pair, 0)
        self.side = np.full(len(hours), -1, dtype=np.int64)
        if len(found):
            names = np.concatenate([found["release"], found["predecessor"], hours["release"].fillna("")])
            codes = pd.factorize(pd.Series(names, dtype="str"))[0]
            releases, predecessors, told = np.split(codes, [len(found), 2 * len(found)])
            at = numbered(hours["hour"])
            for side, name, since in ((1, releases, first), (0, predecessors, before)):
                age = at - since[row]
                is_of = (pair >= 0) & (told == name[row]) & (age >= 0) & (age < self.age_hours[row])
                self.side[is_of & (has[row] | (side == 1))] = side
        self.pair = row
        self.hours = hours

    def total(self, side: int) -> Ints:
        """Return the events of each pair's release (1) or predecessor (0)."""
        mine = self.side == side
        return summed(self.pair[mine], self.events[mine], len(self.pairs))

    def active_hours(self, side: int) -> Ints:
        """Return in how many hours each pair's release (1) or predecessor (0) had an event."""
        mine = self.side == side
        keys = np.unique(self.pair[mine] * (1 << 32) + numbered(self.hours["hour"])[mine])
        return np.bincount(keys >> 32, minlength=len(self.pairs)).astype(np.int64)

    def issues(self) -> pd.DataFrame:
        """Return one row per pair and issue: pair, project, issue_id, events, previous_events."""
        counted = self.side >= 0
        groups = grouped(("project", "issue_id"), self.hours[counted])
        (number,), count = groups.numbers, groups.count
        side, events = self.side[counted], self.events[counted]
        pair = np.zeros(count, dtype=np.int64)
        pair[number] = self.pair[counted]
        return groups.names.assign(
            pair=pair,
            events=summed(number, events * (side == 1), count),
            previous_events=summed(number, events * (side == 0), count),
        )
