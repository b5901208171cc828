from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from ingest import set_aside
from ingest.errors import Reason
from ingest.interpret import Aside
from ingest.records import Door, Payload
from models.engine import engine_for
from tests.support import warehouse
from tests.support.loading import NOON, us

HOUR = timedelta(hours=1)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


def aside(
    body: bytes = b"x", reason: Reason = Reason.NOT_JSON, hours: int = 0, project_id: int | None = 42, **told: str
) -> Aside:
    payload = Payload(us(NOON + hours * HOUR), Door.HOOK, body, project_id, {"user-agent": "sentry", **told}, "::1")
    return Aside(payload, reason, f"because {hours}")


def keep(engine: Engine, *asides: Aside) -> None:
    with engine.begin() as connection:
        set_aside.keep(connection, asides)


def test_what_is_kept_comes_back_to_the_last_byte(engine: Engine) -> None:
    kept = aside(bytes(range(256)), refused="no")
    keep(engine, kept)
    with engine.connect() as connection:
        (key,) = set_aside.keys(connection, None)
        assert set_aside.payload_of(connection, key) == ("not_json", "because 0", kept.payload)
        assert set_aside.payload_of(connection, key + 1) is None


def test_the_same_bytes_for_the_same_reason_are_one_record_that_counts(engine: Engine) -> None:
    keep(engine, aside(), aside(hours=1))
    keep(engine, aside(hours=2))
    with engine.connect() as connection:
        (found,) = set_aside.listed(connection, None, 10)
    assert (found["seen_count"], found["detail"], found["body_bytes"]) == (3, "because 2", 1)
    assert (found["first_received_at"], found["last_received_at"]) == (NOON, NOON + 2 * HOUR)


def test_records_that_come_out_of_order_keep_their_first_and_last_time(engine: Engine) -> None:
    for hours in (1, 0, 2, 1):
        keep(engine, aside(hours=hours))
    with engine.connect() as connection:
        (found,) = set_aside.listed(connection, None, 10)
    assert (found["first_received_at"], found["last_received_at"]) == (NOON, NOON + 2 * HOUR)


def test_another_door_project_reason_or_byte_is_another_record(engine: Engine) -> None:
    other_door = Aside(Payload(us(NOON), Door.LEGACY, b"x", 42), Reason.NOT_JSON, "because")
    keep(engine, aside(), aside(b"y"), aside(reason=Reason.TOO_DEEP), aside(project_id=None), other_door)
    with engine.connect() as connection:
        assert len(set_aside.keys(connection, None)) == 5
        assert len(set_aside.keys(connection, "too_deep")) == 1
        assert [each["reason"] for each in set_aside.listed(connection, "too_deep", 10)] == ["too_deep"]


def test_the_latest_come_first_and_no_more_than_were_asked_for(engine: Engine) -> None:
    keep(engine, *(aside(b"%d" % hours, hours=hours) for hours in range(5)))
    with engine.connect() as connection:
        listed = set_aside.listed(connection, None, 3)
        assert [each["last_received_at"] for each in listed] == [NOON + hours * HOUR for hours in (4, 3, 2)]
        assert len(set_aside.keys(connection, None)) == 5


def test_what_postgresql_cannot_hold_in_headers_and_details_is_no_obstacle(engine: Engine) -> None:
    kept = aside(b"\x00", **{"content-type\x00": "a\x00"})
    long = Aside(kept.payload, Reason.INTERNAL, "\x00\udfff" + "x" * 10_000)
    keep(engine, long)
    with engine.connect() as connection:
        (found,) = set_aside.listed(connection, None, 10)
        assert len(found["detail"]) == set_aside.MAX_DETAIL
        told = set_aside.payload_of(connection, found["set_aside_key"])
    assert told is not None
    assert told[2].body == b"\x00"


def test_a_record_that_was_removed_is_gone(engine: Engine) -> None:
    keep(engine, aside(), aside(b"y"))
    with engine.begin() as connection:
        first, second = set_aside.keys(connection, None)
        set_aside.remove(connection, first)
        set_aside.remove(connection, first)
        assert set_aside.keys(connection, None) == [second]


def test_past_the_limit_the_oldest_go_first_and_are_counted(engine: Engine, database_url: str) -> None:
    noise = [bytes([n]) * 50 for n in range(10)]
    keep(engine, *(aside(body, hours=hours) for hours, body in enumerate(noise)))
    size = "select sum(octet_length(body)) from warehouse.set_aside"
    whole = warehouse.value(database_url, size)
    with engine.begin() as connection:
        assert set_aside.trim(connection, whole) == 0
        assert set_aside.trim(connection, whole // 2) == 5
        assert [each["last_received_at"] for each in set_aside.listed(connection, None, 10)] == [
            NOON + hours * HOUR for hours in (9, 8, 7, 6, 5)
        ]
    assert warehouse.value(database_url, size) <= whole // 2
    with engine.begin() as connection:
        assert set_aside.trim(connection, 0) == 5


def test_nothing_set_aside_asks_nothing_of_the_database(engine: Engine) -> None:
    keep(engine)
    with engine.connect() as connection:
        assert set_aside.listed(connection, None, 10) == []
