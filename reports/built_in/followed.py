"""Issues followed hour by hour: which of them escalate, and how long it takes until nothing comes any more."""

import numpy as np
import pandas as pd

from reports import frames
from reports.aggregation import ISSUE_HOURS, empty
from reports.aggregations import aggregation
from reports.built_in.chosen import lately, whole
from reports.built_in.gathered import Gathered
from reports.built_in.saying import are, counted, named, rough, section, sentence
from reports.hourly import at, end_number, hour_number, numbered
from reports.report import Section
from reports.wording import number

ESCALATING = 10


def escalating(found: Gathered) -> pd.DataFrame:
    """Find what becomes frequent right now; spikes only where no other filter than projects and issues is set."""
    period, late = found.period, found.chosen.late
    issue_hours = empty(ISSUE_HOURS)
    if late:
        filters = found.asked.filters._replace(issue=())
        issue_hours = frames.issue_hours(lately(period), filters, found.reader, chosen=late)
    return aggregation("escalating").run(
        now=found.now,
        before=found.compared_by("project", "issue"),
        issue_hours=issue_hours,
        issues=found.issues,
        end=period.end,
    )


def escalating_issues(made: pd.DataFrame) -> Section:
    """Tell what becomes frequent right now."""
    said = f"{counted(len(made), 'issue')} {are(len(made))} escalating"
    if len(made):
        first = made.iloc[0]
        count = counted(first["events"], "event")
        said += (
            f"; {named(first['title'], 'one without a title')} of {named(first['project'], 'no project')} has {count}"
        )
        said += (
            f", {number(int(first['spike_hours']), 'count')} of the last 6 hours were spikes"
            if first["reason"] == "spikes"
            else f", {rough(first['ratio'])} times as many as before"
        )
    return section("escalating", "Escalating", sentence(said), made, aggregation("escalating").gives, top=ESCALATING)


def silence(found: Gathered) -> Section:
    """Tell how long episodes lasted, and how long resolving took."""
    wanted, period = aggregation("time_to_silence"), found.period
    made = wanted.run(issue_hours=_ends(found), issues=found.issues, start=period.start, end=period.end)
    made = made.sort_values(["episodes", "project"], ascending=[False, True], ignore_index=True)
    made = made[(made["episodes"] > 0) | (made["resolved_issues"] > 0)]
    ended, resolved = int(made["episodes"].sum()), int(made["resolved_issues"].sum())
    said = f"{counted(ended, 'episode')} of the most frequent issues ended"
    if ended:
        longest = made.iloc[int(np.nanargmax(made["longest_hours"].to_numpy()))]
        said += (
            f"; the longest, in {named(longest['project'], 'no project')}, lasted "
            f"{counted(longest['longest_hours'], 'hour') if longest['longest_hours'] else 'less than an hour'}"
        )
    if resolved:
        said += f"; {counted(resolved, 'issue')} {'was' if resolved == 1 else 'were'} resolved"
    return section("silence", "Time to silence", sentence(said), made, wanted.gives, top=found.asked.top)


def _ends(found: Gathered) -> pd.DataFrame:
    """
    Give the hours of the first and of the last event of each day: a day has no gap of 24 h, so others end no episode.

    Unlike hours of issues, days are kept as long as anything is counted at all.
    """
    frequent, period = found.chosen.frequent, found.period
    if not frequent:
        return empty(ISSUE_HOURS)
    days = frames.issue_days(whole(period, found.before), frequent, found.asked.filters, found.reader)
    hours = np.concatenate([numbered(days["first_seen_at"]), numbered(days["last_seen_at"])])
    inside = np.flatnonzero((hours >= hour_number(found.before.start)) & (hours < end_number(period.end)))
    made = days[["project", "issue_id"]].take(inside % max(len(days), 1)).reset_index(drop=True)
    return made.assign(hour=at(hours[inside]), events=np.ones(len(inside), dtype=np.int64))
