"""Every payload of the corpus, over HTTP, to one running server; then all again, in another order and other forms."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import httpx
import pytest

from tests.support import postgres, warehouse
from tests.support.parcels import CORPUS, SDK_PROJECT, TOLD, Parcel, Senders, corpus, other_forms
from tests.support.server import Server, errhouse, serving

SECRET = "0123456789abcdef" * 4
SEED = 20261124
# a later form may tell the issue that the first did not know, and how its project is called; all else stays
EVERY_ROW = """
    select to_jsonb(e) - '{issue_id,project,sources}'::text[] as row from analytics.events e
    order by event_id, project_id
"""
SHARED_IDS = {
    "07882247670741c797467e8142a146b4",
    "9ec79c33ec9942ab8353589fcb2e04dc",
    "fff1050314a3433a823cfedec50f312f",
    "fff7744d8c5e4e4ba56fa09ca37a4888",
}
"""Ids of several samples that tell different things: the first of them is the row, the others are conflicts."""


class Sent(NamedTuple):
    """A parcel and its answer."""

    parcel: Parcel
    status: int
    body: dict[str, Any]


class Running(NamedTuple):
    """A server with everything of the corpus in it."""

    server: Server
    database_url: str
    to: Senders
    sent: list[Sent]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, postgres_url: str, template_database: str) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("corpus") / "data"
    with (
        postgres.database(postgres_url, template_database) as url,
        serving(folder, url, ERRHOUSE_WEBHOOK_SECRETS=f"an-older-one,{SECRET}") as server,
    ):
        added = errhouse("project", "add", "sdk", "--id", str(SDK_PROJECT), "--json", data_dir=folder, database_url=url)
        hook = errhouse("hook", "add", "plugin", "--json", data_dir=folder, database_url=url)
        to = Senders(SECRET, json.loads(hook.stdout)["path"], json.loads(added.stdout)["public_key"])
        parcels = corpus(to)
        Random(SEED).shuffle(parcels)
        sent = deliver(server, parcels)
        warehouse.loaded(server)
        yield Running(server, url, to, sent)


def deliver(server: Server, parcels: list[Parcel]) -> list[Sent]:
    sent = []
    with httpx.Client(base_url=server.url, timeout=10, trust_env=False) as client:
        for parcel in parcels:
            body = iter([parcel.body[:100], parcel.body[100:]]) if parcel.is_chunked else parcel.body
            answer = client.post(parcel.path, content=body, headers=parcel.headers)
            sent.append(Sent(parcel, answer.status_code, answer.json()))
    return sent


def expected_rows(sent: list[Sent]) -> set[tuple[str, str]]:
    """Give the events that must have a row: their project, as its id or its slug, and their id."""
    return {
        (str(each.parcel.project), told.replace("-", "").lower())
        for each in sent
        for told in [each.body["id"] if each.parcel.event_id == TOLD else each.parcel.event_id or ""]
        if each.parcel.event_id
    }


def found_rows(url: str) -> list[tuple[str, str]]:
    query = "select project_id, project, replace(event_id::text, '-', '') as id from analytics.events"
    # an id that we gave to a slug is far above those of Sentry
    return [
        (str(row["project_id"]) if row["project_id"] < 2**62 else row["project"], row["id"])
        for row in warehouse.rows(url, query)
    ]


def test_no_payload_of_the_corpus_is_answered_with_a_5xx(running: Running) -> None:
    assert len(running.sent) >= 330
    unlike = {each.parcel.name: (each.status, each.body) for each in running.sent if each.status != each.parcel.status}
    assert unlike == {}


def test_each_valid_event_is_exactly_one_row(running: Running) -> None:
    found = found_rows(running.database_url)
    assert [key for key, count in Counter(found).items() if count > 1] == []
    wanted = expected_rows(running.sent)
    assert wanted - set(found) == set()
    assert set(found) - wanted == set()
    assert len(wanted) > 150


def test_each_other_authentic_body_is_set_aside_with_its_reason_and_its_bytes(running: Running) -> None:
    wanted = Counter((each.parcel.reason, len(each.parcel.body)) for each in running.sent if each.parcel.reason)
    kept = warehouse.rows(
        running.database_url, "select reason, body_bytes, seen_count, detail from warehouse.set_aside"
    )
    found: Counter[tuple[str, int]] = Counter()
    shared = Counter[str]()
    for row in kept:
        if row["reason"] == "conflict":
            shared.update(re.findall("[0-9a-f]{32}", row["detail"]) * row["seen_count"])
        else:
            found[row["reason"], row["body_bytes"]] += row["seen_count"]
    assert found == wanted
    assert sum(wanted.values()) >= 30
    assert set(shared) == SHARED_IDS
    assert sum(shared.values()) == warehouse.tally(running.database_url)["conflicts"]


def test_each_webhook_about_an_issue_is_a_change_of_it(running: Running) -> None:
    told = [json.loads(each.parcel.body) for each in running.sent if each.parcel.is_change]
    wanted = {(int(each["data"]["issue"]["project"]["id"]), int(each["data"]["issue"]["id"])) for each in told}
    for table in ("dim_issue", "issue_change"):
        found = warehouse.rows(running.database_url, f"select distinct project_id, issue_id from warehouse.{table}")
        assert {tuple(each.values()) for each in found} == wanted


def test_the_counters_add_up_to_what_was_sent(running: Running) -> None:
    counts = warehouse.tally(running.database_url)
    assert counts["payloads"] == len(running.sent)
    refused = counts["refused"] - counts["conflicts"]
    assert counts["events"] == sum(each.parcel.event_id is not None for each in running.sent) + refused
    assert counts["loaded"] == len(found_rows(running.database_url))
    assert counts["set_aside"] == sum(each.parcel.reason is not None for each in running.sent) + counts["conflicts"]
    assert counts["issue_changes"] == sum(each.parcel.is_change for each in running.sent) >= 9


def test_all_again_in_another_order_and_in_other_forms_makes_no_new_row(running: Running, tmp_path: Path) -> None:
    url = running.database_url
    before, counted = warehouse.rows(url, EVERY_ROW), warehouse.tally(url)
    parcels = corpus(running.to) + other_forms(running.to)
    Random(SEED + 1).shuffle(parcels)
    sent = deliver(running.server, parcels)
    warehouse.loaded(running.server)
    assert {each.parcel.name: each.status for each in sent if each.status != each.parcel.status} == {}
    assert expected_rows(sent) - set(found_rows(url)) == set()
    assert warehouse.rows(url, EVERY_ROW) == before

    # and once more as a file of SDK events
    events = [json.loads(path.read_bytes()) for path in sorted(CORPUS.glob("event_sdk/*/*.json"))]
    lines = [json.dumps(event) for event in events if event.get("event_id")]
    Random(SEED + 2).shuffle(lines)
    file = tmp_path / "events.ndjson"
    file.write_text("\n".join(lines) + "\n")
    arguments = ("load", str(file), "--project", str(SDK_PROJECT), "--json")
    loaded = errhouse(*arguments, data_dir=running.server.data_dir, database_url=url)
    assert loaded.returncode == 0, loaded.stderr
    assert json.loads(loaded.stdout)["duplicates"] == len(lines)
    assert warehouse.rows(url, EVERY_ROW) == before

    after = warehouse.tally(url)
    assert after["payloads"] == counted["payloads"] + len(sent) + len(lines)
    assert after["loaded"] == counted["loaded"] == len(before)
    assert after["issue_changes"] == 2 * counted["issue_changes"]


def test_rest_events_are_loaded_from_files_and_meet_the_rows_that_webhooks_made(running: Running) -> None:
    url = running.database_url
    files = sorted(CORPUS.glob("api_event/*.json"))
    told = [json.loads(file.read_bytes()) for file in files]
    wanted = {(each["projectID"], each["eventID"]) for each in told if each.get("eventID")}
    known = set(found_rows(url))
    counts = []
    for _ in range(2):
        done = errhouse(
            "load", *map(str, files), "--again", "--json", data_dir=running.server.data_dir, database_url=url
        )
        assert done.returncode == 0, done.stderr
        counts.append(json.loads(done.stdout))
    found = found_rows(url)
    assert len(found) == len(set(found)) == len(known | wanted)
    assert wanted <= set(found)
    assert counts[0]["loaded"] == len(wanted - known)
    assert counts[1]["loaded"] == 0
    assert counts[0]["set_aside"] == counts[1]["set_aside"] == len(files) - len(wanted)
