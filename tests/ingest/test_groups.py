"""A group's issue follows the latest event that told it; facts are never touched, and rows only when they move."""

from datetime import datetime, timedelta
from itertools import count, permutations
from typing import Any

import pytest
from sqlalchemy import event as sql_event

from ingest.load import Loader
from ingest.records import Payload
from tests.support import warehouse
from tests.support.builders import event
from tests.support.loading import NOON, PROJECT, Clock, loading, sdk, store, told, webhook

HOUR = timedelta(hours=1)
GROUP = "select issue_id, issue_told_at, xmin::text from warehouse.dim_group where group_hash = %s"
NAMES = (f"hash {number}" for number in count())


def tells(name: str, issue_id: int | None, at: datetime, **more: Any) -> Payload:
    """Give a webhook of an event that happened at this time, in a group by this hash, counted to this issue."""
    more = more if issue_id is None else {**more, "issue_id": issue_id}
    return webhook(event(timestamp=told(at)), at=NOON + 12 * HOUR, hashes=[name], **more)


def issue(url: str, name: str) -> int | None:
    (found,) = warehouse.rows(url, GROUP, name)
    issue_id: int | None = found["issue_id"]
    return issue_id


def load(loader: Loader, *payloads: Payload) -> None:
    for payload in payloads:
        loader.load([payload], origin="test")


def test_a_merge_moves_the_group_and_no_fact_is_touched(database_url: str) -> None:
    facts = "select event_id, xmin::text, ctid::text from warehouse.fact_event order by 1"
    with loading(database_url) as (loader, _):
        load(loader, *(tells("abc", 1, NOON + n * HOUR) for n in range(3)))
        before = warehouse.rows(database_url, facts)
        load(loader, tells("abc", 2, NOON + 3 * HOUR))
    after = warehouse.rows(database_url, facts)
    assert [each for each in after if each in before] == before
    assert len(after) == 4
    (found,) = warehouse.rows(database_url, GROUP, "abc")
    assert (found["issue_id"], found["issue_told_at"]) == (2, NOON + 3 * HOUR)
    assert {each["issue_id"] for each in warehouse.rows(database_url, "select issue_id from analytics.events")} == {2}


@pytest.mark.parametrize("is_one_loader", [True, False])
def test_a_merge_is_seen_in_whatever_order_its_events_come(database_url: str, is_one_loader: bool) -> None:
    for order in permutations(range(4)):
        name = next(NAMES)
        payloads = [tells(name, 1 if n < 2 else 2, NOON + n * HOUR) for n in order]
        with loading(database_url) as (loader, _):
            if is_one_loader:
                load(loader, *payloads)
            else:
                loader.load(payloads, origin="test")
        assert issue(database_url, name) == 2, order


def test_a_group_goes_back_when_issues_are_taken_apart_again(database_url: str) -> None:
    with loading(database_url) as (loader, _):
        load(loader, tells("abc", 1, NOON), tells("abc", 2, NOON + HOUR), tells("abc", 1, NOON + 2 * HOUR))
        assert issue(database_url, "abc") == 1
        load(loader, tells("abc", 2, NOON + HOUR / 2), tells("abc", 2, NOON + 2 * HOUR))
        assert issue(database_url, "abc") == 1
        load(loader, tells("abc", 2, NOON + 3 * HOUR))
    assert issue(database_url, "abc") == 2


def test_a_loader_that_starts_late_believes_the_database_and_not_the_first_it_is_told(database_url: str) -> None:
    with loading(database_url) as (loader, _):
        load(loader, tells("abc", 2, NOON + HOUR))
    with loading(database_url) as (loader, _):
        load(loader, tells("abc", 1, NOON))
        assert issue(database_url, "abc") == 2
        load(loader, tells("abc", 1, NOON + 2 * HOUR))
    assert issue(database_url, "abc") == 1


def test_what_another_loader_was_told_is_heeded_within_a_minute(database_url: str) -> None:
    clock = Clock()
    with loading(database_url, clock) as (one, _), loading(database_url) as (other, _):
        load(one, tells("abc", 1, NOON))
        load(other, tells("abc", 2, NOON + HOUR))
        clock.now += timedelta(minutes=1)
        load(one, tells("abc", 1, NOON + 2 * HOUR))
    assert issue(database_url, "abc") == 1


def test_a_group_that_does_not_move_is_neither_written_nor_asked_for(database_url: str) -> None:
    statements: list[str] = []

    def seen(_c: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    with loading(database_url) as (loader, engine):
        load(loader, tells("abc", 1, NOON), tells("abc", 1, NOON + HOUR))
        (before,) = warehouse.rows(database_url, GROUP, "abc")
        sql_event.listen(engine, "before_cursor_execute", seen)
        load(loader, *(tells("abc", 1, NOON + n * HOUR) for n in range(2, 5)))
    assert warehouse.rows(database_url, GROUP, "abc") == [before]
    assert before["issue_told_at"] == NOON
    assert [each for each in statements if "dim_group" in each] == []


def test_events_that_had_their_rows_already_move_their_group_by_the_time_of_the_row(database_url: str) -> None:
    ours = "select issue_id, issue_told_at from warehouse.dim_group where group_hash like 'e1:%%'"
    first, second = (event(timestamp=told(NOON - n * HOUR)) for n in (2, 1))
    with loading(database_url) as (loader, _):
        load(loader, sdk(first), sdk(second), webhook(first, issue_id=1))
        assert warehouse.rows(database_url, ours) == [{"issue_id": 1, "issue_told_at": NOON - 2 * HOUR}]
        load(loader, webhook(second, issue_id=2), webhook(first, issue_id=3), webhook(second, issue_id=4))
    assert warehouse.rows(database_url, ours) == [{"issue_id": 2, "issue_told_at": NOON - HOUR}]


def test_events_of_doubtful_time_move_their_group_too(database_url: str) -> None:
    silent = event(timestamp=None)
    with loading(database_url) as (loader, _):
        load(loader, sdk(event(timestamp=told(NOON))), store(silent, at=NOON + HOUR))
        loader.load([webhook(silent, issue_id=5)], origin="test")
    found = warehouse.rows(database_url, "select issue_id from warehouse.dim_group where group_hash like 'e1:%%'")
    assert found == [{"issue_id": 5}]


def test_a_group_from_before_its_time_was_noted_goes_with_the_next_event(database_url: str) -> None:
    with loading(database_url) as (loader, engine):
        load(loader, tells("abc", 1, NOON))
        with engine.begin() as connection:
            connection.exec_driver_sql("update warehouse.dim_group set issue_told_at = null")
        load(loader, tells("abc", 1, NOON), tells("abc", 2, NOON - HOUR))
    assert issue(database_url, "abc") == 2
    assert warehouse.value(database_url, "select project_id from warehouse.dim_group") == PROJECT


@pytest.mark.parametrize(
    ("told_page", "kept"),
    [
        ("https://sentry.io/organizations/shop/issues/1/events/abc/", "https://sentry.io/organizations/shop/issues/1/"),
        ("https://sentry.io/organizations/shop/issues/1/", "https://sentry.io/organizations/shop/issues/1/"),
        ("javascript:alert(1)", None),
        ("https://" + "x" * 3000, None),
        (7, None),
    ],
)
def test_the_page_of_an_issue_is_kept_with_its_group(database_url: str, told_page: object, kept: str | None) -> None:
    with loading(database_url) as (loader, _):
        load(loader, tells("abc", 1, NOON, web_url=told_page))
    assert warehouse.value(database_url, "select url from analytics.issues") == kept
