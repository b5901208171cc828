"""What Sentry tells of issues is the same history and the same state, in whatever order it comes."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import Engine

from ingest import bulk, set_aside
from ingest.errors import Reason
from ingest.interpret import Aside, interpret
from ingest.progress import Tally
from ingest.records import Door, IssueChange, Payload
from ingest.replay import replay
from models.engine import engine_for
from tests.support import warehouse
from tests.support.builders import event
from tests.support.loading import NOON, PROJECT, loading, read, settings, told, us, webhook

CORPUS = sorted((Path(__file__).parents[1] / "corpus/webhook_platform/issue").glob("*.json"))
SECOND = timedelta(seconds=1)
STATE = "select * from warehouse.dim_issue where issue_id = %s"
HISTORY = "select * from warehouse.issue_change where issue_id = %s order by changed_at, action"
PERSON = {"type": "user", "id": "662437", "name": "Alice Example", "email": "alice@example.org"}
TEAM = {"type": "team", "id": 7, "name": "Alice's own"}
NUMBERS = count(1)


def about(
    issue_id: int, action: str, at: datetime = NOON, *, received_at: datetime | None = None, **changes: Any
) -> Payload:
    """Give a webhook that Sentry sent at this second, about an issue that is as `changes` say."""
    issue = {
        "id": str(issue_id),
        "shortId": "SHOP-1A",
        "title": "ZeroDivisionError: division by zero",
        "culprit": "/checkout",
        "level": "error",
        "status": "unresolved",
        "substatus": "new",
        "priority": "high",
        "assignedTo": None,
        "isUnhandled": True,
        "firstSeen": told(NOON - timedelta(days=1)),
        "lastSeen": told(NOON),
        "web_url": "https://sentry.example.com/issues/1/",
        "project": {"id": str(PROJECT), "slug": "shop", "name": "Shop"},
        **changes,
    }
    body = {"action": action, "installation": {"uuid": "u"}, "data": {"issue": issue}, "actor": PERSON}
    headers = {"sentry-hook-resource": "issue", "sentry-hook-timestamp": str(int(at.timestamp()))}
    return Payload(us(received_at or at + SECOND), Door.HOOK, json.dumps(body).encode(), None, headers)


def life(issue_id: int) -> list[Payload]:
    """Give what is told of an issue in the order in which it happened; some of it in one second, some in part."""
    resolved = {"status": "resolved", "substatus": None}
    at = [NOON + n * timedelta(minutes=1) for n in range(7)]
    return [
        about(issue_id, "created", at[0]),
        about(issue_id, "assigned", at[0], assignedTo=PERSON, substatus="ongoing"),
        about(issue_id, "assigned", at[1], assignedTo=TEAM, substatus="ongoing", shortId=None, title="Renamed"),
        about(issue_id, "resolved", at[2], **resolved, assignedTo=TEAM),
        about(issue_id, "unresolved", at[3], substatus="regressed", assignedTo=TEAM, priority=None),
        about(issue_id, "resolved", at[4], received_at=at[6], **resolved, shortId=None, title=None),
        about(issue_id, "ignored", at[5], received_at=at[6], status="ignored", substatus="archived_forever"),
        about(issue_id, "resolved", at[6], received_at=at[6] + SECOND, **resolved, culprit=None),
        about(issue_id, "assigned", at[6], received_at=at[6] + SECOND, **resolved, assignedTo=PERSON, url=None),
        about(issue_id, "assigned", at[6], received_at=at[6] + 2 * SECOND, **resolved, assignedTo=None, level=None),
    ]


def without_ids(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in {"issue_id", "body"}} for row in rows]


def load(url: str, *payloads: Payload) -> Tally:
    with loading(url) as (loader, _):
        return loader.load(payloads, origin="test")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


@pytest.mark.scenario("G-04")
@examples(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(), sizes=st.lists(st.integers(1, 10), min_size=1, max_size=10))
def test_any_order_of_arrival_gives_the_same_issue_and_the_same_history(
    database_url: str, seed: int, sizes: list[int]
) -> None:
    orders = [life(next(NUMBERS)), life(next(NUMBERS))]
    Random(seed).shuffle(orders[1])
    found = []
    with loading(database_url) as (loader, _):
        for payloads in orders:
            rest = list(payloads)
            for size in [*sizes, len(rest)]:
                batch, rest = rest[:size], rest[size:]
                loader.load(batch, origin="test")
            issue_id = json.loads(payloads[0].body)["data"]["issue"]["id"]
            found.append(
                [without_ids(warehouse.rows(database_url, query, int(issue_id))) for query in (STATE, HISTORY)]
            )
    assert found[0] == found[1]
    assert len(found[0][1]) == 9


def test_an_issue_is_what_was_told_last_and_keeps_what_that_did_not_tell(database_url: str) -> None:
    assert load(database_url, *life(5)) == Tally(payloads=10, issue_changes=10)
    (found,) = warehouse.rows(database_url, STATE, 5)
    last = NOON + timedelta(minutes=6)
    assert found == {
        "project_id": PROJECT, "issue_id": 5, "changed_at": last, "first_seen_at": NOON - timedelta(days=1),
        "last_seen_at": NOON, "resolved_at": last, "short_id": "SHOP-1A", "culprit": "/checkout", "level": "error",
        "title": "ZeroDivisionError: division by zero", "status": "resolved", "substatus": None, "priority": "high",
        "assignee": None, "is_unhandled": True, "url": "https://sentry.example.com/issues/1/",
    }  # fmt: skip
    told_of = [(each["action"], each["assignee"]) for each in warehouse.rows(database_url, HISTORY, 5)]
    assert told_of[:3] == [("assigned", "user:662437"), ("created", None), ("assigned", "team:7")]
    project = warehouse.rows(database_url, "select project_id, slug, name from warehouse.dim_project")
    assert project == [{"project_id": PROJECT, "slug": "shop", "name": "Shop"}]


def test_an_issue_that_is_open_again_is_resolved_no_more(database_url: str) -> None:
    load(database_url, *life(5)[:5])
    (found,) = warehouse.rows(database_url, STATE, 5)
    assert (found["status"], found["substatus"], found["resolved_at"]) == ("unresolved", "regressed", None)


def test_a_change_that_is_told_again_is_one_row_and_is_counted(database_url: str) -> None:
    first, second = (load(database_url, *life(5)) for _ in range(2))
    assert first == second
    assert len(warehouse.rows(database_url, HISTORY, 5)) == 9
    assert warehouse.tally(database_url) == first.plus(second)._asdict()


def test_an_issue_s_webhook_finds_its_events_and_is_found_by_them(database_url: str) -> None:
    one, other = (event(timestamp=told(NOON)) for _ in range(2))
    load(database_url, about(8, "created"), webhook(one, issue_id="8"))
    load(database_url, webhook(other, issue_id=9, hashes=["abc"]))
    load(database_url, about(9, "resolved", status="resolved"))
    found = warehouse.rows(
        database_url,
        "select e.event_id, i.status from warehouse.fact_event e "
        "join warehouse.dim_group using (project_id, group_key) "
        "join warehouse.dim_issue i using (project_id, issue_id)",
    )
    assert {each["event_id"].hex: each["status"] for each in found} == {
        one["event_id"]: "unresolved",
        other["event_id"]: "resolved",
    }


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "id", "email", "x"]), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["shortId", "title", "culprit", "level", "status", "assignedTo", "firstSeen", "project", "web_url", "email", "user"]
)


@examples(deadline=None)
@given(changes=st.dictionaries(FIELDS, ANYTHING), is_scrubbed=st.booleans())
def test_no_issue_breaks_it_whatever_it_holds(changes: dict[str, Any], is_scrubbed: bool) -> None:
    found = interpret(about(5, "assigned", **changes), lambda _: is_scrubbed)
    assert found.asides == []
    (change,) = found.changes
    assert change.assignee is None or change.assignee.partition(":")[0] in {"user", "team"}
    texts = [value for value in msgspec.structs.astuple(change) if isinstance(value, str)]
    assert not any("\0" in value or not value.encode() for value in texts)


def changes_of(payload: Payload, *, is_scrubbed: bool = True) -> list[IssueChange]:
    return interpret(payload, lambda _: is_scrubbed).changes


@pytest.mark.parametrize("is_scrubbed", [True, False])
def test_no_person_is_named_in_what_is_kept(database_url: str, is_scrubbed: bool) -> None:
    by = {"actor": PERSON, "inCommit": {"id": "1", "author": {"name": "Alice Example", "email": "alice@example.org"}}}
    sent = about(5, "assigned", assignedTo=PERSON, statusDetails=by, seenBy=[PERSON], owners=[{"owner": "user:5"}])
    body = json.loads(sent.body)
    body["data"]["assignee"] = PERSON
    body["data"]["activity"] = [{"type": "assigned", "data": {"assigneeEmail": "alice@example.org"}, "user": PERSON}]
    payload = Payload(sent.received_at_us, sent.door, json.dumps(body).encode(), None, sent.headers)
    (change,) = changes_of(payload, is_scrubbed=is_scrubbed)
    assert change.assignee == "user:662437"
    assert b"Alice" not in change.body
    assert b"example.org" not in change.body
    kept = json.loads(change.body)
    assert kept["actor"] == kept["data"]["assignee"] == {"type": "user", "id": "662437"}
    assert kept["data"]["issue"]["project"]["name"] == "Shop"
    load(database_url, payload)
    (row,) = warehouse.rows(database_url, HISTORY, 5)
    assert (row["codec"], json.loads(zstandard.decompress(row["body"]))) == (0, json.loads(changes_of(payload)[0].body))


def test_secrets_are_taken_out_where_the_project_wants_it() -> None:
    sent = about(5, "created", title="card 4111 1111 1111 1111", metadata={"value": "x", "password": "hunter2"})
    (scrubbed,), (kept,) = changes_of(sent), changes_of(sent, is_scrubbed=False)
    assert b"hunter2" not in scrubbed.body
    assert b"4111" not in scrubbed.body
    assert "4111" not in (scrubbed.title or "")
    assert b"hunter2" in kept.body
    assert "4111" in (kept.title or "")
    (clean,) = changes_of(about(5, "cre\x00ated", title="a\x00b", status="\ud800"))
    assert (clean.title, clean.action, clean.status) == ("ab", "created", "\ufffd")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("1795521600", datetime.fromtimestamp(1795521600, UTC)),
        (str(int((NOON + timedelta(hours=23)).timestamp())), NOON + timedelta(hours=23)),
        (str(int((NOON + timedelta(days=2)).timestamp())), NOON),
        ("0", NOON),
        ("1795521600000", NOON),
        ("yesterday", NOON),
        ("²", NOON),
        ("-1", NOON),
        (None, NOON),
    ],
)
def test_a_change_happened_when_sentry_sent_it_unless_that_cannot_be(header: str | None, expected: datetime) -> None:
    sent = about(5, "assigned", received_at=NOON)
    headers = {"sentry-hook-resource": "issue"} | ({"sentry-hook-timestamp": header} if header else {})
    (change,) = read(Payload(sent.received_at_us, sent.door, sent.body, None, headers)).changes
    assert change.changed_at == expected


def test_every_issue_webhook_of_the_corpus_is_loaded_from_files_and_once(engine: Engine, database_url: str) -> None:
    for again in (False, True):
        tally = bulk.load_files(engine, settings(Path()), CORPUS, None, None, is_again=again, is_quiet=True)
        assert tally == Tally(payloads=len(CORPUS), issue_changes=len(CORPUS))
    told_of = [json.loads(path.read_bytes())["data"]["issue"]["id"] for path in CORPUS]
    found = warehouse.rows(database_url, "select issue_id, action, status from warehouse.issue_change")
    assert {each["issue_id"] for each in found} == {int(issue_id) for issue_id in told_of}
    assert {each["action"] for each in found} == {"created", "assigned", "resolved", "archived", "unresolved"}
    assert warehouse.value(database_url, "select count(*) from warehouse.dim_issue") == len(set(told_of))
    assert warehouse.value(database_url, "select max(changed_at) from warehouse.issue_change") < NOON - 365 * 4 * SECOND


def test_changes_and_events_of_one_file_are_told_apart(engine: Engine, database_url: str, tmp_path: Path) -> None:
    one = webhook(event(timestamp=told(NOON)), issue_id=1)
    lines = [one.body, about(1, "created").body, b'{"nonsense":1}', about(2, "assigned").body]
    file = tmp_path / "webhooks.ndjson"
    file.write_bytes(b"\n".join(lines))
    tally = bulk.load_files(engine, settings(Path()), [file], None, None, is_again=False, is_quiet=True)
    assert tally == Tally(payloads=4, events=1, loaded=1, set_aside=1, issue_changes=2)
    assert warehouse.tally(database_url) == tally._asdict()


def test_what_an_older_errhouse_set_aside_as_no_event_is_loaded_by_a_replay(engine: Engine, database_url: str) -> None:
    with engine.begin() as connection:
        set_aside.keep(connection, [Aside(each, Reason.NO_EVENT, "holds no event") for each in life(5)[:3]])
    assert replay(engine, settings(Path()), None, None) == Tally(payloads=3, issue_changes=3)
    assert warehouse.rows(database_url, "select * from warehouse.set_aside") == []
    assert len(warehouse.rows(database_url, HISTORY, 5)) == 3


def test_a_change_that_the_database_refuses_is_set_aside_alone(engine: Engine, database_url: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "alter table warehouse.issue_change add constraint no_team check (assignee <> 'team:7')"
        )
    tally = load(database_url, *life(5)[:4], webhook(event(timestamp=told(NOON))))
    assert tally == Tally(payloads=5, events=1, loaded=1, set_aside=2, issue_changes=2)
    reasons = warehouse.rows(database_url, "select reason, detail like '%%no_team%%' as named from warehouse.set_aside")
    assert reasons == [{"reason": "row_refused", "named": True}] * 2
    (found,) = warehouse.rows(database_url, STATE, 5)
    assert found["assignee"] == "user:662437"


def test_a_change_without_a_project_is_set_aside_and_with_a_slug_alone_finds_it(database_url: str) -> None:
    tally = load(database_url, about(1, "created", project=None), about(2, "created", project={"slug": "shop"}))
    assert tally == Tally(payloads=2, set_aside=1, issue_changes=1)
    assert warehouse.value(database_url, "select reason from warehouse.set_aside") == "no_project"
    found = "select slug from warehouse.dim_project join warehouse.dim_issue using (project_id)"
    assert warehouse.value(database_url, found) == "shop"


def test_no_body_is_kept_where_no_payloads_are(database_url: str) -> None:
    with loading(database_url, PAYLOAD_RETENTION_DAYS=0) as (loader, _):
        loader.load([about(5, "created")], origin="test")
    (found,) = warehouse.rows(database_url, HISTORY, 5)
    assert (found["codec"], found["body"]) == (None, None)
