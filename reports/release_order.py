"""Which release came before which, and how old releases were when their events occurred (pure)."""

from datetime import datetime

import numpy as np
import pandas as pd

from reports.grouping import Ints, grouped, summed
from reports.hourly import hour_number, numbered

PAIR = ("project", "release", "predecessor", "first_seen_at", "previous_first_seen_at")


def pairs(releases: pd.DataFrame, release: str | None = None) -> pd.DataFrame:
    """
    Give each project's latest release, or the one named, and its predecessor.

    The predecessor is the next lower version of the same package; where versions do not sort, the one first seen
    before it. The latest is the one first seen last.
    Gives: PAIR, one row per project that has the release; predecessor "" and NaT where there is none.
    """
    known = ordered(releases)
    found = []
    for _, of_project in known.groupby("project", sort=True):
        chosen = of_project[of_project["release"] == release] if release is not None else _latest(of_project)
        if chosen.empty:
            continue
        this = chosen.iloc[-1]
        earlier = _earlier(of_project, this)
        last = (earlier.iloc[-1]["release"], earlier.iloc[-1]["first_seen_at"]) if len(earlier) else ("", pd.NaT)
        found.append((this["project"], this["release"], last[0], this["first_seen_at"], last[1]))
    made = pd.DataFrame(found, columns=list(PAIR))
    instants = dict.fromkeys(("first_seen_at", "previous_first_seen_at"), "datetime64[us, UTC]")
    return made.astype({"project": "str", "release": "str", "predecessor": "str", **instants})


def ordered(releases: pd.DataFrame) -> pd.DataFrame:
    """Give each release once, in the order of versions where they sort, then of first sight."""
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
        releases, predecessors = (found[name].to_numpy(dtype=object) for name in ("release", "predecessor"))
        self.side = np.full(len(hours), -1, dtype=np.int64)
        if len(found):
            told = hours["release"].fillna("").to_numpy(dtype=object)
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
        (number,), count = groups.numbers, len(groups.names)
        side, events = self.side[counted], self.events[counted]
        pair = np.zeros(count, dtype=np.int64)
        pair[number] = self.pair[counted]
        return groups.names.assign(
            pair=pair,
            events=summed(number, events * (side == 1), count),
            previous_events=summed(number, events * (side == 0), count),
        )


def _latest(of_project: pd.DataFrame) -> pd.DataFrame:
    """Give the release first seen last; of several at one instant the highest version."""
    return of_project.sort_values("first_seen_at", kind="stable").tail(1)


def _earlier(of_project: pd.DataFrame, this: pd.Series) -> pd.DataFrame:
    """Give the releases that came before one, the closest last."""
    alike = of_project[of_project["package"] == this["package"]]
    if this["version_sort"]:
        return alike[(alike["version_sort"] != "") & (alike["version_sort"] < this["version_sort"])]
    return alike[alike["first_seen_at"] < this["first_seen_at"]].sort_values("first_seen_at", kind="stable")
