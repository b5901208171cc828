"""The service as its operator meets it: first start, projects and hooks, health, roles, stopping."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import postgres, warehouse
from tests.support.builders import auth, event, signed
from tests.support.server import Server, errhouse, free_port, serving
from tests.support.wait import until

LOADED_SECONDS = 10
STOP_SECONDS = 10


def send(server: Server, project: tuple[int, str], count: int = 1) -> list[str]:
    """Send events one after the other, each acknowledged; return their ids."""
    project_id, key = project
    ids = []
    with httpx.Client(base_url=server.url, timeout=10, trust_env=False) as client:
        for _ in range(count):
            answer = client.post(f"/api/{project_id}/store/", json=event(), headers=auth(key))
            assert answer.status_code == 200, answer.text
            ids.append(answer.json()["id"])
    return ids


def row_count(url: str) -> int:
    count: int = warehouse.value(url, "select count(*) from analytics.events")
    return count


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, template_database: str
) -> Iterator[tuple[Server, str]]:
    with (
        postgres.database(postgres_url, template_database) as url,
        serving(tmp_path_factory.mktemp("served") / "data", url) as server,
    ):
        yield server, url


def test_the_first_start_alone_tells_the_secret_on_an_embedded_database_that_stops_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with serving(folder) as server:
        until(lambda: "psql" in server.log(), LOADED_SECONDS, "it greets its operator")
        said = server.log()
        secret = (folder / "webhook_secret").read_text().strip()
        dsn = re.search(r"http://([0-9a-f]{32})@127\.0\.0\.1:(\d+)/1\b", said)
        assert dsn
        assert int(dsn[2]) == server.port
        for word in (f"{server.url}/hooks/sentry", secret, "Next: ", "errhouse db psql"):
            assert word in said
        # what was printed is what works
        send(server, (1, dsn[1]))
        body = json.dumps({"action": "created", "data": {"error": event(project=1)}}).encode()
        answer = httpx.post(f"{server.url}/hooks/sentry", content=body, headers=signed(body, secret), trust_env=False)
        assert (answer.status_code, answer.json()) == (200, {"accepted": 1})
        url = errhouse("db", "url", data_dir=folder).stdout.strip()
        until(lambda: row_count(url) == 2, LOADED_SECONDS, "both are rows")
        assert server.stop() == 0
        assert folder.stat().st_mode & 0o777 == 0o700
        assert not (folder / "postgres" / "data" / "postmaster.pid").exists()
        server.start()
        until(lambda: server.log().count("errhouse listens on") == 2, LOADED_SECONDS, "it greets again")
        assert server.log().count(secret) == 1
        assert server.log().count(dsn[1]) == 1


def test_a_project_and_a_hook_that_are_added_while_serving_are_heard_at_once(served: tuple[Server, str]) -> None:
    server, url = served
    before = row_count(url)
    added = errhouse("project", "add", "shop", "--id", "4711", "--json", data_dir=server.data_dir, database_url=url)
    project = json.loads(added.stdout)
    assert set(project) == {"project_id", "name", "public_key", "dsn"}
    assert (project["project_id"], project["name"]) == (4711, "shop")
    assert re.fullmatch(r"[0-9a-f]{32}", project["public_key"])
    assert project["dsn"] == f"http://{project['public_key']}@127.0.0.1:8000/4711"
    send(server, (4711, project["public_key"]))
    listed = json.loads(errhouse("project", "list", "--json", data_dir=server.data_dir, database_url=url).stdout)
    assert project in listed
    assert [set(each) for each in listed] == [set(project)] * len(listed)

    hook = json.loads(errhouse("hook", "add", "old", "--json", data_dir=server.data_dir, database_url=url).stdout)
    assert set(hook) == {"name", "hook_key", "path"}
    assert hook["path"] == f"/hooks/sentry/{hook['hook_key']}"
    assert len(hook["hook_key"]) >= 22  # 128 bits
    plugin = {"project": "shop", "project_slug": "shop", "event": event(project=4711)}
    answer = httpx.post(server.url + hook["path"], json=plugin, trust_env=False)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1})
    until(lambda: row_count(url) == before + 2, LOADED_SECONDS, "both are rows")
    sources = warehouse.rows(
        url, "select source, project from analytics.events where project_id = 4711 order by source"
    )
    assert sources == [{"source": "sdk", "project": "shop"}, {"source": "webhook_legacy", "project": "shop"}]


def test_health_tells_what_is_promised(served: tuple[Server, str]) -> None:
    server, url = served
    send(server, warehouse.first_project(url), 3)
    warehouse.loaded(server)
    assert server.status("/healthz") == 200
    told = server.readyz()
    assert {"spool_events", "oldest_seconds", "loaded_total", "set_aside_total", "database"} <= set(told)
    assert (told["spool_events"], told["oldest_seconds"], told["database"]) == (0, 0.0, "ok")
    assert told["loaded_total"] >= 3
    answer = httpx.get(server.url + "/metrics", trust_env=False)
    assert answer.headers["content-type"].startswith("text/plain")
    samples = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if line and line[0] != "#")
    assert samples["errhouse_spool_events"] == "0.0"
    taken = [float(value) for name, value in samples.items() if "requests" in name and 'status="200"' in name]
    assert sum(taken) >= 3


def test_an_event_is_a_row_within_a_second_when_idle(served: tuple[Server, str]) -> None:
    server, url = served
    project = warehouse.first_project(url)
    send(server, project)
    warehouse.loaded(server)
    ids = send(server, project, 20)
    warehouse.loaded(server)
    query = "select max(loaded_at - received_at) as lag from analytics.events where event_id = any(%s::uuid[])"
    assert warehouse.value(url, query, ids).total_seconds() < 1.0


def test_sigterm_stops_in_time_and_leaves_nothing_in_the_spool(tmp_path: Path, database_url: str) -> None:
    with serving(tmp_path / "data", database_url, ERRHOUSE_WORKERS="2") as server:
        send(server, warehouse.first_project(database_url), 300)
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < STOP_SECONDS
        assert row_count(database_url) == 300
        left = errhouse("drain", "--json", data_dir=server.data_dir, database_url=database_url)
        assert json.loads(left.stdout) == {"loaded": 0, "duplicates": 0, "set_aside": 0}


def test_receivers_and_loader_run_apart_and_drain_empties_the_spool(tmp_path: Path, database_url: str) -> None:
    folder, port = tmp_path / "data", str(free_port())
    receiver = serving(folder, database_url, "--roles", "receive", wait=False, ERRHOUSE_PORT=port)
    with receiver as receiving:
        until(lambda: receiving.status("/healthz") == 200, 60, "it listens")
        project = warehouse.first_project(database_url)
        send(receiving, project, 50)
        assert receiving.status("/readyz") == 503
        assert receiving.readyz()["spool_events"] == 50
        assert row_count(database_url) == 0
        drained = errhouse("drain", "--json", data_dir=folder, database_url=database_url)
        assert json.loads(drained.stdout)["loaded"] == 50
        with serving(folder, database_url, "--roles", "load", wait=False, ERRHOUSE_PORT=port):
            until(lambda: receiving.status("/readyz") == 200, 60, "both together are ready")
            send(receiving, project, 50)
            until(lambda: row_count(database_url) == 100, LOADED_SECONDS, "the loader loads what the receiver takes")
        send(receiving, project)
        assert receiving.status("/healthz") == 200
