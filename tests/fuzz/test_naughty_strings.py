"""Naughty strings in every text of an event: stored as they are but for what cannot be, and told in every format."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import pytest

from ingest import jsontext
from reports.channels import slack
from reports.delivery.message import Fact, Message
from reports.render import rendering
from reports.report import Column
from tests.fuzz.naughty_strings import naughty_strings
from tests.support import postgres, reports, warehouse
from tests.support.builders import event
from tests.support.loading import NOON, loading, store, told
from tests.support.payloads import stored

HOLDS = ("E-10",)
SPACE = UUID("5e27c0de-0000-4000-8000-00000000e010")
SHOWN = ("title", "culprit", "message", "release", "environment", "user_username", "top_frame", "transaction")


class Kept(NamedTuple):
    """What is stored of each string, by the event's id: the payload, and the row."""

    naughty: dict[str, str]
    payloads: dict[str, dict[str, Any]]
    rows: list[dict[str, Any]]


def naughty_event(text: str, event_id: str) -> dict[str, Any]:
    frames = [{"filename": text, "function": text, "module": text, "context_line": text, "lineno": 1}]
    return event(
        event_id=event_id,
        timestamp=told(NOON),
        message=text,
        transaction=text,
        release=text,
        environment=text,
        user={"username": text},
        tags={"naughty": text, text: "value"},
        extra={"naughty": text, text: "key"},
        exception={"values": [{"type": text, "value": text, "stacktrace": {"frames": frames}}]},
    )


@pytest.fixture(scope="module")
def kept(postgres_url: str, template_database: str) -> Iterator[Kept]:
    naughty = {uuid5(SPACE, repr(text)).hex: text for text in naughty_strings()}
    with postgres.database(postgres_url, template_database) as url, loading(url) as (loader, engine):
        tally = loader.load([store(naughty_event(text, event_id)) for event_id, text in naughty.items()], origin="test")
        assert (tally.loaded, tally.set_aside) == (len(naughty), 0)
        with engine.connect() as connection:
            payloads = {str(payload["event_id"]): payload for _, payload in stored(connection)}
        yield Kept(naughty, payloads, warehouse.rows(url, "select * from analytics.events order by event_id"))


def test_what_is_stored_is_what_came_but_for_what_no_database_holds(kept: Kept) -> None:
    assert len(kept.naughty) > 400
    wrong = {}
    for event_id, text in kept.naughty.items():
        clean = jsontext.clean(text)
        told_extra = kept.payloads[event_id]["extra"]
        wanted = jsontext.clean({"naughty": text, text: "key"})
        if told_extra != wanted or kept.payloads[event_id]["message"] != clean:
            wrong[text] = (told_extra, wanted)
    assert wrong == {}


def test_every_column_holds_text_that_can_be_shown(kept: Kept) -> None:
    assert len(kept.rows) == len(kept.naughty)
    for row in kept.rows:
        for value in (*(row[name] for name in SHOWN), *row["tags"], *row["tags"].values()):
            assert "\x00" not in (value or "")
            assert (value or "").encode().decode() == (value or "")


@pytest.mark.parametrize("name", ["html", "csv", "xlsx", "json", "markdown", "text"])
def test_every_format_can_tell_them(kept: Kept, name: str) -> None:
    columns = (
        *(Column(each, each, "text", "As the sender said.") for each in SHOWN),
        Column("events", "Events", "count", "How many."),
    )
    rows = [[*(row[each] for each in SHOWN), 1] for row in kept.rows]
    body = rendering(name).render(reports.report(reports.section("naughty", "Naughty", columns, rows)))
    assert len(body) > len(rows)
    if name == "json":
        assert len(json.loads(body)["sections"][0]["table"]["rows"]) == len(rows)


def test_a_chat_is_told_of_them_without_a_mention_or_a_link(kept: Kept) -> None:
    for row in kept.rows:
        title = row["title"]
        message = Message("key", "alert", title, title, facts=(Fact("culprit", row["culprit"]),))
        written = json.dumps(slack.said(message)).encode()
        assert b"<!channel>" not in written
        assert b"<@U1>" not in written
        assert b"<https://x|y>" not in written
