"""Which part of the events each release has, day by day: how far it has spread, as far as events tell."""

import numpy as np
import pandas as pd

from reports.aggregation import RELEASE_DAYS, Aggregation
from reports.columns import EVENTS, PROJECT, RELEASE
from reports.grouping import grouped, summed
from reports.report import Column
from reports.statistics import parts


def release_adoption(days: pd.DataFrame, top: int = 5) -> pd.DataFrame:
    """
    Give each release's share of its project's events, by UTC day; all but the `top` releases of a project are one.

    Days stand in order, then releases by their events over all days; "" is events that name no release.
    """
    releases = grouped(("project", "release"), days)
    number, count = releases.numbers[0], releases.count
    total = summed(number, days["events"], count)
    project = grouped(("project",), releases.names).numbers[0]
    order = np.lexsort((-total, project))
    within = np.empty(count, dtype=np.int64)
    within[order] = np.arange(count) - np.searchsorted(project[order], project[order])
    rest = np.bincount(project, minlength=int(project.max(initial=-1)) + 1) - top
    label = releases.names["release"].astype("object").to_numpy(copy=True)
    is_other = within >= top
    words = [f"other ({left:,} release{'' if left == 1 else 's'})" for left in rest.tolist()]
    label[is_other] = [words[each] for each in project[is_other].tolist()]
    named = pd.DataFrame(
        {
            "project": days["project"],
            "day": days["day"],
            "place": np.minimum(within, top)[number],
            "release": pd.Series(label[number], index=days.index, dtype="str"),
        }
    )
    groups = grouped(("project", "day", "place", "release"), named)
    made = groups.names.assign(events=summed(groups.numbers[0], days["events"], groups.count))
    of_day = grouped(("project", "day"), made)
    whole = summed(of_day.numbers[0], made["events"], of_day.count)
    return made.assign(share=parts(made["events"], whole[of_day.numbers[0]]), is_other=made["place"] >= top)


AGGREGATION = Aggregation(
    name="release_adoption",
    title="Adoption of releases",
    sentence="Which part of a project's events each release has, by day: as far as events tell, how it spreads.",
    takes={"days": RELEASE_DAYS},
    gives=(
        PROJECT,
        Column("day", "Day", "day", "UTC day on which the events occurred."),
        RELEASE,
        EVENTS,
        Column("share", "Share", "share", "Part of the project's events of the day."),
        Column("is_other", "Other", "flag", "The row stands for all releases that are not shown."),
    ),
    aggregate=release_adoption,
)
