"""What the views make of one thing: a release's parts and order, a stack's frames, an issue that Sentry told of."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.support import warehouse
from tests.support.builders import event
from tests.support.corpus import corpus
from tests.support.loading import NOON, loading, sdk, told

IN_ORDER = (
    "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-alpha-x", "1.0.0-beta", "1.0.0-beta.2",
    "1.0.0-beta.11", "1.0.0-rc.1", "1.0", "1.0.0.1", "1.0.1", "v1.2.3", "1.10.0", "2.0", "10.0.0", "2026.11.24",
)  # fmt: skip
PARTS = {
    "shop@1.2.3+45": ("shop", "1.2.3", "45", True),
    "shop@1.2.3": ("shop", "1.2.3", None, True),
    "@acme@1.2.3-rc.1": ("@acme", "1.2.3-rc.1", None, True),
    "1.2.3+build.7": (None, "1.2.3", "build.7", True),
    "shop@main+1": ("shop", "main+1", None, False),
    "3f1c2a9d": (None, "3f1c2a9d", None, False),
    "20261124": (None, "20261124", None, False),
    "shop@": (None, "shop@", None, False),
    "1.2.3 beta": (None, "1.2.3 beta", None, False),
    "99999999999999999999.1": (None, "99999999999999999999.1", None, False),
}
ISSUE = """
    insert into warehouse.dim_issue (project_id, issue_id, changed_at, first_seen_at, last_seen_at, resolved_at,
        short_id, title, culprit, level, status, substatus, priority, assignee, is_unhandled, url)
    values (42, %s, now(), %s, %s, %s, 'SHOP-1', 'As Sentry says', 'here', 'fatal', 'resolved', null, 'high', 'team:7',
        true, 'https://sentry.example/1')
"""


def load(url: str, *events: dict[str, Any]) -> None:
    with loading(url) as (loader, _):
        loader.load([sdk(*events)], origin="test")


def released(url: str, *releases: str) -> list[dict[str, Any]]:
    load(url, *(event(release=release, timestamp=told(NOON)) for release in releases))
    return warehouse.rows(url, "select * from analytics.releases order by version_sort, release")


def test_versions_are_in_the_order_of_versions(database_url: str) -> None:
    found = released(database_url, *(f"shop@{version}" for version in IN_ORDER))
    assert [each["version"] for each in found] == list(IN_ORDER)
    assert len({each["version_sort"] for each in found}) == len(IN_ORDER)


def test_a_release_is_taken_apart_into_package_version_and_build(database_url: str) -> None:
    found = {
        each["release"]: (each["package"], each["version"], each["build"], each["version_sort"] is not None)
        for each in released(database_url, *PARTS)
    }
    assert found == PARTS


def test_the_frames_of_a_stack_are_counted_from_where_it_happened(database_url: str) -> None:
    load(database_url, event(timestamp=told(NOON)))
    (one,) = warehouse.rows(database_url, "select * from analytics.events")
    found = warehouse.rows(database_url, "select * from analytics.stack_frames order by position")
    assert {each["stack_id"] for each in found} == {one["stack_id"]}
    assert [(f["position"], f["function"], f["module"], f["lineno"], f["is_in_app"], f["is_top"]) for f in found] == [
        (1, "share", "shop.price", 7, True, True),
        (2, "checkout", "shop.views", 41, None, False),
    ]


def test_the_top_frame_is_the_one_that_events_name(database_url: str) -> None:
    with loading(database_url) as (loader, _):
        loader.load(corpus(), origin="test")
    query = """
        select distinct e.top_frame, f.function, f.module, f.filename
        from analytics.events e join analytics.stack_frames f using (project_id, stack_id)
        where f.is_top and e.top_frame <> '?'
    """
    found = warehouse.rows(database_url, query)
    assert len(found) > 20
    unlike = [
        each
        for each in found
        if not any(each[name] and each[name][:40] in each["top_frame"] for name in ("function", "module", "filename"))
    ]
    assert unlike == []


def test_an_issue_is_what_sentry_told_of_it_and_what_its_events_say(database_url: str) -> None:
    load(database_url, event(timestamp=told(NOON), level="warning"))
    (mine,) = warehouse.rows(database_url, "select * from analytics.issues")
    assert (mine["status"], mine["short_id"], mine["level"], mine["events"]) == (None, None, "warning", 1)
    assert (mine["first_seen_at"], mine["title"]) == (NOON, "ZeroDivisionError: division by zero")
    earlier, later = NOON - timedelta(days=9), NOON + timedelta(days=1)
    with psycopg.connect(database_url) as connection:
        connection.execute("update warehouse.dim_group set issue_id = 7")
        connection.execute(ISSUE, (7, earlier, NOON - timedelta(days=1), later))
        connection.execute(ISSUE, (8, earlier, later, None))
    known, silent = warehouse.rows(database_url, "select * from analytics.issues order by issue_id")
    assert (known["issue_id"], known["title"], known["status"], known["level"]) == (
        7,
        "As Sentry says",
        "resolved",
        "fatal",
    )
    assert (known["first_seen_at"], known["last_seen_at"], known["resolved_at"]) == (earlier, NOON, later)
    assert (known["events"], known["users"], known["groups"], known["first_release"]) == (1, 1, 1, "shop@1.2.3")
    assert (silent["issue_id"], silent["events"], silent["users"], silent["groups"]) == (8, 0, 0, 0)
    assert (silent["first_seen_at"], silent["last_seen_at"], silent["group_ids"]) == (earlier, later, [])


def test_the_dictionary_holds_every_column_and_the_function(database_url: str) -> None:
    found = warehouse.rows(
        database_url, "select view_name, column_name, type, description from analytics.data_dictionary"
    )
    assert {each["view_name"] for each in found if each["column_name"] is None} >= {"events", "issues", "users"}
    assert [each for each in found if not each["description"]] == []
    (users,) = [each for each in found if each["view_name"] == "users"]
    assert users["type"] == "aggregate of user_sketch bigint[], bigint"


@pytest.mark.parametrize("column", ["revision", "definition"])
def test_the_version_of_the_schema_is_told(database_url: str, column: str) -> None:
    assert warehouse.value(database_url, f"select {column} from analytics.schema_version")
