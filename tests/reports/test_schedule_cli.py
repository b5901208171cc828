"""`errhouse schedule …` as an operator meets it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from reports.cli_schedule import schedule_commands
from reports.errors import ReportsError
from tests.support import postgres, warehouse
from tests.support.server import errhouse

WEEKLY = ("weekly-web", "--report", "weekly", "--cron", "0 8 * * 1", "--tz", "Europe/Berlin")
Run = Callable[..., Any]


@pytest.fixture
def run(database_url: str, tmp_path: Path) -> Run:
    def schedule(*arguments: str) -> Any:
        return errhouse("schedule", *arguments, data_dir=tmp_path / "data", database_url=database_url)

    return schedule


def test_a_schedule_is_added_shown_paused_resumed_and_removed(run: Run, database_url: str, tmp_path: Path) -> None:
    added = run("add", *WEEKLY, "--target", f"file:{tmp_path}", "--param", "project=1,2", "--json")
    assert added.returncode == 0, added.stderr
    told = json.loads(added.stdout)
    assert (told["name"], told["zone"], told["formats"]) == ("weekly-web", "Europe/Berlin", ["html", "json"])
    assert (told["parameters"], told["targets"]) == ({"project": "1,2"}, [f"file:{tmp_path}"])
    assert (told["catch_up"], told["settle_seconds"], told["max_lateness_seconds"]) == ("latest", 600, 172800)
    coming = run("next", "3", "--json")
    rows = json.loads(coming.stdout)
    assert len(rows) == 3
    assert all(row["local"].startswith("Mon ") and " 08:00 CE" in row["local"] for row in rows)
    assert all("-W" in row["period"] for row in rows)
    assert "Next runs" in run("next").stdout
    listed = run("list").stdout
    assert "weekly-web" in listed
    assert run("pause", "weekly-web").stdout == "weekly-web is paused.\n"
    assert [row["is_enabled"] for row in json.loads(run("list", "--json").stdout)] == [False]
    assert run("next").stdout == "No schedule is enabled; `errhouse schedule list` shows them.\n"
    assert json.loads(run("resume", "weekly-web", "--json").stdout) == {"name": "weekly-web", "is": "resumed"}
    assert run("remove", "weekly-web").returncode == 0
    assert run("list").stdout == "There is no schedule yet; `errhouse schedule add` adds one.\n"
    assert warehouse.rows(database_url, "select name from warehouse.report_schedule") == []


def test_a_name_that_is_taken_is_replaced_only_on_demand(run: Run) -> None:
    assert run("add", *WEEKLY).returncode == 0
    again = run("add", *WEEKLY)
    assert again.returncode == 2
    assert again.stderr == ("errhouse: There is a schedule weekly-web already; --replace puts this one in its place.\n")
    assert run("add", *WEEKLY, "--catch-up", "all", "--replace").returncode == 0
    assert json.loads(run("list", "--json").stdout)[0]["catch_up"] == "all"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--cron", "61 8 * * 1"), "'61 8 * * 1' is not a time of cron (bad minute); write five fields"),
        (("--tz", "Europe/Atlantis"), "There is no time zone 'Europe/Atlantis'"),
        (("--target", "pigeon:roof"), "There is no channel 'pigeon'; there are"),
        (("--target", "file:reports"), "'reports' is not an absolute path without `..`"),
        (("--catch-up", "never"), "--catch-up is latest, all or skip, not 'never'"),
        (("--param", "top"), "--param 'top' cannot be used; write key=value, each key once"),
        (("--param", "period=year"), "year is not a period of a schedule"),
        (("--settle", "soon"), "--settle 'soon' cannot be used; write a number with s, m, h or d"),
        (("--max-lateness", "32d"), "--max-lateness '32d' cannot be used"),
        (("--format", ","), "A schedule needs a format"),
        (("--format", "html,papyrus"), "There is no format papyrus; there are "),
        (("--report", "yearly"), "There is no report yearly; there are "),
        (("--param", "colour=red"), "A report has no parameter colour; it has project, environment, level,"),
        (("--param", "top=0"), "top is a number from 1 to 10,000, not '0'"),
        (("--param", "top=ten"), "top is a number from 1 to 10,000, not 'ten'"),
        (("--param", "budget=-1"), "budget is a number from 1 to "),
        (("--param", "level=eror"), "There is no level eror; there are fatal, error, warning, info, debug"),
        (("--param", "by=level"), "by is for the report frequency; weekly has its own groupings"),
        (("--report", "frequency", "--param", "by=level,colour"), "by takes a comma separated list of project, level,"),
        (("--report", "frequency", "--param", "by="), "by takes a comma separated list of project, level,"),
        (("--report", "release", "--param", "release=a@1,a@2"), "The release report is of one release"),
        (("--cron", "0 8 * *"), "'0 8 * *' is not a time of cron; write five fields"),
        (("--cron", "0 0 30 2 *"), "'0 0 30 2 *' "),
    ],
)
def test_what_cannot_be_scheduled_is_one_sentence(more: tuple[str, ...], sentence: str) -> None:
    # refused before the database is asked, so there is none here
    refused = CliRunner().invoke(schedule_commands, ["add", *WEEKLY, *more])
    assert isinstance(refused.exception, ReportsError)
    assert str(refused.exception).startswith(sentence)
    assert str(refused.exception).endswith(".")
    assert refused.stdout == ""


def test_a_name_is_one_that_a_file_can_have() -> None:
    for name in ("Weekly", "../up", "a b", "-a", "", "a" * 64):
        refused = CliRunner().invoke(schedule_commands, ["add", *WEEKLY[1:], "--", name])
        assert str(refused.exception).startswith(f"{name!r} is not a name; write a-z, 0-9, - and _")


def test_a_schedule_that_is_not_there_is_one_sentence(run: Run) -> None:
    for command in ("remove", "run-missed"):
        gone = run(command, "gone")
        sentence = "errhouse: There is no schedule gone; `errhouse schedule list` shows them.\n"
        assert (gone.returncode, gone.stderr) == (2, sentence)


def test_what_was_missed_is_run_here_and_now_and_one_that_fails_is_a_finding(run: Run, database_url: str) -> None:
    assert run("add", *WEEKLY, "--cron", "0 0 * * *").returncode == 0
    assert run("run-missed").stdout == "No run was missed.\n"
    # a report of a later version, which this one does not know
    postgres.run(
        database_url, "update warehouse.report_schedule set starts_at = now() - interval '49 h', report = 'yearly'"
    )
    found = run("run-missed", "weekly-web", "--json")
    rows = json.loads(found.stdout)
    assert len(rows) == 2
    assert {row["status"] for row in rows} == {"failed"}
    assert all(row["error"] for row in rows)
    assert found.returncode == 1
    table = run("run-missed")
    assert table.returncode == 1
    assert "failed" in table.stdout
    assert warehouse.value(database_url, "select max(attempt_count) from warehouse.report_run") == 2
