"""Depths, numbers, multitudes, ids and times of every kind: no 5xx, bounded rows, and every report can be made."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from ingest.jsontext import MAX_DEPTH
from ingest.normalize.tags import MOST_TAGS
from models.engine import engine_for
from models.payloads import Codebook
from models.views import VIEWS
from tests.fuzz.asides import asides
from tests.fuzz.extremes import Extreme, extremes
from tests.support import postgres, warehouse
from tests.support.builders import auth
from tests.support.server import Server, errhouse, serving

HOLDS = ("E-05", "E-06", "E-07", "E-09", "E-11")
MOST_TIMES_AS_LARGE = 8
ALWAYS_LARGER = 4096  # bytes by which what is stored may be more than what came, whatever its size
REPORTS = ("frequency", "daily", "weekly", "health")


class Sent(NamedTuple):
    """What was sent, and what was said to it."""

    server: Server
    url: str
    answers: list[tuple[Extreme, httpx.Response]]
    files_before: set[Path]
    asides: dict[bytes, str]
    """Bodies that were set aside, with the reason."""


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory, postgres_url: str, template_database: str) -> Iterator[Sent]:
    folder = tmp_path_factory.mktemp("extremes")
    with (
        postgres.database(postgres_url, template_database) as url,
        serving(folder / "data", url) as server,
        httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client,
    ):
        project_id, key = warehouse.first_project(url)
        before = outside(folder)
        answers = [
            (each, client.post(f"/api/{project_id}/store/", content=each.body, headers=auth(key)))
            for each in extremes()
        ]
        warehouse.loaded(server)
        engine = engine_for(url)
        kept = {body: reason for reason, body in asides(engine)}
        engine.dispose()
        yield Sent(server, url, answers, before, kept)


def outside(folder: Path) -> set[Path]:
    """Give the files beside the data folder, and the folders within it."""
    return {path for path in folder.rglob("*") if path.is_dir() or not path.is_relative_to(folder / "data")}


def test_nothing_is_a_5xx_and_every_refusal_has_its_reason(sent: Sent) -> None:
    counts: Counter[tuple[str, int]] = Counter()
    for each, answer in sent.answers:
        assert answer.status_code < 500, each.name
        if answer.status_code != 200:
            assert answer.json()["reason"], each.name
        counts[each.scenario, answer.status_code] += 1
    print(dict(counts))
    assert len(counts) > len(HOLDS)
    assert "Traceback" not in sent.server.log()


def test_every_accepted_event_of_a_sound_id_is_one_row_or_set_aside(sent: Sent) -> None:
    found = {row["event_id"]: row["n"] for row in warehouse.rows(sent.url, COUNTED)}
    accepted = {each.event_id for each, answer in sent.answers if answer.status_code == 200 and each.event_id}
    aside = {each.event_id for each, _ in sent.answers if each.body in sent.asides}
    assert len(accepted & set(found)) > 300
    assert accepted - set(found) - aside == set()
    assert set(found) & aside == set()
    assert set(found.values()) == {1}
    counts = warehouse.tally(sent.url)
    assert counts["events"] == counts["loaded"] + counts["duplicates"] + counts["refused"]


def test_what_nests_deeper_than_the_limit_is_refused_or_set_aside_and_nothing_else(sent: Sent) -> None:
    for each, answer in sent.answers:
        if each.scenario == "E-05":
            depth = int(each.name.split()[0])
            if depth > MAX_DEPTH:
                assert sent.asides.get(each.body) == "too_deep", each.name
                assert answer.status_code == 200 or answer.json()["reason"] == "too_deep", each.name
            elif depth < MAX_DEPTH - 10:
                assert answer.status_code == 200, each.name
                assert each.body not in sent.asides, each.name


def test_no_row_is_much_larger_than_what_came_for_it(sent: Sent) -> None:
    sizes = {each.event_id: len(each.body) for each, _ in sent.answers if each.event_id}
    engine = engine_for(sent.url)
    with engine.connect() as connection:
        book = Codebook.read(connection)
        found = connection.exec_driver_sql("select event_id, codec, body from warehouse.event_payload").all()
    engine.dispose()
    judged = 0
    for event_id, codec, body in found:
        if event_id in sizes:
            judged += 1
            assert len(book.decompress(codec, body)) <= MOST_TIMES_AS_LARGE * sizes[event_id] + ALWAYS_LARGER
    assert judged > 300
    most = warehouse.value(
        sent.url, "select max((select count(*) from jsonb_object_keys(tags))) from warehouse.fact_event"
    )
    assert 0 < most <= MOST_TAGS


def test_no_id_makes_a_file(sent: Sent) -> None:
    hostile = [each for each, _ in sent.answers if each.scenario == "E-09"]
    assert len(hostile) > 100
    after = outside(sent.server.data_dir.parent)
    assert {path.name for path in after - sent.files_before} <= {"data.serve.log", "deliveries"}


@pytest.mark.parametrize("report", REPORTS)
def test_every_report_can_be_made_over_times_of_every_kind(sent: Sent, report: str) -> None:
    done = errhouse("report", "run", report, "--format", "json", data_dir=sent.server.data_dir, database_url=sent.url)
    assert done.returncode == 0, done.stderr
    done = errhouse("db", "audit", data_dir=sent.server.data_dir, database_url=sent.url)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_view_can_be_read_over_them(sent: Sent) -> None:
    for view in VIEWS:
        assert warehouse.rows(sent.url, f"select count(*) as n, max(v::text) from analytics.{view.name} v")


COUNTED = "select event_id, count(*) as n from warehouse.fact_event group by event_id"
