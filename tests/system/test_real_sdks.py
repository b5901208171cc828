"""Real clients raise real errors against a running server, and an analyst finds every one."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import postgres, warehouse
from tests.support.server import Server, serving
from tests.support.wait import until

HERE = Path(__file__).parent
OLDEST_NODE = 18
INSTALL_SECONDS = 180
CLIENT_SECONDS = 180
FOUND_SECONDS = 60
COUNT = 1000
# what pip and npm say when the index cannot be reached, or has been cut off from this machine
UNREACHABLE = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|No matching distribution|Connection|E40[34]"
)
COLUMNS = (
    "exception_type, exception_value, message, level, handled, platform, release, environment, user_id, user_email, "
    "user_username, tags->>'region' as region, sdk_name, sdk_version, source, top_frame"
)
ALWAYS = {
    "release": "shop@2.0.1",
    "environment": "staging",
    "user_id": "7",
    "user_email": "ann@example.com",
    "user_username": "ann",
    "region": "eu",
    "source": "sdk",
}


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, template_database: str
) -> Iterator[tuple[Server, str]]:
    with (
        postgres.database(postgres_url, template_database) as url,
        serving(tmp_path_factory.mktemp("sdks") / "data", url) as running,
    ):
        yield running, url


def installed(command: list[str], folder: Path, made: str) -> Path:
    """Install into a folder once; skip, with the reason, where the index cannot be reached."""
    if not (folder / made).exists():
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
        said = done.stdout + done.stderr
        if done.returncode and UNREACHABLE.search(said):
            reason = f"{command[0]} reaches no package index: {said.strip().splitlines()[-1][:200]}"
            print(reason)
            pytest.skip(reason)
        assert done.returncode == 0, said
    return folder


@pytest.fixture
def scratch(request: pytest.FixtureRequest) -> Path:
    """A folder that is kept from one run to the next."""
    cache: pytest.Cache = request.config.cache  # type: ignore[assignment]
    return cache.mkdir("errhouse-sdks")


@pytest.fixture
def node() -> str:
    program = shutil.which("node")
    if program is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not on PATH")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if int(said.strip().lstrip("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node is {said.strip()}, older than {OLDEST_NODE}")
    return program


def run_client(
    server: tuple[Server, str], command: list[str], run: str, count: int = 0, **env: str
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """
    Run a client to its end; return what it told of itself, and the rows it made by what they are of.

    Takes: `count`, how many messages `run 0`, `run 1` … it sends besides; each is a row as it was sent.
    """
    running, url = server
    project_id, key = warehouse.first_project(url)
    counts = "select count(*) from analytics.events"
    before = warehouse.value(url, counts)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SENTRY_")}
    dsn = f"http://{key}@127.0.0.1:{running.port}/{project_id}"
    environment = {**kept, "CLIENT_DSN": dsn, "CLIENT_RUN": run, "CLIENT_COUNT": str(count), **env}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=CLIENT_SECONDS)
    assert done.returncode != 0, "the client ends by an error that nobody catches"
    assert "nobody catches this" in done.stderr, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    new = count + 4
    until(lambda: warehouse.value(url, counts) == before + new, FOUND_SECONDS, f"{new} new rows\n{done.stderr}")
    numbered = "select message, tags->>'number' as number, level, release, environment, user_id, source "
    sent = {f"{run} {number}": str(number) for number in range(count)}
    found = warehouse.rows(url, f"{numbered} from analytics.events where message like %s", f"{run} %")
    assert {row["message"]: row["number"] for row in found} == sent
    assert len(found) == count
    common = {"level": "info", "release": "shop@2.0.1", "environment": "staging", "user_id": "7", "source": "sdk"}
    assert all({name: row[name] for name in common} == common for row in found)
    latest = (
        f"select replace(event_id::text, '-', '') as id, {COLUMNS} from analytics.events "
        "where tags->>'number' is null order by loaded_at desc limit 4"
    )
    rows = {row.pop("id"): row for row in warehouse.rows(url, latest)}
    assert set(told["ids"]) < set(rows)
    names = dict(zip(told["ids"], ("handled", "message", "large"), strict=True))
    return told, {names.get(event_id, "uncaught"): row for event_id, row in rows.items()}


def assert_row(row: dict[str, Any], **expected: Any) -> None:
    wanted = {**ALWAYS, **expected}
    assert {name: row[name] for name in wanted} == wanted


def assert_python(rows: dict[str, dict[str, Any]], version: str) -> None:
    common = {"platform": "python", "sdk_version": version}
    assert {row["sdk_name"].partition(".")[0] for row in rows.values()} == {"sentry"}  # and what it found installed
    error = {"level": "error", "message": None, **common}
    assert_row(
        rows["handled"], exception_type="ZeroDivisionError", exception_value="division by zero", handled=True, **error
    )
    assert "share" in rows["handled"]["top_frame"]
    assert_row(rows["large"], exception_type="KeyError", exception_value="'größe €'", handled=True, **error)
    assert_row(
        rows["uncaught"], exception_type="RuntimeError", exception_value="nobody catches this", handled=False, **error
    )
    assert_row(rows["message"], exception_type=None, message="the queue is long", level="warning", **common)


@pytest.mark.scenario("F-11")
@pytest.mark.parametrize("algorithm", ["gzip", "br"])
def test_todays_sentry_sdk_is_heard(server: tuple[Server, str], algorithm: str) -> None:
    options = {"_experiments": {"transport_compression_algo": algorithm}}
    command = [sys.executable, str(HERE / "client.py")]
    told, rows = run_client(server, command, algorithm, COUNT, CLIENT_OPTIONS=json.dumps(options))
    assert told["version"].startswith("2.")
    assert told["algorithm"] == algorithm
    assert_python(rows, told["version"])


def test_sentry_sdk_1_45_is_heard(server: tuple[Server, str], scratch: Path) -> None:
    folder = scratch / "python1"
    folder.mkdir(exist_ok=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--target", str(folder)]
    installed([*pip, "--requirement", str(HERE / "python1" / "requirements.txt")], folder, "sentry_sdk")
    told, rows = run_client(server, [sys.executable, str(HERE / "client.py")], "1.45", PYTHONPATH=str(folder))
    assert told["version"] == "1.45.1"
    assert_python(rows, told["version"])


@pytest.mark.scenario("F-11")
@pytest.mark.parametrize(("name", "version"), [("node10", "10.78.0"), ("node7", "7.120.4")])
def test_sentry_node_is_heard(server: tuple[Server, str], scratch: Path, node: str, name: str, version: str) -> None:
    folder = scratch / f"{name}-{version}"
    folder.mkdir(exist_ok=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name / file, folder / file)
    installed(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], folder, "node_modules/@sentry/node")
    shutil.copy(HERE / "client.cjs", folder / "client.cjs")
    told, rows = run_client(server, [node, str(folder / "client.cjs")], name, COUNT)
    assert told["version"] == version
    common = {"platform": "node", "sdk_name": "sentry.javascript.node", "sdk_version": version}
    error = {"level": "error", "message": None, **common}
    assert_row(rows["handled"], exception_type="TypeError", handled=True, **error)
    assert "undefined" in rows["handled"]["exception_value"]
    assert "share" in rows["handled"]["top_frame"]
    assert_row(rows["large"], exception_type="RangeError", exception_value="größe €", handled=True, **error)
    uncaught = {**error, "level": "fatal"}
    assert_row(
        rows["uncaught"], exception_type="Error", exception_value="nobody catches this", handled=False, **uncaught
    )
    assert_row(rows["message"], exception_type=None, message="the queue is long", level="warning", **common)
