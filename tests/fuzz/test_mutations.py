"""Ten thousand real bodies to which something happened: no 5xx, no wait, no loss, and nothing that grows."""

import gzip
import json
import os
import re
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from queue import SimpleQueue
from random import Random
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import brotli
import pytest
import zstandard

from ingest.body import Decoder, Limits
from ingest.codecs import codec
from ingest.interpret import interpret
from ingest.records import KEPT_HEADERS, Door, Payload
from models.engine import engine_for
from tests.fuzz.asides import asides
from tests.fuzz.mutating import mutated
from tests.support import postgres, warehouse
from tests.support.builders import auth, signed
from tests.support.parcels import SDK_PROJECT, Senders, corpus
from tests.support.server import Server, errhouse, serving

HOLDS = ("E-13",)
SECRET = "0123456789abcdef" * 4
SEED = int(os.environ.get("ERRHOUSE_TEST_FUZZ_SEED", "20261128"))
BODIES = int(os.environ.get("ERRHOUSE_TEST_FUZZ_BODIES", "10000"))
WARM_UP = 3000  # requests, after which the processes hold what they always hold
FIXTURES = 40
CHANGE, CHANGES = "issue ", 3  # of the fixtures, so many tell of issues and not of events
MOST_FIXTURE_BYTES = 60_000
CONNECTIONS = 6
MOST_SECONDS = 1.0
MOST_GROWTH_BYTES = 30 * 1024 * 1024
LIMITS = Limits(20 * 1024 * 1024, 64 * 1024 * 1024)
PACK = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstandard.compress}
OWN_ID = re.compile(rb'"(?:event_id|eventID|id)"\s*:\s*"([0-9a-fA-F]{32})"')
SPACE = UUID("5e27c0de-0000-4000-8000-00000000e013")
# of an authentic sender; what it could not mean is kept all the same
KEPT = {"empty_body", "not_json", "not_an_object", "too_deep", "bad_envelope", "bad_event_id", "bad_encoding"}


class Shot(NamedTuple):
    """One request."""

    number: int
    path: str
    headers: dict[str, str]
    sent: bytes
    is_authentic: bool


class Answered(NamedTuple):
    """What came of one request."""

    shot: Shot
    status: int
    told: dict[str, Any]
    seconds: float


class Gun:
    """Makes the request of a number: the same for the same seed, whatever was made before."""

    def __init__(self, to: Senders) -> None:
        parcels = [each for each in corpus(to) if 100 < len(each.body) < MOST_FIXTURE_BYTES]
        changes = [each for each in parcels if each.name.startswith(CHANGE)]
        others = [each for each in parcels if not each.name.startswith(CHANGE)]
        chance = Random(SEED)
        self._parcels = chance.sample(changes, CHANGES) + chance.sample(others, FIXTURES - CHANGES)
        self._bodies = [each.body for each in self._parcels]
        self._secret = to.secret

    def shot(self, number: int) -> Shot:
        chance = Random(f"{SEED}:{number}")
        parcel = chance.choice(self._parcels)
        own = OWN_ID.search(parcel.body)
        fresh = uuid5(SPACE, f"{SEED}:{number}").hex.encode()
        body = mutated(parcel.body.replace(own[1], fresh) if own else parcel.body, self._bodies, chance)
        headers = {name.lower(): value for name, value in parcel.headers.items()}
        if "content-encoding" not in headers and chance.random() < 0.15:
            headers["content-encoding"] = chance.choice(list(PACK))
            body = PACK[headers["content-encoding"]](body)
            if chance.random() < 0.3:
                body = mutated(body, self._bodies, chance)
        if "sentry-hook-resource" in headers and chance.random() < 0.1:
            headers["sentry-hook-resource"] = chance.choice(("issue", "error", "comment", "event_alert", "", "x" * 600))
        is_authentic = number % 2 == 0
        return Shot(number, *self._shown(parcel.path, headers, body, is_authentic), body, is_authentic)

    def _shown(self, path: str, headers: dict[str, str], body: bytes, is_authentic: bool) -> tuple[str, dict[str, str]]:
        """Give path and headers by which the sender shows its right, or fails to."""
        for name in ("sentry-hook-signature", "x-servicehook-signature"):
            if name in headers:
                headers[name] = signed(body, self._secret if is_authentic else "guessed")["Sentry-Hook-Signature"]
        if is_authentic:
            return path, headers
        if path.startswith("/api/"):
            path = path.partition("?")[0]
            headers.pop("authorization", None)
            headers["x-sentry-auth"] = auth("0" * 32)["X-Sentry-Auth"]
        elif path != "/hooks/sentry":
            path = "/hooks/sentry/" + "0" * 32
        return path, headers


def fire(server: Server, shots: Iterator[Shot]) -> list[Answered]:
    """Send over several connections that stay open, each request as soon as one of them is free."""
    free: SimpleQueue[HTTPConnection] = SimpleQueue()

    def send(shot: Shot) -> Answered:
        connection = free.get()
        begun = time.perf_counter()
        connection.request("POST", shot.path, shot.sent, shot.headers)
        answer = connection.getresponse()
        told = answer.read()
        seconds = time.perf_counter() - begun
        free.put(connection)
        return Answered(shot, answer.status, json.loads(told), seconds)

    with ExitStack() as open_ones, ThreadPoolExecutor(CONNECTIONS) as pool:
        for _ in range(CONNECTIONS):
            free.put(open_ones.enter_context(closing(HTTPConnection("127.0.0.1", server.port, timeout=10))))
        return list(pool.map(send, shots))


def memory(server: Server) -> int:
    return sum(each.memory_info().rss for each in server.children())


def processes(server: Server) -> set[tuple[int, float]]:
    return {(each.pid, each.create_time()) for each in server.children()}


def as_kept(shot: Shot) -> Payload:
    """Give what the receiver must have kept of an authentic request whose encoding is whole."""
    told = codec(shot.headers.get("content-encoding", ""))
    body = shot.sent
    if told is not None and body:
        decoder = Decoder(told, LIMITS)
        decoder.feed(body)
        body = decoder.finish()
    door = Door.HOOK if shot.path == "/hooks/sentry" else Door.LEGACY
    if shot.path.startswith("/api/"):
        door = Door.STORE if "/store" in shot.path else Door.ENVELOPE
    headers = {name: value[:500] for name, value in shot.headers.items() if name in KEPT_HEADERS}
    return Payload(0, door, body, SDK_PROJECT if shot.path.startswith("/api/") else None, headers)


class Fired(NamedTuple):
    """What was sent and what came of it, with the sums of memory before and after and the processes."""

    answers: list[Answered]
    database_url: str
    grown_bytes: int
    are_processes_the_same: bool


@pytest.fixture(scope="module")
def fired(tmp_path_factory: pytest.TempPathFactory, postgres_url: str, template_database: str) -> Iterator[Fired]:
    print(f"seed {SEED}, {BODIES} bodies")
    folder = tmp_path_factory.mktemp("mutations") / "data"
    with (
        postgres.database(postgres_url, template_database) as url,
        serving(folder, url, ERRHOUSE_WEBHOOK_SECRETS=SECRET) as server,
    ):
        added = errhouse("project", "add", "sdk", "--id", str(SDK_PROJECT), "--json", data_dir=folder, database_url=url)
        hook = errhouse("hook", "add", "plugin", "--json", data_dir=folder, database_url=url)
        gun = Gun(Senders(SECRET, json.loads(hook.stdout)["path"], json.loads(added.stdout)["public_key"]))
        begun = time.perf_counter()
        answers = fire(server, map(gun.shot, range(WARM_UP)))
        warehouse.loaded(server)
        before, held = processes(server), memory(server)
        answers += fire(server, map(gun.shot, range(WARM_UP, BODIES)))
        warehouse.loaded(server)
        grown = memory(server) - held
        slowest = max(each.seconds for each in answers)
        print(f"{time.perf_counter() - begun:.0f} s, slowest {slowest * 1e3:.0f} ms, memory {grown / 2**20:+.1f} MB")
        yield Fired(answers, url, grown, processes(server) == before)


def told(answers: list[Answered]) -> dict[str, Any]:
    """Name requests so that each can be made again."""
    return {
        f"seed {SEED} number {each.shot.number}": (each.shot.path, each.status, each.told, round(each.seconds, 3))
        for each in answers[:20]
    }


def entered(fired: Fired) -> list[Answered]:
    """Give the answers to what is kept: what was accepted and, of senders that had shown their right, what was not."""

    def is_kept(each: Answered) -> bool:
        if each.status == 200:
            return True
        # a signature is of the whole body, and a broken encoding is not read to its end
        is_unread = each.shot.path == "/hooks/sentry" and each.told["reason"] == "bad_encoding"
        return each.told["reason"] in KEPT and not is_unread

    return [each for each in fired.answers if each.shot.is_authentic and is_kept(each)]


def test_no_answer_is_a_5xx_or_late_and_each_refusal_has_a_reason(fired: Fired) -> None:
    answers = fired.answers
    assert len(answers) == BODIES
    assert told([each for each in answers if each.status >= 500]) == {}
    assert told([each for each in answers if each.seconds > MOST_SECONDS]) == {}
    refused = [each for each in answers if not 200 <= each.status < 300]
    assert told([each for each in refused if not (each.told.get("reason") and each.told.get("detail"))]) == {}
    print(Counter((each.shot.is_authentic, each.status, each.told.get("reason")) for each in answers))


def test_nobody_without_a_right_was_let_in(fired: Fired) -> None:
    others = [each for each in fired.answers if not each.shot.is_authentic]
    assert told([each for each in others if each.status not in {400, 401, 403, 413, 415}]) == {}
    assert sum(each.status in {401, 403} for each in others) > len(others) * 0.9


def test_every_authentic_body_is_a_row_or_set_aside_with_its_reason(fired: Fired) -> None:
    url = fired.database_url
    engine = engine_for(url)
    kept = asides(engine)
    engine.dispose()
    rows = {row["event_id"] for row in warehouse.rows(url, "select event_id from analytics.events")}
    changed = {row["issue_id"] for row in warehouse.rows(url, "select distinct issue_id from warehouse.issue_change")}
    lost, outcomes = [], Counter[str]()
    for each in entered(fired):
        if each.status != 200:
            outcomes["refused"] += 1
            # what is broken may be the encoding that the header tells, or one that an old SDK does not tell
            is_safe = (each.told["reason"], each.shot.sent) in kept
            is_safe = is_safe or (each.told["reason"], as_kept(each.shot).body) in kept
        else:
            payload = as_kept(each.shot)
            found = interpret(payload, lambda _: True)
            outcomes.update({"events": len(found.records), "changes": len(found.changes), "aside": len(found.asides)})
            is_safe = bool(found.records or found.changes or found.asides)
            is_safe &= all(record.event_id in rows for record in found.records)
            is_safe &= all(change.issue_id in changed for change in found.changes)
            is_safe &= all((str(aside.reason), payload.body) in kept for aside in found.asides)
        if not is_safe:
            lost.append(each)
    assert told(lost) == {}
    print(outcomes)
    assert min(outcomes[name] for name in ("refused", "events", "changes", "aside")) > BODIES / 200


def test_the_counts_add_up_and_no_fault_was_ours(fired: Fired) -> None:
    url = fired.database_url
    counts = warehouse.tally(url)
    assert counts["payloads"] == len(entered(fired))
    found = warehouse.rows(url, "select reason, sum(seen_count)::int as times from warehouse.set_aside group by reason")
    reasons = {row["reason"]: row["times"] for row in found}
    assert counts["set_aside"] == sum(reasons.values())
    assert counts["loaded"] == warehouse.value(url, "select count(*) from analytics.events")
    assert {"internal", "row_refused", "spool_damaged"} & set(reasons) == set(), reasons


def test_no_process_ended_and_memory_stayed(fired: Fired) -> None:
    assert fired.are_processes_the_same
    assert fired.grown_bytes < MOST_GROWTH_BYTES
