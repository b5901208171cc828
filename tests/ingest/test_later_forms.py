"""The first form to arrive keeps the row; what a later one knows better fills what is empty."""

from datetime import datetime, timedelta

from ingest.records import Payload
from tests.support import warehouse
from tests.support.builders import event
from tests.support.loading import NOON, Clock, legacy, loading, sdk, store, told, webhook

DAY = timedelta(days=1)
EVENTS = "select * from analytics.events order by event_id, project_id"
MOMENT = NOON + timedelta(microseconds=363_647)


def load(url: str, *payloads: Payload, at: datetime = NOON) -> None:
    """Load each payload in a transaction of its own, by a loader that has just started."""
    for payload in payloads:
        with loading(url, Clock(at)) as (loader, _):
            loader.load([payload], origin="test")


def test_a_later_webhook_tells_the_issue_of_an_event_that_an_sdk_brought(database_url: str) -> None:
    one = event(event_id="a" * 32, timestamp=told(MOMENT))
    load(database_url, sdk(one))
    ours = warehouse.value(database_url, "select issue_id from analytics.events")
    load(database_url, webhook({**one, "timestamp": told(MOMENT, 3)}, issue_id="4711"))
    assert warehouse.value(database_url, "select issue_id from analytics.events") == 4711 != ours
    # and no other form moves it to another issue
    load(database_url, legacy(one, id="4712"), webhook(one, issue_id=4713))
    assert warehouse.value(database_url, "select issue_id from analytics.events") == 4711


def test_the_issue_is_told_in_one_batch_too_and_in_either_order(database_url: str) -> None:
    for order in ((0, 1), (1, 0)):
        one = event(timestamp=told(MOMENT), exception={"values": [{"type": f"E{order}", "value": "v"}]})
        forms = [sdk(one), webhook(one, issue_id=100 + order[0])]
        with loading(database_url) as (loader, _):
            loader.load([forms[place] for place in order], origin="test")
        query = "select issue_id from analytics.events where event_id = %s"
        assert warehouse.value(database_url, query, one["event_id"]) == 100 + order[0]


def test_slug_and_name_of_a_project_follow_the_last_form_and_are_never_forgotten(database_url: str) -> None:
    project = "select slug, name from warehouse.dim_project"
    one = event(timestamp=told(MOMENT))
    load(database_url, sdk(one))
    assert warehouse.rows(database_url, project) == [{"slug": None, "name": None}]
    load(database_url, legacy(event(timestamp=told(MOMENT)), project_name="Shop"))
    assert warehouse.rows(database_url, project) == [{"slug": "shop", "name": "Shop"}]
    load(database_url, sdk(event(timestamp=told(MOMENT))))
    assert warehouse.rows(database_url, project) == [{"slug": "shop", "name": "Shop"}]
    load(database_url, legacy(one, project_slug="store"))
    assert warehouse.rows(database_url, project) == [{"slug": "store", "name": "Shop"}]
    assert {found["project"] for found in warehouse.rows(database_url, EVENTS)} == {"store"}


def test_the_issue_is_told_of_an_event_whose_clock_was_days_off_or_silent(database_url: str) -> None:
    drift = timedelta(days=20)
    drifted = event(event_id="a" * 32, timestamp=told(MOMENT - drift))
    silent = event(event_id="b" * 32, timestamp=None, exception={"values": [{"type": "Other"}]})
    load(database_url, sdk(drifted, sent_at=told(NOON - drift)), store(silent, at=NOON + 9 * DAY))
    load(
        database_url,
        webhook({**drifted, "timestamp": told(MOMENT)}, issue_id=1),
        webhook({**silent, "timestamp": told(MOMENT)}, issue_id=2),
    )
    assert [found["issue_id"] for found in warehouse.rows(database_url, EVENTS)] == [1, 2]
