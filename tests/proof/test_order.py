"""Scenarios G-04 and G-08: whatever comes late, or in another order, ends as if it had come in time."""

import json
import time
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.records import Door, Payload
from models.audit import Scope, audit
from models.clock import now
from models.closing import close
from models.fold import fold_all
from tests.proof.lines import report
from tests.support import warehouse
from tests.support.builders import event, signed
from tests.support.loading import NOON, PROJECT, Clock, loading, told, us, webhook
from tests.support.server import serving
from tests.support.wait import until

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
OLDEST_DAYS = 90
LATE = 3  # events that are late, of each day
CORRECTED_SECONDS = 240  # a deadline on a busy machine; a minute is promised
STATE = "select * from warehouse.dim_issue order by issue_id"
PLACES = "select tableoid::regclass::text as leaf, occurred_at from warehouse.fact_event"
BY_DAY = "select day, sum(event_count)::int as n from warehouse.rollup_day group by day"
RECOUNTED = (
    "select (occurred_at at time zone 'UTC')::date as day, count(*)::int as n from warehouse.fact_event group by 1"
)

Change = tuple[str, datetime, dict[str, Any]]
"""An action, when it was done, and how the issue is after it."""
APART: list[Change] = [
    ("created", NOON, {}),
    ("assigned", NOON + MINUTE, {"assignedTo": {"type": "user", "id": "7"}}),
    ("resolved", NOON + 2 * MINUTE, {"status": "resolved", "substatus": None}),
    ("unresolved", NOON + 3 * MINUTE, {"substatus": "regressed"}),
    ("archived", NOON + 4 * MINUTE, {"status": "ignored", "substatus": "archived_forever"}),
]
TIED: list[Change] = [
    (action, NOON if number < 2 else NOON + MINUTE, how) for number, (action, _, how) in enumerate(APART)
]
"""The first two in one second, and the other three in another: as ranked, the last of them is that it is resolved."""


def change(issue_id: int, action: str, at: datetime, how: dict[str, Any]) -> Payload:
    """Give the webhook about a change that Sentry sent in this second."""
    issue = {
        "id": str(issue_id), "title": "Broken", "level": "error", "status": "unresolved", "substatus": "new",
        "assignedTo": None, "project": {"id": str(PROJECT), "slug": "shop"}, **how,
    }  # fmt: skip
    body = {"action": action, "installation": {"uuid": "u"}, "data": {"issue": issue}}
    headers = {"sentry-hook-resource": "issue", "sentry-hook-timestamp": str(int(at.timestamp()))}
    return Payload(us(at + SECOND), Door.HOOK, json.dumps(body).encode(), None, headers)


@pytest.mark.scenario("G-04")
@pytest.mark.parametrize(
    ("changes", "status", "substatus"), [(APART, "ignored", "archived_forever"), (TIED, "resolved", None)]
)
def test_five_changes_of_an_issue_in_all_orders_end_the_same(
    database_url: str, changes: list[Change], status: str, substatus: str | None
) -> None:
    orders = list(permutations(changes))
    with loading(database_url) as (loader, _):
        for place in range(len(changes)):
            batch = [change(number, *order[place]) for number, order in enumerate(orders, 1)]
            assert loader.load(batch, origin="test").issue_changes == len(orders)
    found = [{**row, "issue_id": None} for row in warehouse.rows(database_url, STATE)]
    assert len(found) == len(orders) == 120
    assert [row for row in found if row != found[0]] == []
    assert (found[0]["status"], found[0]["substatus"], found[0]["changed_at"]) == (
        status,
        substatus,
        max(at for _, at, _ in changes),
    )


def of_day(at: datetime, days_ago: int) -> dict[str, Any]:
    return event(timestamp=told(at - days_ago * DAY), fingerprint=[f"G-08 {days_ago % 7}"])


def days(url: str, query: str) -> dict[date, int]:
    return {row["day"]: row["n"] for row in warehouse.rows(url, query)}


@pytest.mark.scenario("G-08")
def test_events_up_to_ninety_days_late_find_their_partitions_and_correct_what_was_closed(
    tmp_path: Path, database_url: str
) -> None:
    at = now()
    ages = range(OLDEST_DAYS + 1)
    with loading(database_url, Clock(at)) as (loader, engine):
        in_time = [webhook(of_day(at, age), at=at - age * DAY) for age in ages]
        assert loader.load(in_time, origin="test").loaded == len(in_time)
        fold_all(engine, at.date(), 14)
        assert "closed partitions were indexed" in close(engine, at.date())
        before = days(database_url, BY_DAY)
        assert set(before.values()) == {1}
        with serving(tmp_path / "data", database_url) as server:
            secret = (server.data_dir / "webhook_secret").read_text().strip()
            with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client:
                for age in [*ages] * LATE:
                    body = webhook(of_day(at, age)).body
                    answer = client.post("/hooks/sentry", content=body, headers=signed(body, secret, "event_alert"))
                    assert answer.is_success, answer.text
            begun = time.monotonic()
            wanted = {day: count + LATE for day, count in before.items()}
            until(lambda: days(database_url, BY_DAY) == wanted, CORRECTED_SECONDS, "days are corrected")
            seconds = time.monotonic() - begun
        assert days(database_url, RECOUNTED) == wanted
        assert audit(engine, Scope(now().date(), 14)).differences == []
    for place in warehouse.rows(database_url, PLACES):
        first = datetime.strptime(place["leaf"].rpartition("_p")[2], "%Y_%m_%d").replace(tzinfo=UTC)
        assert first <= place["occurred_at"] < first + 7 * DAY, place
    report(
        f"G-08 pass {LATE * len(ages)} late events, {len(wanted)} closed days corrected {seconds:.1f} s after the last"
    )
