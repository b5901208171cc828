"""A dictionary is trained when there is enough to train it on, kept when it saves enough, and tells of nobody."""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
import zstandard
from sqlalchemy import Engine, text

from models.engine import engine_for
from models.partitions import Partitions
from models.payload_samples import faceless
from models.payload_training import (
    DICTIONARY_BYTES,
    FEWEST_PAYLOADS,
    MOST_SIZE,
    RENEWED_DAYS,
    _of_leaf,
    _sample,
    dictionary,
    train,
)
from models.payloads import Codebook
from tests.support import builders, warehouse
from tests.support.loading import NOON
from tests.support.payloads import bodies

RENEWED = timedelta(days=RENEWED_DAYS)
INSERT = text(
    "insert into warehouse.event_payload (project_id, event_id, occurred_at, codec, body) "
    "values (:project_id, :event_id, :occurred_at, :codec, :body)"
)
INSERT_PROJECT = text(
    "insert into warehouse.dim_project (project_id, created_at) values (:project_id, now()) on conflict do nothing"
)
KEPT = "select codec, sample_count, gain, trained_at from warehouse.payload_dictionary order by codec"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


def fill(engine: Engine, kept: Iterable[bytes], at: datetime = NOON, project_id: int = 42, codec: int = 0) -> None:
    """Put payloads into the warehouse, as the loader does."""
    Partitions(engine, 7).ensure({at.date()})
    compress = zstandard.ZstdCompressor().compress
    values = [
        {
            "project_id": project_id,
            "event_id": uuid5(UUID(int=project_id), f"{at} {number}"),
            "occurred_at": at,
            "codec": codec,
            "body": compress(body),
        }
        for number, body in enumerate(kept)
    ]
    with engine.begin() as connection:
        connection.execute(INSERT_PROJECT, {"project_id": project_id})
        connection.execute(INSERT, values)


def other_bodies(count: int) -> list[bytes]:
    """Give payloads of another kind than `bodies`."""
    return [
        json.dumps(builders.event(user={"id": str(n)}, message=f"order {n} is late")).encode() for n in range(count)
    ]


def test_nothing_is_trained_on_a_few_payloads(engine: Engine, database_url: str) -> None:
    assert train(engine, NOON) is None
    fill(engine, bodies(FEWEST_PAYLOADS - 1))
    assert train(engine, NOON) is None
    assert warehouse.rows(database_url, KEPT) == []


def test_a_dictionary_is_trained_once_and_renewed_when_another_is_better(engine: Engine, database_url: str) -> None:
    fill(engine, bodies(FEWEST_PAYLOADS))
    assert train(engine, NOON) == 1
    (kept,) = warehouse.rows(database_url, KEPT)
    assert (kept["codec"], kept["sample_count"], kept["trained_at"]) == (1, FEWEST_PAYLOADS // 2, NOON)
    assert 0 < kept["gain"] < 0.5
    assert train(engine, NOON + RENEWED - timedelta(seconds=1)) is None
    assert train(engine, NOON + RENEWED) is None  # payloads are what they were: another would save nothing
    fill(engine, other_bodies(FEWEST_PAYLOADS), NOON + RENEWED)
    assert train(engine, NOON + RENEWED) == 2
    assert [each["codec"] for each in warehouse.rows(database_url, KEPT)] == [1, 2]
    assert warehouse.rows(database_url, KEPT)[1]["gain"] <= MOST_SIZE


def test_a_dictionary_makes_payloads_of_three_kilobytes_small(engine: Engine) -> None:
    fill(engine, bodies(2 * FEWEST_PAYLOADS, size=3000))
    train(engine, NOON)
    judged = bodies(200, seed=5, size=3000)
    with engine.connect() as connection:
        book = Codebook.read(connection)
    packed = [book.compress(body) for body in judged]
    assert sum(len(body) for _, body in packed) / len(packed) < 450
    assert [book.decompress(*each) for each in packed] == judged


def test_two_that_train_at_once_make_one_dictionary(engine: Engine, database_url: str) -> None:
    fill(engine, bodies(FEWEST_PAYLOADS))
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: train(engine, NOON), range(2)))
    assert sorted(made, key=bool) == [None, 1]
    assert len(warehouse.rows(database_url, KEPT)) == 1


def test_payloads_that_cannot_be_read_are_no_samples(engine: Engine) -> None:
    fill(engine, bodies(FEWEST_PAYLOADS))
    fill(engine, bodies(50), project_id=43, codec=99)
    assert train(engine, NOON) == 1


def test_payloads_that_do_not_compress_get_no_dictionary(engine: Engine, database_url: str) -> None:
    fill(engine, (b"no json %d" % number for number in range(FEWEST_PAYLOADS)))
    assert train(engine, NOON) is None
    assert warehouse.rows(database_url, KEPT) == []


def test_samples_are_of_every_project_and_of_the_newest_partitions(engine: Engine) -> None:
    for project_id, count in ((1, 400), (2, 50), (3, 5)):
        fill(engine, [b"%d" % project_id] * count, project_id=project_id)
    for weeks in range(1, 6):
        fill(engine, [b"week %d" % weeks], NOON - timedelta(weeks=weeks), project_id=7)
    with engine.connect() as connection:
        found = _sample(connection, Codebook())
        asked = {"project_ids": [1, 2, 3], "since": NOON - timedelta(days=1), "until": NOON + timedelta(days=1)}
        some = _of_leaf(connection, Codebook(), asked, 150)
    assert {body for body in found if body.startswith(b"week")} == {b"week 1", b"week 2", b"week 3"}
    assert [found.count(b"%d" % project_id) for project_id in (1, 2, 3)] == [400, 50, 5]
    assert [some.count(b"%d" % project_id) for project_id in (1, 2, 3)] == [95, 50, 5]


def planted(number: int) -> tuple[dict[str, Any], bytes]:
    """Give one of forty users, and an event that tells everything of that user, and of another, in every place."""
    user, other = (
        {
            "id": f"uid-77{who}3901",
            "email": f"Quirin.Zeppel{who}@zeppelin{who}.example",
            "username": f'quzep{who}"näme',
            "ip_address": f"203.0.113.{who}",
            "name": f"Xaverl Yttrium{who}",
            "data": {"iban": f"QZ{who:02}5001051754073249"},
        }
        for who in (number % 40, (number + 1) % 40)
    )
    said = " / ".join(str(value) for value in {**user, **other}.values())
    everywhere = f"{said} {user['email']!s} {other['username']} {user['ip_address']} fe80::9d{number % 40:02}:1"
    event = builders.event(
        user=user,
        message=f"order of {everywhere} is late",
        tags={"user": f"id:{user['id']}", "customer": other["username"]},
        extra={str(user["email"]): everywhere, "of": [other["name"], user["data"]]},
        breadcrumbs={"values": [{"message": everywhere, "data": {"to": str(user["email"]).upper()}}]},
        request={
            "url": f"https://shop.example/cart?for={user['username']}",
            "cookies": {"session": f"cookie{number % 40}monster"},
            "headers": [["X-Forwarded-For", user["ip_address"]], ["Authorization", f"bearer{number % 40}token"]],
            "env": {"REMOTE_ADDR": user["ip_address"]},
            "data": {"name": user["name"]},
        },
    )
    event["exception"]["values"][0]["stacktrace"]["frames"][0]["vars"] = {"self": f"<User {user['id']}>"}
    return user, json.dumps(event, ensure_ascii=number % 2 == 0).encode()


def test_nothing_in_a_dictionary_tells_of_anybody() -> None:
    made = [planted(number) for number in range(1_200)]
    secrets = {str(value).lower() for user, _ in made for key, value in user.items() if key != "data"}
    secrets |= {user["data"]["iban"].lower() for user, _ in made}
    secrets |= {
        f"{word}{number}" for word in ("zeppel", "quzep", "yttrium", "cookie", "bearer") for number in range(40)
    }
    secrets |= {"quirin", "xaverl", "203.0.113", "fe80::"}
    learnt = [body for _, body in made]
    body = dictionary(learnt, 1)
    assert body is not None
    found = body.decode("utf-8", "ignore").lower()
    assert [secret for secret in secrets if secret in found] == []
    assert "zerodivisionerror" in found  # of what is no secret it does tell
    whole: list[Any] = learnt
    careless = zstandard.train_dictionary(DICTIONARY_BYTES, whole).as_bytes().decode("utf-8", "ignore").lower()
    assert [secret for secret in secrets if secret in careless]


def test_a_word_of_few_users_is_not_trained_on_whatever_it_is() -> None:
    common = [{"message": "Payment refused", "user": {"id": str(number)}} for number in range(20)]
    rare = [{"message": "Payment by Wolpertinger", "user": {"id": str(number % 4)}} for number in range(40)]
    made = b"".join(faceless([json.dumps(each).encode() for each in (*common, *rare)]))
    assert b"Payment" in made
    assert b"refused" in made
    assert b"Wolpertinger" not in made


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("mail jo.hn+x@a-b.example.com now", "mail  now"),
        ("link ?to=jo%40x.example now", "link ?to= now"),
        ("from 198.51.100.7 now", "from  now"),
        ("from 2001:db8::1 now", "from  now"),
        ("from [::1] now", "from [] now"),
        ("in std::vec::Vec now", "in std::vec::Vec now"),
        ("at 10:00:02 now", "at 10:00:02 now"),
        ("at 10:00:02.123 now", "at 10:00:02.123 now"),
        ("user 7, not 77 now", "user , not 77 now"),
    ],
)
def test_addresses_go_by_their_shape(said: str, left: str) -> None:
    (made, *_) = faceless([json.dumps({"said": said, "user": {"id": 7}}).encode()] * 20)
    assert json.loads(made)["said"] == left


def test_what_is_no_event_is_no_sample() -> None:
    assert faceless([b"", b"[]", b"\xff", b"{" * 100_000, b"null"]) == []
