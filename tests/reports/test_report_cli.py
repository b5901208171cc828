"""`errhouse report …` as a person meets it, and reports of odd data."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow.parquet
import pytest

from reports import frames
from reports.built_in import REPORTS, make
from reports.errors import ReportsError
from reports.period import Period, calendar
from reports.reading import reading
from reports.render import rendering
from reports.report import Report
from tests.support import roles
from tests.support.builders import event
from tests.support.loading import NOON, loading, sdk, told
from tests.support.reports import HOSTILE
from tests.support.server import ROOT, environment, errhouse

NAMES = [each.name for each in REPORTS]
WEEK = ("--period", "2026-W47")
DAY = NOON - timedelta(days=3)
Run = Callable[..., Any]


def load(url: str, *events: Any, project: int = 42) -> None:
    with loading(url) as (loader, _):
        loader.load([sdk(*events, project=project)], origin="test")


def one(number: int = 1, **more: Any) -> Any:
    return event(event_id=UUID(int=number).hex, timestamp=told(DAY), **more)


@pytest.fixture
def run(database_url: str, tmp_path: Path) -> Run:
    def report(*arguments: str, **more: Any) -> Any:
        chosen = {"data_dir": tmp_path / "data", "database_url": database_url, **more}
        return errhouse("report", *arguments, **chosen)

    return report


def made(url: str, name: str, period: Period | None = None, **parameters: Any) -> Report:
    with reading(url) as reader:
        return make(name, reader, period or calendar(DAY.date(), "week", "Europe/Berlin"), parameters)


def test_every_report_is_listed(run: Run) -> None:
    assert [each["name"] for each in json.loads(run("list", "--json").stdout)] == NAMES
    assert all(name in run("list").stdout for name in NAMES)


def test_a_table_is_shown_in_the_terminal_and_one_format_is_printed(run: Run, database_url: str) -> None:
    load(database_url, one(1), one(2, level="fatal", transaction="/cart"))
    shown = run("run", "frequency", "--by", "project,level,culprit", *WEEK)
    assert shown.returncode == 0, shown.stderr
    assert "2 events in 2 rows by project, level, culprit" in shown.stdout
    assert "/cart" in shown.stdout
    told_as_json = json.loads(run("run", "frequency", *WEEK, "--level", "fatal", "--format", "json").stdout)
    columns = [column["name"] for column in told_as_json["sections"][0]["table"]["columns"]]
    assert columns == [
        *("project", "level", "culprit", "events", "users", "share", "change", "first_seen_at", "last_seen_at"),
    ]
    assert told_as_json["sections"][0]["table"]["rows"][0][1:5] == ["fatal", "/cart", 1, 1]


def test_files_are_written_in_every_format_that_was_asked_for(run: Run, database_url: str, tmp_path: Path) -> None:
    load(database_url, one())
    out = tmp_path / "out"
    done = run("run", "frequency", *WEEK, "--format", "html,xlsx,parquet", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert {Path(line) for line in done.stdout.split()} == set(out.iterdir())
    assert {path.suffixes[0] for path in out.iterdir()} == {".html", ".xlsx", ".parquet"}
    with zipfile.ZipFile(next(out.glob("*.parquet*"))) as archive:
        rows = pyarrow.parquet.read_table(BytesIO(archive.read("frequency.parquet"))).to_pylist()
    assert [(row["level"], row["events"], row["share"]) for row in rows] == [("error", 1, 1.0)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("frequency", "--by", "project,colour"), "by takes a comma separated list of project, level, culprit,"),
        (("weekly", "--by", "level"), "--by is for the report frequency"),
        (("yearly",), "There is no report yearly; there are frequency, daily, weekly, release, health."),
        (("weekly", "--last", "7 days"), "7 days is not a period"),
        (("weekly", "--last", "7d", "--period", "today"), "More than one period was given"),
        (("weekly", "--tz", "Mars/Olympus"), "There is no time zone 'Mars/Olympus'"),
        (("weekly", "--format", "docx"), "There is no format 'docx'"),
        (("weekly", "--format", "html,json"), "Several formats need a folder to go to; add --out DIR."),
        (("weekly", "--out", "here"), "--out needs --format"),
        (("weekly", "--top", "0"), "top is a number from 1 to 10,000"),
        (("weekly", "--level", "eror"), "There is no level eror; there are fatal, error, warning, info, debug."),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_sentence(run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    done = run("run", *arguments, database_url="postgresql://nobody@127.0.0.1:9/nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"errhouse: {sentence}")
    assert done.stderr.count("\n") == 1


def test_json_loads_nothing_that_only_other_commands_and_formats_need(database_url: str, tmp_path: Path) -> None:
    code = """
import os, sys, ingest.front
leave = os._exit
def told(status):
    os.write(2, " ".join(sys.modules).encode())
    leave(status)
os._exit = told
ingest.front.main()
"""
    words = ("report", "run", "weekly", *WEEK, "--format", "json")
    env = environment(ERRHOUSE_DATABASE_URL=database_url, ERRHOUSE_DATA_DIR=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["name"] == "weekly"
    loaded = {name.split(".")[0] for name in done.stderr.split()}
    assert {"pandas", "pyarrow"} <= loaded
    unwanted = {"altair", "vl_convert", "jinja2", "rich", "xlsxwriter", "asyncio", "sqlalchemy", "alembic", "fastapi"}
    assert (unwanted | {"apprise", "psycopg", "structlog"}) & loaded == set()


def test_a_reader_that_has_seen_enough_gets_no_complaint(database_url: str, tmp_path: Path) -> None:
    env = environment(ERRHOUSE_DATABASE_URL=database_url, ERRHOUSE_DATA_DIR=str(tmp_path))
    command = [sys.executable, "-c", "from ingest.front import main; main()", "report", "run", "weekly", *WEEK]
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.close()
        assert run.stderr.read() == ""


def test_an_analysts_login_is_enough(database_url: str, postgres_url: str) -> None:
    load(database_url, one())
    with roles.login(database_url, "analyst", superuser=postgres_url) as url:
        for name in NAMES:
            assert made(url, name).sections


@pytest.mark.parametrize("name", NAMES)
def test_no_event_and_one_event_give_a_report_in_every_format(database_url: str, name: str) -> None:
    for count in range(2):
        load(database_url, *[one(number + 1) for number in range(count)])
        found = made(database_url, name)
        assert all(each.sentence.endswith(".") for each in found.sections)
        assert found.headline[0].value in {count, None}
        for form in ("html", "text", "markdown", "xlsx", "csv", "svg"):
            assert rendering(form).render(found)


@pytest.mark.parametrize("name", NAMES)
def test_words_of_senders_stay_words(database_url: str, name: str) -> None:
    words = [*HOSTILE, "long." * 1638]
    events = [
        one(number + 1, transaction=word or None, environment="production", release=f"shop@1.{number}.0", message=word)
        for number, word in enumerate(words)
    ]
    load(database_url, *events)
    page = rendering("html").render(made(database_url, name)).decode()
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page


def test_a_release_is_compared_with_the_one_before_it_at_the_same_age(database_url: str) -> None:
    start = NOON - timedelta(days=6)
    events = [
        event(event_id=UUID(int=1000 * place + number + 1).hex, timestamp=told(at + timedelta(minutes=10 * number)),
              release=name, fingerprint=[kind])
        for place, (name, at, count, kind) in enumerate([
            ("shop@1.0.0", start, 30, "old"),
            ("shop@1.1.0", start + timedelta(days=3), 90, "old"),
            ("shop@1.1.0", start + timedelta(days=3), 5, "fresh"),
        ])
        for number in range(count)
    ]  # fmt: skip
    load(database_url, *events)
    period = Period(NOON - timedelta(days=7), NOON, "UTC", "rolling")
    found = made(database_url, "release", period)
    assert found.parameters["release"] == ["shop@1.1.0"]
    names = [column.name for column in found.section("comparison").table.columns]
    (row,) = [dict(zip(names, each, strict=True)) for each in found.section("comparison").table.rows]
    assert (row["predecessor"], row["events"], row["previous_events"], row["compared_hours"]) == (
        *("shop@1.0.0", 95, 30),
        72,
    )
    assert row["is_significant"]
    assert [each.value for each in found.headline[1:3]] == [1, 0]
    assert made(database_url, "release", period, release="shop@1.0.0").headline[0].previous is None


def test_parameters_of_a_schedule_are_read_as_those_of_the_command(database_url: str) -> None:
    load(database_url, one(1), one(2, environment="production"))
    found = made(database_url, "weekly", environment="production, qa", top="5", budget="30")
    assert (found.headline[0].value, found.parameters["environment"]) == (1, ["production", "qa"])
    assert found.section("budget").table.rows
    with pytest.raises(ReportsError, match="A report has no parameter colour"):
        made(database_url, "weekly", colour="red")


def test_a_frame_is_had_in_one_line_by_an_analyst(
    database_url: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(database_url, one())
    with roles.login(database_url, "analyst", superuser=postgres_url) as url:
        monkeypatch.setenv("ERRHOUSE_DATABASE_URL", url)
        found = frames.frequency("3650d", by="project,culprit")
    assert found[["culprit", "events"]].to_numpy().tolist() == [["/checkout", 1]]
