"""`errhouse load` and `errhouse set-aside`, without a service: files into rows, and what could not become one."""

import gzip
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.support import warehouse
from tests.support.builders import event
from tests.support.server import ROOT, command, environment, errhouse
from tests.support.wait import until

OLD = "2009-02-13T23:31:30.123456Z"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def load(data_dir: Path, url: str, *arguments: str) -> dict[str, Any]:
    done = errhouse("load", *arguments, "--project", "7", "--json", data_dir=data_dir, database_url=url)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def lines(events: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in events)


def test_files_of_every_kind_are_loaded_once_and_keep_their_old_times(
    tmp_path: Path, data_dir: Path, database_url: str
) -> None:
    events = [event(timestamp=OLD) for _ in range(40)]
    written = {
        "plain.ndjson": lines(events[:10]),
        "zipped.ndjson.gz": gzip.compress(lines(events[10:20])),
        "packed.ndjson.zst": zstandard.ZstdCompressor().compress(lines(events[20:30])),
        "array.json": json.dumps(events[30:40], indent=1).encode(),
        "twice.ndjson": lines(events),
    }
    files = []
    for name, content in written.items():
        (tmp_path / name).write_bytes(content)
        files.append(str(tmp_path / name))
    told = load(data_dir, database_url, *files)
    assert (told["loaded"], told["duplicates"], told["set_aside"]) == (40, 40, 0)
    # files that did not change are not read again; when they are, nothing is new
    assert load(data_dir, database_url, *files)["events"] == 0
    again = load(data_dir, database_url, *files, "--again")
    assert (again["loaded"], again["duplicates"]) == (0, 80)
    (row,) = warehouse.rows(
        database_url,
        "select count(*)::int as n, min(occurred_at) = max(occurred_at) as same, min(occurred_at)::text as at, "
        "min(source) as source, min(project_id) as project_id from analytics.events",
    )
    assert row == {"n": 40, "same": True, "at": row["at"], "source": "file", "project_id": 7}
    assert row["at"].startswith("2009-02-1")


def test_standard_input_is_read(data_dir: Path, database_url: str) -> None:
    settings = {"ERRHOUSE_DATA_DIR": str(data_dir), "ERRHOUSE_DATABASE_URL": database_url}
    done = subprocess.run(
        [*command(), "load", "-", "--project", "7", "--json"],
        input=gzip.compress(lines([event() for _ in range(5)])),
        env=environment(**settings),
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["loaded"] == 5


def test_a_load_that_was_killed_goes_on_where_it_was(tmp_path: Path, data_dir: Path, database_url: str) -> None:
    count = 20_000
    file = tmp_path / "long.ndjson"
    file.write_bytes(lines([event(extra={"number": number}) for number in range(count)]))
    settings = {"ERRHOUSE_DATA_DIR": str(data_dir), "ERRHOUSE_DATABASE_URL": database_url}
    running = subprocess.Popen(
        [*command(), "load", str(file), "--project", "7"],
        env=environment(ERRHOUSE_LOAD_BATCH_BYTES="500000", **settings),
        cwd=ROOT,
        start_new_session=True,
    )
    reached = "select max(byte_offset) from warehouse.spool_position"
    try:
        until(lambda: warehouse.value(database_url, reached), 60, "it has written down how far it is")
        assert running.poll() is None
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    before = warehouse.value(database_url, "select count(*) from analytics.events")
    assert 0 < before < count
    told = load(data_dir, database_url, str(file))
    assert told["set_aside"] == 0
    assert warehouse.value(database_url, "select count(*) from analytics.events") == count
    assert told["loaded"] <= count - before  # a batch that was at work may be committed after we looked
    assert told["events"] < count  # it did not begin at the beginning


def test_what_is_set_aside_is_listed_shown_and_replayed(tmp_path: Path, data_dir: Path, database_url: str) -> None:
    def run(*arguments: str) -> Any:
        done = errhouse("set-aside", *arguments, "--json", data_dir=data_dir, database_url=database_url)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    # an event of no project becomes a row once it is known what it belongs to; text is none, ever
    file = tmp_path / "mixed.ndjson"
    file.write_bytes(lines([event()]) + b'{"hello": "\\u001b[31mworld"}\n')
    done = errhouse("load", str(file), "--json", data_dir=data_dir, database_url=database_url)
    assert json.loads(done.stdout)["set_aside"] == 2
    listed = run("list")
    assert sorted(each["reason"] for each in listed) == ["no_project", "unknown_shape"]
    assert all(each["seen_count"] == 1 and each["door"] == "file" for each in listed)
    (odd,) = run("list", "--reason", "unknown_shape")
    shown = run("show", str(odd["set_aside_key"]))
    assert json.loads(shown["body"]) == {"hello": "\x1b[31mworld"}
    plain = errhouse("set-aside", "show", str(odd["set_aside_key"]), data_dir=data_dir, database_url=database_url)
    assert "\x1b" not in plain.stdout
    replayed = run("replay")
    assert (replayed["loaded"], replayed["set_aside"]) == (0, 2)
    assert {each["set_aside_key"] for each in run("list")} == {each["set_aside_key"] for each in listed}
