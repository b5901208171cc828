"""Spikes and escalating issues in six weeks of simulated hours, with enough history for the whole test."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from reports import aggregation as declared
from reports.aggregation import HOURS, INSTANT, ISSUE_HOURS, ISSUES, empty
from reports.aggregations import aggregation

END = datetime(2026, 11, 23, tzinfo=UTC)
START = END - timedelta(days=7)
FIRST = START - timedelta(days=35, hours=1)
HOURS_SPAN = 6 * 168 + 1


def simulated(rates: list[float], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).poisson(np.array(rates)[:, None], (len(rates), HOURS_SPAN))


def frame(counts: np.ndarray, key: str) -> pd.DataFrame:
    """Give the hours that have events, as a question does: there is no row for an hour without."""
    row, column = np.nonzero(counts)
    made = pd.DataFrame({key: row, "hour": column, "events": counts[row, column]})
    made["hour"] = pd.Series([FIRST + timedelta(hours=int(hour)) for hour in made["hour"]]).astype(INSTANT)
    return made


def project_hours(counts: np.ndarray) -> pd.DataFrame:
    made = frame(counts, "project")
    made["project"] = made["project"].map("p{}".format)
    return made.assign(level="error", environment="", weighted_events=1.0, unhandled_events=0).astype(dict(HOURS))


def counted(hours: pd.DataFrame, first: datetime, end: datetime) -> pd.DataFrame:
    """Give counts by issue of the hours from `first` up to `end`."""
    inside = hours[(hours["hour"] >= first) & (hours["hour"] < end)].rename(columns={"issue_id": "issue"})
    made = inside.groupby(["project", "issue"], as_index=False)["events"].sum()
    more = {"weighted_events": 1.0, "unhandled_events": 0, "users": 0, "first_seen_at": first, "last_seen_at": end}
    return made.assign(**more).astype(dict(declared.counts("project", "issue")))


def test_spikes_are_joined_explained_and_stand_most_certain_first() -> None:
    counts = simulated([20, 20, 0.5, 300], seed=1)
    counts[0, -30:-28] = (300, 200)
    counts[2, -50] = 25
    counts[3, :-100] = 0  # four days of history only
    counts[3, -10] = 4000
    issue_hours = pd.DataFrame(
        {
            "project": ["p0", "p0", "p1"],
            "issue_id": [5, 6, 7],
            "hour": pd.Series([END - timedelta(hours=30)] * 3).astype(INSTANT),
            "events": [250, 20, 9999],
        }
    ).astype(dict(ISSUE_HOURS))
    told = {"issue_hours": issue_hours, "issues": empty(ISSUES), "start": START, "end": END}
    found = aggregation("spikes").run(hours=project_hours(counts), **told)
    assert list(found["project"]) == ["p0", "p2", "p3"]
    assert found["z"].iloc[0] > found["z"].iloc[1] > 4
    assert list(found["is_low_confidence"]) == [False, False, True]
    first = found.iloc[0]
    assert (first["starts_at"], first["ends_at"]) == (END - timedelta(hours=30), END - timedelta(hours=28))
    assert (first["peak_at"], first["events"]) == (END - timedelta(hours=30), 500)
    assert 30 < first["expected_events"] < 50
    assert (first["issue_id"], first["top_share"]) == (5, 0.5)
    assert list(found["issue_id"])[1:] == [0, 0]
    assert found["top_share"].isna().tolist() == [False, True, True]
    top = aggregation("spikes").run(hours=project_hours(counts), **told, top=1)
    pd.testing.assert_frame_equal(top, found.head(1))


def test_an_issue_escalates_by_two_spikes_with_history_and_a_busy_one_does_not() -> None:
    counts = simulated([20, 20, 200], seed=2)
    counts[0, -4:-1] = (90, 20, 95)
    counts[1, -2] = 90
    hours = frame(counts, "issue_id").assign(project="shop")[list(ISSUE_HOURS)].astype(dict(ISSUE_HOURS))
    now, before = (counted(hours, first, END) for first in (START, START - timedelta(days=7)))
    before["events"] -= now["events"]
    told = {"issues": empty(ISSUES), "end": END}
    found = aggregation("escalating").run(now=now, before=before, issue_hours=hours, **told)
    assert list(found["issue_id"]) == [0]
    assert found["spike_hours"].tolist() == [2]
    assert found["z"].iloc[0] > 4
    assert found["reason"].tolist() == ["spikes"]
