"""The numbers above and below a report's sections, and what its words mean (pure)."""

import pandas as pd

from reports.aggregations.issue_movement import NEW, REGRESSED
from reports.built_in.gathered import Gathered
from reports.built_in.sections import total
from reports.report import Definition, Figure
from reports.statistics import LEAST_FOR_PERCENT, REAL_Z, significance

DEFINITIONS = (
    Definition("event", "One occurrence of an error, as its sender told it; counted once however often it came."),
    Definition("issue", "Events that Sentry, or errhouse where Sentry told none, counts as the same error."),
    Definition("culprit", "Sentry's string for where it happened; the same string in two projects is two culprits."),
    Definition("users", "Distinct users by what senders told of them, within 3 % beyond a thousand."),
    Definition("change", "Events more than before as a part of those before; not told of fewer than 20 events."),
    Definition("significant", "A change of more than 3 standard deviations, given how uneven the hours are."),
    Definition(
        "new, regressed, returned",
        "New: first seen in the period. Regressed: after it was resolved, or silent for 14 days. Returned: after less.",
    ),
    Definition("escalating", "Spikes in 2 of the last 6 hours, or 10 events and 3 times as many as before."),
    Definition(
        "churn", "1 - culprits among the 20 most frequent in both periods / those in either; 0 is the same list."
    ),
    Definition("vital", "One of the few culprits that together make 80 % of the events."),
    Definition("unhandled", "Events whose exception the program did not catch, as their sender told."),
    Definition(
        "episode",
        "Hours of an issue with events, with gaps of 24 h or less, since the period before began; 24 h without end it.",
    ),
    Definition(
        "spike", "An hour with 10 events or more, twice the median, and z > 4 against the same hour of five weeks."
    ),
)


def figures(found: Gathered, movement: pd.DataFrame, escalating: int, churn: pd.DataFrame) -> list[Figure]:
    """Give the headline."""
    now, then = total(found.now, found.then)
    unhandled = int(found.now["unhandled_events"].sum())
    unhandled_then = int(found.then["unhandled_events"].sum())
    count = movement["movement"].value_counts()
    users = int(found.users["users"].sum())
    users_then = int(found.users_before["users"].sum()) if found.times == 1 else None
    exposure = found.period.hours / found.before.hours
    rate, rate_then = now / found.period.hours, then / found.before.hours
    z = float(significance(now, then, found.dispersion, exposure))
    is_real = bool(abs(z) > REAL_Z)
    expected = then / found.times
    return [
        Figure(
            "events",
            "Events",
            now,
            previous=round(expected, 1) if found.times > 1 else then,
            change=now / expected - 1 if then >= LEAST_FOR_PERCENT else None,
            is_significant=is_real,
        ),
        Figure(
            "events_per_hour",
            "Rate",
            round(rate, 3),
            "number",
            "events/h",
            round(rate_then, 3),
            rate / rate_then - 1 if then >= LEAST_FOR_PERCENT else None,
            is_real,
        ),
        Figure(
            "users",
            "Users affected",
            users,
            previous=users_then,
            change=users / users_then - 1 if users_then and users_then >= LEAST_FOR_PERCENT else None,
        ),
        Figure("new_issues", "New issues", int(count.get(NEW, 0))),
        Figure("regressed_issues", "Regressed issues", int(count.get(REGRESSED, 0))),
        Figure("escalating_issues", "Escalating issues", escalating),
        Figure(
            "unhandled",
            "Unhandled",
            unhandled / now if now else None,
            "share",
            previous=unhandled_then / then if then else None,
        ),
        Figure("churn", "Churn of the top 20", float(churn["churn"].iloc[0]) if len(churn) else None, "share"),
    ]


def quality_figures(quality: pd.DataFrame) -> list[Figure]:
    """Give what of the data is missing or odd, over all projects."""
    events = int(quality["events"].sum())
    told = [
        Figure(name, title, int(quality[column].sum()) / events if events else None, "share")
        for name, title, column in (
            ("without_release", "Without a release", "without_release"),
            ("without_environment", "Without an environment", "without_environment"),
            ("without_user", "Without a user", "without_user"),
            ("odd_time", "With an odd time", "odd_time"),
        )
    ]
    delay = float((quality["mean_delay_seconds"].fillna(0) * quality["events"]).sum()) / events if events else None
    loaded = None if delay is None else round(delay, 3)
    return [*told, Figure("mean_delay_seconds", "From accepting to loading, mean", loaded, "number", "s")]


def notes(found: Gathered) -> list[str]:
    """Give what a reader must know to read the numbers right."""
    made = []
    now, then = total(found.now, found.then)
    if found.times > 1:
        made.append(f"What was before is the mean of the {found.times} days before, to whole events in tables.")
    if not now:
        made.append("No event occurred in the period.")
    elif not then:
        made.append("There is no event before the period: nothing can be compared.")
    if any(moment.minute or moment.second or moment.microsecond for moment in (found.period.start, found.period.end)):
        made.append(
            "The period does not begin and end with a UTC hour: hours that it touches count whole in timelines."
        )
    if any(found.asked.filters[2:]):
        made.append("The figures of data quality are of all events of the projects, not of the chosen ones alone.")
    return made
