"""How many users met events, by any groupings."""

from collections.abc import Sequence

import pandas as pd

from reports.aggregation import Aggregation, counts
from reports.columns import EVENTS, GROUPED, USERS
from reports.counting import users, words
from reports.filters import GROUPINGS
from reports.grouping import grouped, ranked, summed
from reports.report import Column
from reports.statistics import change, parts


def users_affected(
    now: pd.DataFrame, before: pd.DataFrame, by: str | Sequence[str] = "project", top: int | None = None
) -> pd.DataFrame:
    """
    Rank groups by distinct users.

    Takes: frames of COUNTS grouped by exactly `by`, since users of finer rows do not add up. There is no row of
           others for the same reason.
    """
    groups = grouped(words(by), now, before)
    count = groups.count
    made = groups.names.assign(
        users=users(groups, now),
        events=summed(groups.numbers[0], now["events"], count),
        previous_users=users(groups, before, 1),
    )
    told = made["users"].to_numpy(dtype="float64", na_value=float("nan"))
    was = made["previous_users"].to_numpy(dtype="float64", na_value=float("nan"))
    made = made.assign(
        difference=made["users"] - made["previous_users"],
        change=change(told, was),
        events_per_user=parts(made["events"], told),
    )
    return ranked(made, told).head(top if top is not None else count)


AGGREGATION = Aggregation(
    name="users_affected",
    title="Users affected",
    sentence="Distinct users that met an event, and events per user.",
    takes={"now": counts(), "before": counts()},
    gives=(
        *GROUPED,
        USERS,
        EVENTS,
        Column("events_per_user", "Per user", "number", "Events divided by users; missing where no user was told."),
        Column("previous_users", "Users before", "count", "Distinct users of the period before."),
        Column("difference", "Difference", "count", "Users more than in the period before; fewer are negative."),
        Column("change", "Change", "change", "Difference as a part of the users before; missing under 20 users."),
    ),
    aggregate=users_affected,
    some_of=GROUPINGS,
)
