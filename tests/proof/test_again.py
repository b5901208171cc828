"""Scenarios G-01 to G-03 and G-05: the same event again, by whatever way and however late, is one row."""

import asyncio
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from random import Random

import httpx
import msgspec
import pytest

from ingest.records import Payload
from ingest.spool import identify
from ingest.spool.disk import Disk
from tests.bench import client
from tests.proof import made
from tests.proof.lines import report
from tests.proof.rig import audited
from tests.proof.verdict import stored
from tests.support import warehouse
from tests.support.builders import auth, event, signed
from tests.support.loading import NOON, Clock, loading, sdk, store, told, webhook
from tests.support.server import Server, serving

MOST_TIMES = 5
CONNECTIONS = 4
LIVE = """
    select (select coalesce(sum(event_count), 0) from warehouse.rollup_day)::int
        + (select coalesce(sum(event_count), 0) from warehouse.rollup_delta)::int
"""
PAYLOADS_OF = "select sum(payload_count)::int from warehouse.load_tally where origin = %s"
METRIC = "errhouse_event_conflicts_total "
ASIDE = "select reason, seen_count from warehouse.set_aside"
SOURCES_OF = "select sources from analytics.events where event_id = %s::uuid"
ROWS_OF = "select count(*)::int from warehouse.fact_event where event_id = %s::uuid"
DAYS_LATER = (
    0.0,
    25 / 24,
    8.0,
    29.0,
)  # at once, after a day, after the partition of its day, when it is nearly too old


@pytest.mark.scenario("G-01")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [500, pytest.param(5000, marks=pytest.mark.scenario("G-01", tier=2))])
def test_each_of_many_events_sent_up_to_five_times_to_two_services_is_one_row(
    tmp_path: Path, database_url: str, count: int
) -> None:
    seed = f"G-01 {count}"
    random = Random(seed)
    bodies = {number: made.body(seed, number, "small") for number in range(count)}
    sendings = [number for number in bodies for _ in range(random.randint(1, MOST_TIMES))]
    random.shuffle(sendings)
    with (
        serving(tmp_path / "one", database_url) as one,
        serving(tmp_path / "two", database_url) as two,
    ):
        project_id, key = warehouse.first_project(database_url)
        requests = [client.post(f"/api/{project_id}/envelope/", bodies[each], auth(key)) for each in sendings]
        halves = (requests[::2], requests[1::2])
        with client.runner() as runner:
            outcomes = runner.run(both(one, two, halves))
        for each in (one, two):
            warehouse.loaded(each)
        statuses = sum((Counter(outcome.statuses) for outcome in outcomes), Counter())
        assert statuses == {200: len(sendings)}
        rows = Counter(made.number_of(seed, found) for found in stored(database_url))
        assert rows == dict.fromkeys(range(count), 1)
        assert all(made.is_whole(found) for found in stored(database_url))
        tally = warehouse.tally(database_url)
        assert (tally["events"], tally["loaded"], tally["set_aside"]) == (len(sendings), count, 0)
        assert tally["duplicates"] == len(sendings) - count
        assert warehouse.value(database_url, LIVE) == count
        for each in (one, two):
            is_good, why = audited(each, database_url)
            assert is_good, why
            assert warehouse.value(database_url, PAYLOADS_OF, str(spool_of(each))) > 0
    report(f"G-01 pass {len(sendings)} requests to 2 services: {count} rows, {tally['duplicates']} duplicates counted")


async def both(one: Server, two: Server, halves: tuple[list[bytes], list[bytes]]) -> list[client.Outcome]:
    loops = (
        client.closed_loop(server.port, half, CONNECTIONS // 2) for server, half in zip((one, two), halves, strict=True)
    )
    return list(await asyncio.gather(*loops))


def spool_of(server: Server) -> str:
    return str(identify(Disk(), server.data_dir / "spool" / "0"))


def webhook_again(one: dict[str, object], days: float, resource: str, number: int) -> Payload:
    """Give the same bytes as Sentry, or who has heard them, sends them again: with all that stands beside them new."""
    sent = webhook(one, at=NOON + timedelta(days=days))
    headers = {
        "sentry-hook-resource": resource,
        "sentry-hook-timestamp": str(int((NOON + timedelta(days=days)).timestamp())),
        "request-id": f"{number:032x}",
    }
    return msgspec.structs.replace(sent, headers=headers)


@pytest.mark.scenario("G-02")
@pytest.mark.parametrize("form", ["webhook", "envelope", "store"])
@pytest.mark.parametrize("partition_days", [1, 7])
def test_the_same_bytes_again_with_all_that_stands_beside_them_new_are_one_row(
    database_url: str, form: str, partition_days: int
) -> None:
    one = event(timestamp=told(NOON))
    clock = Clock()
    with loading(database_url, clock, PARTITION_DAYS=partition_days) as (loader, _):
        for number, days in enumerate(DAYS_LATER):
            clock.now = NOON + timedelta(days=days)
            payloads = {
                "webhook": [webhook_again(one, days, resource, number) for resource in ("event_alert", "error")],
                "envelope": [sdk(one, at=clock.now)],
                "store": [store(one, at=clock.now)],
            }[form]
            tally = loader.load(payloads, origin=f"{form} {number}")
            assert tally.loaded == (number == 0)
            # what is not of the resource that its header names is kept aside, and is no event
            assert (tally.events, tally.set_aside) == (1, len(payloads) - 1)
    assert warehouse.value(database_url, ROWS_OF, one["event_id"]) == 1


@pytest.mark.scenario("G-03")
def test_one_id_with_two_bodies_keeps_the_first_and_sets_the_other_aside_wherever_they_meet(database_url: str) -> None:
    first = event(timestamp=told(NOON), message="first")
    other = {**first, "message": "second", "timestamp": told(NOON + timedelta(hours=3)), "release": "shop@9.9.9"}
    with loading(database_url) as (loader, _), loading(database_url) as (another, _):
        assert loader.load([sdk(first), sdk(other)], origin="one").conflicts == 1
        assert another.load([sdk(other)], origin="two").conflicts == 1
        assert another.load([sdk(other, project=43)], origin="two").loaded == 1
    found = warehouse.rows(database_url, "select project_id, message from analytics.events order by project_id")
    assert [tuple(row.values()) for row in found] == [(42, "first"), (43, "second")]
    tally = warehouse.tally(database_url)
    assert (tally["events"], tally["loaded"], tally["refused"], tally["conflicts"]) == (4, 2, 2, 2)
    assert warehouse.rows(database_url, ASIDE) == [{"reason": "conflict", "seen_count": 2}]
    assert warehouse.value(database_url, LIVE) == 2


@pytest.mark.scenario("G-02", "G-03", "G-05")
def test_one_event_by_every_door_of_a_service_is_one_row_that_names_its_forms_and_another_one_is_counted(
    tmp_path: Path, database_url: str
) -> None:
    with serving(tmp_path / "data", database_url) as server:
        project_id, key = warehouse.first_project(database_url)
        secret = (server.data_dir / "webhook_secret").read_text().strip()
        one = event()
        of_sentry = {**one, "project": project_id, "title": "as Sentry says", "culprit": "as Sentry says"}
        told_as = {"event_alert": "event", "error": "error"}
        bodies = {
            resource: json.dumps(
                {"action": "triggered", "installation": {"uuid": "u"}, "data": {name: of_sentry}}
            ).encode()
            for resource, name in told_as.items()
        }
        sent = 0
        with httpx.Client(base_url=server.url, timeout=10, trust_env=False) as door:
            for _ in range(3):
                answers = [
                    door.post(f"/api/{project_id}/store/", json=one, headers=auth(key)),
                    *(
                        # `signed` tells another Request-ID each time
                        door.post("/hooks/sentry", content=body, headers=signed(body, secret, resource))
                        for resource, body in bodies.items()
                    ),
                ]
                assert all(answer.is_success for answer in answers), answers
                sent += len(answers)
            warehouse.loaded(server)
            assert conflicts(door) == 0
            assert door.post(f"/api/{project_id}/store/", json={**one, "message": "x"}, headers=auth(key)).is_success
            warehouse.loaded(server)
            assert conflicts(door) == 1
        assert warehouse.value(database_url, ROWS_OF, one["event_id"]) == 1
        tally = warehouse.tally(database_url)
        assert (tally["events"], tally["loaded"], tally["duplicates"]) == (sent + 1, 1, sent - 1)
        assert (tally["refused"], tally["conflicts"]) == (1, 1)
        assert sorted(warehouse.value(database_url, SOURCES_OF, one["event_id"])) == ["sdk", "webhook_platform"]
        assert warehouse.rows(database_url, ASIDE) == [{"reason": "conflict", "seen_count": 1}]
        is_good, why = audited(server, database_url)
        assert is_good, why


def conflicts(door: httpx.Client) -> float:
    """Read the counter of conflicts, as Prometheus does."""
    (line,) = (line for line in door.get("/metrics").text.splitlines() if line.startswith(METRIC))
    return float(line.removeprefix(METRIC))
