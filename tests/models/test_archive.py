"""Closed days in Parquet: every column as SQL tells it, written again when late events come, dropped only when true."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, text
from sqlalchemy import event as sqlalchemy_event

from models.archive import alone, archive
from models.archive_day import Archived
from models.archive_drop import Dropped, drop
from models.archive_files import ArchiveError, manifest, read_whole
from models.clock import now
from models.engine import engine_for
from models.views.events import EVENTS
from tests.support import warehouse
from tests.support.builders import event
from tests.support.loading import NOON, PROJECT, Clock, loading, sdk, store, told
from tests.support.server import errhouse
from tests.support.wait import until

SOURCES = text(
    "insert into warehouse.event_source (project_id, event_id, source, occurred_at, received_at) "
    "select project_id, event_id, 1, occurred_at, received_at from warehouse.fact_event"
)
ONE_DAY = timedelta(days=1)
THEN = NOON - 20 * ONE_DAY
BEFORE = (NOON - ONE_DAY).date()
HUGE = "\u05e9\u05dc\u05d5\u05dd \U0001f600 \u202eabc " * 3000
RICH: list[dict[str, Any]] = [
    {"message": HUGE, "fingerprint": ["{{ default }}", "a,b", "{}", '"', "\\", ""], "tags": {"\U0001f600": "\u05d0"}},
    {"exception": None, "message": "\u202e\u05d0\u05d1\u05d2", "user": None, "release": None, "tags": None},
    {"message": "line\r\nbreak\ttab", "transaction": "", "contexts": {"trace": {"trace_id": "a" * 32}}},
    {"request": {"url": "https://shop.example/\u00e9?q=1", "method": "POST"}, "level": "fatal", "dist": "7"},
]  # fmt: skip


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


def load(
    url: str, *events: dict[str, Any], at: datetime = THEN, project: int = PROJECT, loaded: datetime = NOON
) -> int:
    """Load events that happened at `at`, unless they say otherwise."""
    with loading(url, Clock(loaded)) as (loader, _):
        given = [sdk(event(**{"timestamp": told(at), **each}), at=at, project=project) for each in events]
        return loader.load(given, origin="test").loaded


def archived(engine: Engine, folder: Path, at: datetime = NOON, **more: Any) -> list[Archived]:
    with alone(folder):
        return list(archive(engine, folder, BEFORE, at, **more))


def dropped(engine: Engine, held: list[Archived], at: datetime = NOON, **more: Any) -> list[Dropped]:
    return list(drop(engine, held, BEFORE, at, pytest.fail, **more))


def facts(url: str) -> int:
    count: int = warehouse.value(url, "select count(*) from warehouse.fact_event")
    return count


def told_by_sql(url: str) -> list[dict[str, Any]]:
    names = ", ".join(column.name for column in EVENTS.columns)
    found = warehouse.rows(url, f"select {names} from analytics.events order by project_id, occurred_at, event_id")
    return [{k: str(v) if isinstance(v, UUID) else v for k, v in row.items()} for row in found]


def told_by_files(folder: Path) -> list[dict[str, Any]]:
    rows = []
    for path in sorted(folder.glob("events/*/*/*.parquet")):
        with path.open("rb") as file:
            rows += pq.ParquetFile(file).read().to_pylist()
    for row in rows:
        row["tags"] = json.loads(row["tags"])
        row.pop("payload", None)
    return sorted(rows, key=lambda row: (row["project_id"], row["occurred_at"], row["event_id"]))


def test_every_column_is_as_sql_tells_it(database_url: str, engine: Engine, tmp_path: Path) -> None:
    load(database_url, *RICH)
    load(database_url, *RICH, at=THEN + 3 * ONE_DAY, project=7)
    with loading(database_url) as (loader, _):
        loader.load([store({"event_id": "b" * 32, "timestamp": told(THEN)}, at=THEN)], origin="test")
    held = archived(engine, tmp_path, has_payloads=True)
    assert [(each.project_id, each.day, each.what) for each in held] == [
        (PROJECT, THEN.date(), "written"), (7, (THEN + 3 * ONE_DAY).date(), "written"),
    ]  # fmt: skip
    assert told_by_files(tmp_path) == told_by_sql(database_url)
    said = manifest(held[0].path)
    assert (said.project_id, said.day, said.payload_count, said.written_at) == (PROJECT, THEN.date(), 5, NOON)
    assert said.columns == tuple(column.name for column in EVENTS.columns)
    assert read_whole(held[0].path)[:5] == (5, 5, said.state.first_at, said.state.last_at, said.state.id_sum)
    assert [path.name for path in held[0].path.parent.iterdir()] == ["events.parquet"]


def test_every_reader_of_hive_folders_can_read_it(database_url: str, engine: Engine, tmp_path: Path) -> None:
    load(database_url, *RICH)
    load(database_url, *RICH, at=THEN + ONE_DAY)
    load(database_url, *RICH, project=7)
    archived(engine, tmp_path)
    whole = ds.dataset(tmp_path / "events", partitioning="hive")
    assert whole.schema.field("of_project").type == "int32"
    assert whole.count_rows() == 12
    assert whole.count_rows(filter=(ds.field("of_project") == 7) & (ds.field("day") == str(THEN.date()))) == 4
    frame = pd.read_parquet(tmp_path / "events", filters=[("of_project", "==", PROJECT)])
    assert len(frame) == 8
    assert set(frame["project"]) == {str(PROJECT)}
    assert str(frame["occurred_at"].dtype) == "datetime64[us, UTC]"
    names = [column.name for column in EVENTS.columns]
    assert list(frame.columns)[: len(names)] == names


def test_what_is_there_and_true_is_passed_over_and_late_events_make_it_written_again(
    database_url: str, engine: Engine, tmp_path: Path
) -> None:
    load(database_url, {}, {})
    (first,) = archived(engine, tmp_path)
    before = first.path.stat()
    (second,) = archived(engine, tmp_path, NOON + ONE_DAY)
    assert second.what == "kept"
    assert first.path.stat() == before
    load(database_url, {}, loaded=NOON + ONE_DAY)
    (third,) = archived(engine, tmp_path, NOON + ONE_DAY)
    assert (third.what, third.path, third.manifest.state.event_count) == ("rewritten", first.path, 3)
    assert told_by_files(tmp_path) == told_by_sql(database_url)


def test_a_correction_makes_it_written_again(database_url: str, engine: Engine, tmp_path: Path) -> None:
    load(database_url, {}, {})
    archived(engine, tmp_path)
    with engine.begin() as connection:
        connection.execute(text("update warehouse.fact_event set message = 'corrected'"))
    (found,) = archived(engine, tmp_path)
    assert found.what == "rewritten"
    assert told_by_files(tmp_path) == told_by_sql(database_url)


def test_payloads_that_are_gone_from_the_database_stay_in_a_file_that_is_written_again(
    database_url: str, engine: Engine, tmp_path: Path
) -> None:
    load(database_url, {"message": "one"}, {"message": "two"})
    (first,) = archived(engine, tmp_path, has_payloads=True)
    with engine.begin() as connection:
        connection.execute(text("delete from warehouse.event_payload"))
    load(database_url, {"message": "three"}, loaded=NOON + ONE_DAY)
    (second,) = archived(engine, tmp_path)
    assert (first.manifest.payload_count, second.manifest.payload_count) == (2, 3)
    payloads = pq.read_table(second.path, partitioning=None).column("payload").to_pylist()
    assert sorted(json.loads(each)["message"] for each in payloads) == ["one", "three", "two"]


def test_a_whole_partition_goes_and_its_removal_is_noted(database_url: str, engine: Engine, tmp_path: Path) -> None:
    load(database_url, {}, {})
    load(database_url, {}, at=THEN + ONE_DAY, project=7)
    held = archived(engine, tmp_path, has_payloads=True)
    counts = "select sum(event_count)::int from warehouse.rollup_delta"
    rolled = warehouse.value(database_url, counts)
    tables = "select count(*) from pg_inherits where inhparent = 'warehouse.fact_event'::regclass"
    before = warehouse.value(database_url, tables)
    found = dropped(engine, held)
    assert sum(each.event_count for each in found) == sum(each.payload_count for each in found) == 3
    assert [each.left for each in found if each.left] == []
    assert facts(database_url) == 0
    assert warehouse.value(database_url, "select count(*) from warehouse.event_payload") == 0
    assert warehouse.value(database_url, tables) == before - len(found)
    assert warehouse.value(database_url, counts) == rolled
    noted = warehouse.rows(
        database_url,
        "select reason, project_id, first_on, end_on, event_count, payload_count, removed_at from warehouse.removal "
        "order by first_on",
    )
    day = THEN.date()
    assert [tuple(each.values()) for each in noted] == [
        ("archive", PROJECT, day, day + ONE_DAY, 2, 2, NOON),
        ("archive", 7, day + ONE_DAY, day + 2 * ONE_DAY, 1, 1, NOON),
    ]
    assert archived(engine, tmp_path, NOON + ONE_DAY) == []


def test_one_project_s_events_go_and_those_of_others_stay(database_url: str, engine: Engine, tmp_path: Path) -> None:
    load(database_url, {}, {"timestamp": None})
    load(database_url, {}, project=7)
    with engine.begin() as connection:
        connection.execute(SOURCES)
    held = archived(engine, tmp_path, project_id=PROJECT)
    (found,) = dropped(engine, held, project_id=PROJECT)
    assert (found.project_id, found.event_count, found.payload_count, found.left) == (PROJECT, 2, 0, None)
    assert warehouse.rows(database_url, "select distinct project_id from warehouse.fact_event") == [{"project_id": 7}]
    assert warehouse.value(database_url, "select count(*) from warehouse.event_payload") == 3  # not in the archive
    assert warehouse.value(database_url, "select count(*) from warehouse.event_odd_time") == 0
    assert warehouse.rows(database_url, "select project_id from warehouse.event_source") == [{"project_id": 7}]


def test_events_that_come_after_the_drop_stand_in_a_file_beside_it(
    database_url: str, engine: Engine, tmp_path: Path
) -> None:
    load(database_url, {}, {})
    first = archived(engine, tmp_path)
    dropped(engine, first)
    load(database_url, {}, loaded=NOON + ONE_DAY)
    (second,) = archived(engine, tmp_path, NOON + ONE_DAY)
    assert (second.what, second.path.name) == ("written", "events-2.parquet")
    assert archived(engine, tmp_path, NOON + ONE_DAY)[0].what == "kept"
    assert len(told_by_files(tmp_path)) == 3
    dropped(engine, [second], NOON + ONE_DAY)
    load(database_url, {}, loaded=NOON + 2 * ONE_DAY)
    (third,) = archived(engine, tmp_path, NOON + 2 * ONE_DAY)
    assert third.path.name == "events-3.parquet"
    assert len({row["event_id"] for row in told_by_files(tmp_path)}) == 4


@pytest.mark.parametrize("is_whole", [True, False])
def test_an_event_that_comes_after_the_file_keeps_the_day_in_the_database(
    database_url: str, engine: Engine, tmp_path: Path, is_whole: bool
) -> None:
    load(database_url, {}, {})
    held = archived(engine, tmp_path)
    load(database_url, {}, loaded=NOON + ONE_DAY)
    (found,) = dropped(engine, held, project_id=None if is_whole else PROJECT)
    assert found.left == "events came or were corrected meanwhile; run the command again"
    assert facts(database_url) == 3
    assert warehouse.value(database_url, "select count(*) from warehouse.removal") == 0


@pytest.mark.parametrize("damage", ["truncated", "emptied", "flipped", "another"])
def test_a_damaged_file_stops_the_drop_with_one_sentence(
    database_url: str, engine: Engine, tmp_path: Path, damage: str
) -> None:
    load(database_url, *RICH)
    load(database_url, *RICH, project=7)
    held = archived(engine, tmp_path)
    path = held[0].path
    body = bytearray(path.read_bytes())
    match damage:
        case "truncated":
            path.write_bytes(body[: len(body) // 2])
        case "emptied":
            path.write_bytes(b"")
        case "another":
            path.write_bytes(held[1].path.read_bytes())
        case _:
            footer = int.from_bytes(body[-8:-4], "little")
            body[(len(body) - footer) // 2] ^= 0x10
            path.write_bytes(body)
    with pytest.raises(ArchiveError, match=r"^.*events\.parquet (is no whole file|does not hold)[^\n]*\.$"):
        dropped(engine, held)
    assert facts(database_url) == 8
    if damage != "flipped":  # only who reads every page sees that
        with pytest.raises(ArchiveError, match=r"remove it and run the command again|put it where it was"):
            archived(engine, tmp_path)


def test_no_loader_gets_an_event_in_between_verifying_and_dropping(
    database_url: str, engine: Engine, tmp_path: Path
) -> None:
    load(database_url, {}, {})
    held = archived(engine, tmp_path)
    threads: list[Thread] = []

    def verified(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "detach partition" not in statement or threads:
            return
        # a known project waits for its turn, an unknown one for the table; both load once the partition is gone
        for project in (PROJECT, 99):
            given = {"project": project, "loaded": NOON + ONE_DAY}
            threads.append(Thread(target=load, args=(database_url, {"message": "late"}), kwargs=given))
            threads[-1].start()
        waiting = "select count(distinct pid) from pg_locks where not granted"
        until(lambda: warehouse.value(database_url, waiting) >= 2, 20, "both loaders wait")

    sqlalchemy_event.listen(engine, "before_cursor_execute", verified)
    (found,) = dropped(engine, held)
    for thread in threads:
        thread.join(30)
    assert (found.event_count, found.left) == (2, None)
    assert [row["message"] for row in told_by_sql(database_url)] == ["late", "late"]
    assert warehouse.value(database_url, "select sum(event_count)::int from warehouse.removal") == 2


def test_a_reader_that_stays_long_keeps_the_partition_until_the_next_run(
    database_url: str, engine: Engine, tmp_path: Path
) -> None:
    load(database_url, {})
    held = archived(engine, tmp_path)
    pauses: list[float] = []
    with engine.connect() as reader:
        reader.execute(text("select count(*) from analytics.events"))
        (found,) = drop(engine, held, BEFORE, NOON, pauses.append)
        assert found.left is not None
        assert "run the command again" in found.left
        assert len(pauses) == 5
    assert facts(database_url) == 1
    assert dropped(engine, held)[0].event_count == 1


def test_two_do_not_work_in_one_folder(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(ArchiveError, match="wait for its end"), alone(tmp_path):
        pass


@pytest.mark.parametrize("days", [0, 1, 1000])
def test_open_days_and_days_to_come_are_refused(tmp_path: Path, days: int) -> None:
    before = now().date() + days * ONE_DAY
    done = errhouse("db", "archive", "--before", str(before), data_dir=tmp_path, database_url="postgresql://nobody:1/x")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("errhouse: Days are archived when they have been over for a day: give --before ")
    assert done.stderr.count("\n") == 1


def test_the_command_writes_drops_and_tells(database_url: str, tmp_path: Path) -> None:
    load(database_url, {}, {}, at=now() - 20 * ONE_DAY, loaded=now() - 20 * ONE_DAY)
    command = ("db", "archive", "--before", str(now().date() - ONE_DAY), "--payloads")
    done = errhouse(*command, data_dir=tmp_path, database_url=database_url)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 files written, 0 were there and true: 2 events" in done.stdout
    done = errhouse(*command, "--drop", "--json", data_dir=tmp_path, database_url=database_url)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert [each["what"] for each in found["files"]] == ["kept"]
    assert [(each["event_count"], each["payload_count"]) for each in found["dropped"]] == [(2, 2)]
    assert Path(found["files"][0]["file"]).stat().st_mode & 0o777 == 0o600
