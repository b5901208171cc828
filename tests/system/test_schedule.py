"""The scheduler as its operator meets it: it folds and maintains beside the others, is started again, and stops."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil
import pytest

from tests.support import warehouse
from tests.support.builders import auth, event
from tests.support.server import Server, serving
from tests.support.wait import until

WITHIN = 60
DELTAS = "select count(*)::int from warehouse.rollup_delta"
FOLDED = "select coalesce(sum(event_count), 0)::int from warehouse.rollup_day"


def send(server: Server, url: str, count: int) -> None:
    """Send events, each acknowledged."""
    project_id, key = warehouse.first_project(url)
    with httpx.Client(base_url=server.url, timeout=10, trust_env=False) as client:
        for _ in range(count):
            assert client.post(f"/api/{project_id}/store/", json=event(), headers=auth(key)).status_code == 200


def scheduler(server: Server) -> int:
    return int((server.data_dir / "run" / "schedule.pid").read_text())


def told(server: Server) -> dict[str, Any]:
    path = server.data_dir / "run" / "schedule.json"
    found: dict[str, Any] = msgspec.json.decode(path.read_bytes()) if path.exists() else {}
    return found


def lag(server: Server) -> float:
    text = httpx.get(f"{server.url}/metrics", trust_env=False).text
    (line,) = (each for each in text.splitlines() if each.startswith("errhouse_rollup_lag_seconds "))
    return float(line.split()[1])


def test_what_is_loaded_is_folded_and_maintained_though_the_scheduler_is_killed(
    tmp_path: Path, database_url: str
) -> None:
    often = {"ERRHOUSE_FOLD_SECONDS": "0.3", "ERRHOUSE_MAINTAIN_SECONDS": "2"}
    with serving(tmp_path / "data", database_url, **often) as server:
        send(server, database_url, 20)
        until(lambda: warehouse.value(database_url, FOLDED) == 20, WITHIN, "everything is folded")
        until(lambda: warehouse.value(database_url, DELTAS) == 0, WITHIN, "no delta is left")
        until(lambda: told(server).get("last_maintain_us"), WITHIN, "it has maintained")
        assert told(server)["failures"] == []
        assert 0 <= lag(server) < WITHIN
        before = scheduler(server)
        psutil.Process(before).kill()
        until(lambda: scheduler(server) != before, WITHIN, "it is started again")
        send(server, database_url, 5)
        until(lambda: warehouse.value(database_url, FOLDED) == 25, WITHIN, "it folds again")
        assert server.status("/readyz") == 200


def test_it_stops_in_time_even_while_it_waits_for_somebody(tmp_path: Path, database_url: str) -> None:
    with serving(
        tmp_path / "data", database_url, "--roles", "schedule", wait=False, ERRHOUSE_FOLD_SECONDS="0.2"
    ) as server:
        until(lambda: told(server).get("last_fold_us"), WITHIN, "it folds")
        child = psutil.Process(scheduler(server))
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 5
        assert not child.is_running()
        assert "is killed" not in server.log()


def test_it_ends_with_its_parent(tmp_path: Path, database_url: str) -> None:
    with serving(tmp_path / "data", database_url) as server:
        until(lambda: told(server).get("last_fold_us"), WITHIN, "it folds")
        child = psutil.Process(scheduler(server))
        server.process.kill()
        server.process.wait()
        _, left = psutil.wait_procs([child], WITHIN)
        assert left == []


@pytest.mark.scenario("H-02")
def test_several_services_on_one_database_do_everything_once(tmp_path: Path, database_url: str) -> None:
    often = {"ERRHOUSE_FOLD_SECONDS": "0.2", "ERRHOUSE_MAINTAIN_SECONDS": "1", "ERRHOUSE_EVENT_RETENTION_DAYS": "7"}
    with (
        serving(tmp_path / "one", database_url, **often) as one,
        serving(tmp_path / "two", database_url, **often) as two,
    ):
        send(one, database_url, 20)
        send(two, database_url, 20)
        until(lambda: warehouse.value(database_url, FOLDED) == 40, WITHIN, "everything is folded once")
        since = int(datetime.now(UTC).timestamp() * 1e6)
        for each in (one, two):
            until(lambda e=each: told(e)["last_maintain_us"] > since, WITHIN, "it maintains")
            assert told(each)["failures"] == []
        assert warehouse.value(database_url, FOLDED) == 40
