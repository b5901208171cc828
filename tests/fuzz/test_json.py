"""JSON of every kind through each door: what is right is stored as it was meant, what is wrong is refused and kept."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import pytest

from tests.fuzz.asides import asides
from tests.fuzz.json_cases import cases
from tests.support import postgres
from tests.support.builders import auth, signed
from tests.support.loading import loading
from tests.support.payloads import stored
from tests.support.receiver import MIB, SECRET, receiving

HOLDS = ("E-04",)
SPACE = UUID("5e27c0de-0000-4000-8000-00000000e004")
DOORS = ("hook", "store", "item", "header")
MOST_HEADER_BYTES = 4000
CONNECTIONS = 16
PROJECT_ID = 42


class Sent(NamedTuple):
    """One case at one door, and its answer."""

    kind: str
    door: str
    case: bytes
    event_id: str
    body: bytes
    status: int
    reason: str


class Came(NamedTuple):
    """All that was sent, and what is stored and set aside of it: `extra` by event id, and reasons with bytes."""

    sent: list[Sent]
    extras: dict[str, Any]
    kept: set[tuple[str, bytes]]


def request(door: str, case: bytes, event_id: str) -> tuple[str, bytes, dict[str, str]]:
    """Give path, body and headers of a case at a door."""
    event = b'{"event_id":"%s","message":"m","project":42,"extra":{"case":%s}}' % (event_id.encode(), case)
    if door == "hook":
        body = b'{"action":"created","data":{"error":%s}}' % event
        return "/hooks/sentry", body, signed(body, SECRET)
    if door == "store":
        return f"/api/{PROJECT_ID}/store/", event, auth()
    head = b"{}"
    if door == "header":
        head = b'{"event_id":"%s","case":%s}' % (event_id.encode(), case)
        event = b'{"message":"m"}'
    body = b'%s\n{"type":"event","length":%d}\n%s\n' % (head, len(event), event)
    return f"/api/{PROJECT_ID}/envelope/", body, auth()


@pytest.fixture(scope="module")
def came(tmp_path_factory: pytest.TempPathFactory, postgres_url: str, template_database: str) -> Iterator[Came]:
    with receiving(
        tmp_path_factory.mktemp("json") / "data",
        SPOOL_MAX_BYTES=256 * MIB,
        MAX_BODY_BYTES=2 * MIB,
        ACK_DEADLINE_SECONDS=60,
    ) as to:

        def send(kind: str, number: int, case: bytes, door: str) -> Sent:
            event_id = uuid5(SPACE, f"{kind} {number} {door}").hex
            path, body, headers = request(door, case, event_id)
            answer = to.client.post(path, content=body, headers=headers)
            return Sent(kind, door, case, event_id, body, answer.status_code, answer.json().get("reason", ""))

        wanted = [
            (kind, number, case, door)
            for kind, found in cases().items()
            for number, case in enumerate(found)
            for door in DOORS
            if door != "header" or len(case) < MOST_HEADER_BYTES
        ]
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            sent = list(pool.map(lambda one: send(*one), wanted))
        payloads = to.kept()
    with postgres.database(postgres_url, template_database) as url, loading(url) as (loader, engine):
        for at in range(0, len(payloads), 500):
            loader.load(payloads[at : at + 500], origin="test")
        with engine.connect() as connection:
            extras = {str(event.get("event_id")): event.get("extra") for _, event in stored(connection)}
            ids = connection.exec_driver_sql("select replace(event_id::text, '-', '') from warehouse.fact_event")
            extras = {event_id: extras.get(event_id) for event_id in ids.scalars()}
        yield Came(sent, extras, asides(engine))


def test_there_are_some_hundred_cases_and_none_is_a_5xx(came: Came) -> None:
    assert [each for each in came.sent if each.status not in {200, 400}] == []
    assert [each for each in came.sent if each.status == 400 and not each.reason] == []
    counts = Counter((each.kind, each.door, each.status) for each in came.sent)
    print(counts)
    assert min(counts["yes", door, 200] for door in DOORS) > 150
    assert min(counts["no", door, 400] for door in DOORS if door != "hook") > 150


@pytest.mark.parametrize("door", DOORS)
def test_what_is_right_is_stored_as_it_was_meant(came: Came, door: str) -> None:
    right = [each for each in came.sent if each.kind == "yes" and each.door == door]
    assert [each for each in right if each.status != 200 or each.event_id not in came.extras] == []
    if door != "header":
        told = {each.event_id: came.extras[each.event_id] for each in right}
        assert told == {each.event_id: {"case": json.loads(each.case)} for each in right}


@pytest.mark.parametrize("door", DOORS)
def test_what_is_wrong_is_refused_or_set_aside_and_never_a_row(came: Came, door: str) -> None:
    wrong = [each for each in came.sent if each.kind == "no" and each.door == door]
    assert [each for each in wrong if each.event_id in came.extras] == []
    reasons = {each: {reason for reason, body in came.kept if body == each.body} for each in wrong}
    assert [each for each, found in reasons.items() if not found] == []
    assert {reason for found in reasons.values() for reason in found} <= {"not_json", "too_deep", "bad_envelope"}


def test_what_is_debatable_is_a_row_or_set_aside(came: Came) -> None:
    debatable = [each for each in came.sent if each.kind == "either"]
    bodies = {body for _, body in came.kept}
    assert [each for each in debatable if each.event_id not in came.extras and each.body not in bodies] == []
    assert sum(each.event_id in came.extras for each in debatable) > 100
