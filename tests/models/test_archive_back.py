"""The way of an event out of the database into the archive, and back by `errhouse load`, with every count true."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from models.clock import now
from tests.support import warehouse
from tests.support.builders import event
from tests.support.loading import PROJECT, told
from tests.support.server import errhouse

TOLD_ANEW = ("received_at", "loaded_at", "source")
EVENTS = "select * from analytics.events order by event_id"


def run(url: str, folder: Path, *arguments: str, code: int = 0) -> str:
    done = errhouse(*arguments, data_dir=folder, database_url=url)
    assert done.returncode == code, done.stdout + done.stderr
    return str(done.stdout if code == 0 else done.stderr)


def events(url: str) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k not in TOLD_ANEW} for row in warehouse.rows(url, EVENTS)]


def counted(url: str) -> list[dict[str, Any]]:
    return warehouse.rows(
        url,
        "select project_id, day, sum(events)::int as events from analytics.errors_daily group by 1, 2 order by 1, 2",
    )


@pytest.fixture
def day() -> date:
    return (now() - timedelta(days=20)).date()


def test_archived_events_come_back_from_their_payloads_and_count_once(
    database_url: str, tmp_path: Path, day: date
) -> None:
    at = now().replace(hour=12) - timedelta(days=20)
    lines = [event(timestamp=told(at), message=f"\U0001f600 {n}", fingerprint=[f"f{n}", "\u05d0"]) for n in range(9)]
    given = tmp_path / "given.ndjson"
    given.write_text("".join(json.dumps(line) + "\n" for line in lines))
    project, to = str(PROJECT), str(tmp_path / "archive")
    run(database_url, tmp_path, "load", str(given), "--project", project)
    run(database_url, tmp_path, "db", "audit")
    before = events(database_url)
    assert len(before) == 9

    until = str(day + timedelta(days=1))
    run(database_url, tmp_path, "db", "archive", "--before", until, "--to", to, "--payloads", "--drop")
    assert events(database_url) == []
    run(database_url, tmp_path, "db", "audit")
    assert [each["events"] for each in counted(database_url)] == [9]

    frame = pd.read_parquet(tmp_path / "archive" / "events", filters=[("of_project", "==", PROJECT)])
    again = tmp_path / "again.ndjson"
    with again.open("w") as file:
        file.writelines(json.dumps(json.loads(payload)) + "\n" for payload in frame["payload"].dropna()[:5])
    run(database_url, tmp_path, "load", str(again), "--project", project)
    command = ("db", "restored", "--day", str(day), "--project", project, "--to", to)
    said = run(database_url, tmp_path, *command, code=2)
    assert "4 of 9 archived events" in said
    with again.open("a") as file:
        file.writelines(json.dumps(json.loads(payload)) + "\n" for payload in frame["payload"].dropna()[5:])
    run(database_url, tmp_path, "load", str(again), "--project", project)
    assert events(database_url) == before
    assert "9 events are back" in run(database_url, tmp_path, *command)
    run(database_url, tmp_path, "db", "audit")
    assert [each["events"] for each in counted(database_url)] == [9]
