"""Issues that make many events and little harm: what could be muted, and how much that would save."""

import numpy as np
import pandas as pd

from reports.aggregation import ISSUES, Aggregation, counts
from reports.columns import CULPRIT, CUMULATIVE_SHARE, EVENTS, ISSUE_ID, LEVEL, PROJECT, SHARE, TITLE
from reports.grouping import described, grouped, ranking, summed
from reports.report import Column
from reports.statistics import parts

FEW_USERS = 3
HARMLESS = ("warning", "info", "debug")


def noise_candidates(now: pd.DataFrame, issues: pd.DataFrame, top: int = 20) -> pd.DataFrame:
    """
    Rank the issues that were always handled and either have few users or no level above warning.

    Takes: `now`, by project, issue and level at least. Users of several rows are added up, which may count one twice:
           an issue is never taken for one of fewer users than it has.
    """
    groups = grouped(("project", "issue"), now)
    number, count = groups.numbers[0], groups.count
    events, users = summed(number, now["events"], count), summed(number, now["users"], count)
    is_grave = (~now["level"].isin(HARMLESS) & (now["events"] > 0)).to_numpy()
    is_harmless = np.bincount(number[is_grave], minlength=count) == 0
    is_handled = summed(number, now["unhandled_events"], count) == 0
    total, order = events.sum(), ranking(events)
    order = order[(is_handled & (is_harmless | (users <= FEW_USERS)) & (events > 0))[order]][:top]
    made = pd.DataFrame(groups.told(order)).rename(columns={"issue": "issue_id"})
    made = made.assign(
        events=events[order],
        users=users[order],
        share=parts(events[order], total),
        cumulative_share=parts(np.cumsum(events[order]), total),
        reason=pd.Series(np.where(is_harmless[order], "low level", "few users"), dtype="str"),
    )
    return described(made, issues, ("title", "culprit", "level"))


AGGREGATION = Aggregation(
    name="noise_candidates",
    title="Noise",
    sentence="Frequent issues that were always handled and have few users or a low level, and what muting them saves.",
    takes={"now": counts("project", "level", "issue"), "issues": ISSUES},
    gives=(
        PROJECT,
        ISSUE_ID,
        TITLE,
        CULPRIT,
        LEVEL,
        EVENTS,
        Column("users", "Users", "count", "Distinct users, or a few more where the issue has several levels."),
        SHARE,
        CUMULATIVE_SHARE,
        Column("reason", "Why", "text", "low level: no event above warning. few users: three or fewer."),
    ),
    aggregate=noise_candidates,
)
