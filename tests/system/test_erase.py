"""Erasing by command while the service runs: what was accepted before is loaded, and its bytes leave the spool."""

import json
from pathlib import Path

import httpx
import pytest

from tests.support import warehouse
from tests.support.builders import auth, envelope
from tests.support.persons import ALL, MAIL, files_with, own_event
from tests.support.server import errhouse, serving

pytestmark = pytest.mark.system


def test_a_person_is_erased_while_the_service_runs(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with serving(folder, database_url) as server:
        project, key = warehouse.first_project(database_url)
        for _ in range(3):
            body = envelope(own_event(timestamp=None))
            answer = httpx.post(
                f"{server.url}/api/{project}/envelope/", content=body, headers=auth(key), trust_env=False, timeout=10
            )
            assert answer.status_code == 200
        assert files_with(folder / "spool", MAIL) != []
        warehouse.loaded(server)

        asked = ("db", "erase", "--user", MAIL)
        dry = errhouse(*asked, "--json", data_dir=folder, database_url=database_url)
        assert (dry.returncode, json.loads(dry.stdout)["removed"]["dim_user"]) == (0, 1)
        done = errhouse(*asked, "--yes", "--json", data_dir=folder, database_url=database_url)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["removed"]["fact_event (events of the person)"] == 3
        assert "backups" in told["closing"]

        assert files_with(folder / "spool", *ALL) == []
        assert warehouse.value(database_url, "select count(*) from warehouse.dim_user") == 0
        assert warehouse.value(database_url, "select count(*)::int from analytics.events") == 3
        again = errhouse(*asked, "--yes", data_dir=folder, database_url=database_url)
        assert again.stdout.startswith("Nothing of this person was found."), again.stdout
    for said in (server.log(), dry.stderr, done.stderr, done.stdout, again.stderr, again.stdout):
        assert MAIL.lower() not in said.lower()


def test_a_value_that_is_empty_is_refused(database_url: str, tmp_path: Path) -> None:
    done = errhouse("db", "erase", "--user", " ", "--yes", data_dir=tmp_path / "data", database_url=database_url)
    assert done.returncode == 2
    assert "--user is empty" in done.stderr


def test_days_in_the_wrong_order_are_refused(database_url: str, tmp_path: Path) -> None:
    asked = ("db", "renormalize", "--from", "2026-11-02", "--to", "2026-11-01")
    done = errhouse(*asked, data_dir=tmp_path / "data", database_url=database_url)
    assert done.returncode == 2
    assert "--to 2026-11-01 is before" in done.stderr
    done = errhouse(
        *asked[:3], "2026-11-01", *asked[4:], "--json", data_dir=tmp_path / "data", database_url=database_url
    )
    assert (done.returncode, json.loads(done.stdout)["changed"]) == (0, 0)
