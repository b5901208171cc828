"""A report by the clock, from an event that is sent to a file that is read; and whatever is killed on the way."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import msgspec
import pytest

from ingest.spool.journal import Journal
from models.clock import now
from models.engine import engine_for
from tests.support import postgres, warehouse
from tests.support.builders import auth, event
from tests.support.console import PASSWORD, let_in
from tests.support.loading import loading, sdk, told, us
from tests.support.scheduled import FORMATS, WITHIN, artifacts, due_now, ended, last_minute, maker, run_of
from tests.support.server import Server, errhouse, serving
from tests.support.wait import until

SILENT = "update warehouse.report_run set heartbeat_at = now() - interval '121 s' where status = 'running'"


def loaded(server: Server, url: str, count: int) -> None:
    """Send events of an hour ago, and wait until they are loaded."""
    project_id, key = warehouse.first_project(url)
    with httpx.Client(base_url=server.url, timeout=10, trust_env=False) as client:
        for _ in range(count):
            one = event(timestamp=told(now() - timedelta(hours=1)), transaction="/checkout")
            assert client.post(f"/api/{project_id}/store/", json=one, headers=auth(key)).status_code == 200
    warehouse.loaded(server)


@contextmanager
def console(server: Server, url: str) -> Iterator[httpx.Client]:
    """Log in as an analyst."""
    engine = engine_for(url)
    let_in(engine, now(), ana="analyst")
    engine.dispose()
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False, follow_redirects=True) as client:
        until(lambda: client.get("/login").status_code == 200, WITHIN, "the console answers")
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', client.get("/login").text)
        assert found
        assert "Overview" in client.post("/login", data={"csrf": found[1], "name": "ana", "password": PASSWORD}).text
        yield client


def events_of(body: bytes) -> int:
    """Read the headline of a report."""
    headline = json.loads(body)["headline"]
    return int(next(figure["value"] for figure in headline if figure["name"] == "events"))


@pytest.mark.scenario("H-02")
def test_a_report_is_made_by_the_clock_kept_sent_shown_and_not_made_again_though_the_service_is_killed(
    tmp_path: Path, database_url: str
) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    at = last_minute()
    with serving(tmp_path / "data", database_url) as server:
        loaded(server, database_url, 12)
        arguments = ("--target", f"file:{folder}", "--format", ",".join(FORMATS), "--param", "by=project,culprit")
        due_now(database_url, server.data_dir, "checkout", at, *arguments)
        run = ended(database_url, "checkout")
        assert (run["scheduled_for"], run["period_end"], run["attempt_count"]) == (at, at, 1)
        assert run["period_start"] == at - timedelta(days=7)

        kept = artifacts(database_url, "checkout")
        assert set(kept) == set(FORMATS)
        until(lambda: len(list(folder.glob("[!.]*"))) == len(FORMATS), WITHIN, "its messages are sent")
        sent = {path.suffix: path.read_bytes() for path in folder.iterdir()}
        assert sent == {".html": kept["html"], ".json": kept["json"], ".zip": kept["csv"]}
        assert events_of(kept["json"]) == 12
        assert not json.loads(kept["json"])["is_partial"]
        written = {path: path.stat().st_mtime_ns for path in folder.iterdir()}

        with console(server, database_url) as page:
            assert "checkout" in page.get("/reports").text
            shown = page.get(f"/reports/runs/{run['run_id']}")
            assert shown.status_code == 200
            assert "done" in shown.text
            for kind in FORMATS:
                assert page.get(f"/reports/runs/{run['run_id']}/{kind}").content == kept[kind]
            assert "checkout" in page.get("/schedules").text
        told_by = {
            word: errhouse("schedule", word, "--json", data_dir=server.data_dir, database_url=database_url).stdout
            for word in ("list", "next")
        }
        (listed,) = json.loads(told_by["list"])
        assert (listed["name"], listed["last_status"], listed["last_error"]) == ("checkout", "done", None)
        assert listed["last_sent"] == f"file:{folder} sent"
        following = json.loads(told_by["next"])[0]
        assert following["scheduled_for"].startswith(f"{at + timedelta(days=1):%Y-%m-%d %H:%M}")

        server.kill()
        due_now(database_url, server.data_dir, "after", at)
        server.start()
        ended(database_url, "after")  # so the scheduler has looked at both
        assert run_of(database_url, "checkout") == run
        assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == written


def test_a_report_whose_process_is_killed_has_failed_and_is_made_by_hand_and_that_of_a_killed_service_is_taken_over(
    tmp_path: Path, database_url: str
) -> None:
    at = last_minute()
    data_dir = tmp_path / "data"
    with loading(database_url) as (loader, _):
        an_hour_ago = now() - timedelta(hours=1)
        loader.load([sdk(event(timestamp=told(an_hour_ago)), at=an_hour_ago) for _ in range(3)], origin="test")
    due_now(database_url, data_dir, "killed", at)
    with serving(data_dir, database_url, wait=False) as server:
        maker(server).kill()
        run = ended(database_url, "killed", "failed")
        assert run["error"].startswith("Its process was ended by SIGKILL")
        assert artifacts(database_url, "killed") == {}
        again = errhouse("schedule", "run-missed", "killed", data_dir=data_dir, database_url=database_url)
        assert again.returncode == 0, again.stdout + again.stderr
        assert ended(database_url, "killed")["attempt_count"] == 2
        assert events_of(artifacts(database_url, "killed")["json"]) == 3

        due_now(database_url, data_dir, "orphan", at)
        maker(server)
        server.kill()
        assert run_of(database_url, "orphan")["status"] == "running"
        postgres.run(database_url, SILENT)
        server.start(wait=False)
        assert ended(database_url, "orphan")["attempt_count"] == 2
        assert events_of(artifacts(database_url, "orphan")["json"]) == 3
        assert run_of(database_url, "killed")["attempt_count"] == 2


def test_a_report_waits_for_what_was_accepted_and_one_that_cannot_says_that_it_is_partial(
    tmp_path: Path, database_url: str
) -> None:
    data_dir = tmp_path / "data"
    accepted = now() - timedelta(minutes=3)
    # a receiver's spool, as it was three minutes ago
    journal = Journal(data_dir / "spool" / "0", 1 << 20, now_us=lambda: us(accepted))
    journal.commit([msgspec.msgpack.encode(sdk(event(timestamp=told(accepted)), at=accepted))])
    journal.close()
    at = last_minute()
    due_now(database_url, data_dir, "daily", at)
    with serving(data_dir, database_url, "--roles", "schedule", wait=False) as server:
        until(lambda: "a report waits for the loader" in server.log(), WITHIN, "the scheduler waits")
        due_now(database_url, data_dir, "now", at, "--format", "json,text")
        made = errhouse("schedule", "run-missed", "now", data_dir=data_dir, database_url=database_url)
        assert made.returncode == 0, made.stdout + made.stderr
        assert run_of(database_url, "daily") == {}
        server.stop()
    partial = artifacts(database_url, "now")
    assert (events_of(partial["json"]), json.loads(partial["json"])["is_partial"]) == (0, True)
    assert "Partial: events accepted since" in partial["text"].decode()
    with serving(data_dir, database_url):
        ended(database_url, "daily")
    whole = artifacts(database_url, "daily")["json"]
    assert (events_of(whole), json.loads(whole)["is_partial"]) == (1, False)
