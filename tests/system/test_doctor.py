"""`errhouse doctor` beside a real service: healthy, and with faults of the kind that operators meet."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import postgres, warehouse
from tests.support.server import Server, errhouse, serving

Findings = dict[str, dict[str, Any]]
OTHER_SECRET = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def url(postgres_url: str, template_database: str) -> Iterator[str]:
    with postgres.database(postgres_url, template_database) as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, url: str) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("doctor") / "data", url) as running:
        sent = errhouse("send-test", "--form", "store", data_dir=running.data_dir, database_url=url, **port(running))
        assert sent.returncode == 0, sent.stderr
        warehouse.loaded(running)
        yield running


def port(server: Server) -> dict[str, str]:
    return {"ERRHOUSE_PORT": str(server.port)}


def examined(server: Server, url: str | None, *more: str, code: int | None = None, **env: str) -> Findings:
    done = errhouse("doctor", "--json", *more, data_dir=server.data_dir, database_url=url, **{**port(server), **env})
    assert done.returncode in ({0, 1} if code is None else {code}), done.stdout + done.stderr
    found: Findings = {each["name"]: each for each in json.loads(done.stdout)}
    assert (done.returncode == 1) is bool(wrong(found))
    for each in found.values():
        assert each["sentence"].endswith(".")
        assert bool(each["cure"]) is (each["state"] in {"wrong", "warning"}), each
    return found


def wrong(found: Findings) -> list[str]:
    return [name for name, each in found.items() if each["state"] == "wrong"]


@contextmanager
def stopped(name: str, server: Server) -> Iterator[None]:
    pid = int((server.data_dir / "run" / f"{name}.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_healthy_service_has_nothing_wrong_and_is_left_as_it_was(server: Server, url: str) -> None:
    before = warehouse.tally(url)
    found = examined(server, url, code=0)
    assert {name for name, each in found.items() if each["state"] != "ok"} <= {
        "address",  # a loopback address, of which it warns
        "tls",  # which it has none of
        "durability",  # the tests' PostgreSQL may be one that waits for no disk
        "disk",
    }
    assert "Sentry cannot" in found["address"]["sentence"]
    assert found["signature"]["state"] == "ok"
    warehouse.loaded(server)
    assert warehouse.tally(url) == before


def test_another_secret_is_found_by_a_signed_sample(server: Server, url: str) -> None:
    found = examined(server, url, ERRHOUSE_WEBHOOK_SECRETS=OTHER_SECRET)
    assert wrong(found) == ["signature"]
    assert "ERRHOUSE_WEBHOOK_SECRETS" in found["signature"]["cure"]
    assert OTHER_SECRET not in json.dumps(found)


def test_processes_that_stand_still_are_found(server: Server, url: str) -> None:
    with stopped("load", server), stopped("receive-0", server):
        found = examined(server, url)
    assert {"loader", "receivers"} <= {*wrong(found)}
    assert "kill -CONT" in found["loader"]["cure"]
    server.wait_ready()


def test_a_database_that_says_nothing_costs_the_other_checks_nothing(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        begun = time.monotonic()
        found = examined(server, f"postgresql://nobody:pass-word@127.0.0.1:{mute.getsockname()[1]}/nowhere")
        assert time.monotonic() - begun < 20
    assert wrong(found) == ["database"]
    assert "ERRHOUSE_DATABASE_URL" in found["database"]["cure"]
    assert "pass-word" not in json.dumps(found)
    assert found["signature"]["state"] == found["loader"]["state"] == found["disk"]["state"] == "ok"
    assert found["migrations"]["state"] == "skipped"


def test_without_a_scheduler_and_without_a_service_on_the_embedded_database(tmp_path: Path) -> None:
    with serving(tmp_path / "data", None, "--roles", "receive,load") as alone:
        sent = errhouse("send-test", "--form", "store", data_dir=alone.data_dir, **port(alone))
        assert sent.returncode == 0, sent.stderr
        warehouse.loaded(alone)
        found = examined(alone, None)
        assert wrong(found) == ["scheduler", "rollups"]
        assert "--roles with schedule" in found["scheduler"]["cure"]
        assert "`errhouse db maintain`" in found["rollups"]["cure"]
    said = errhouse("doctor", data_dir=alone.data_dir, **port(alone))
    assert said.returncode == 1
    lines = {line[9:22].strip(): line for line in said.stdout.splitlines()}
    assert "does not run with" in lines["receivers"]
    assert [lines[name].split()[0] for name in ("database", "migrations", "disk")] == ["ok"] * 3
    assert [lines[name].split()[0] for name in ("signature", "loader")] == ["skipped"] * 2
    assert "2 wrong" in said.stdout  # nothing folds what waits either


def test_what_cannot_be_examined_is_said_with_two(tmp_path: Path) -> None:
    done: subprocess.CompletedProcess[str] = errhouse("doctor", "--url", "nowhere", data_dir=tmp_path)
    assert done.returncode == 2
    assert "ERRHOUSE_PUBLIC_URL" in done.stderr
