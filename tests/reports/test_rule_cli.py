"""`errhouse rule …` as an operator meets it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from reports.cli_rule import rule_commands
from reports.errors import ReportsError
from tests.support import postgres, warehouse
from tests.support.server import errhouse

NEW = ("new-in-shop", "--when", "new_issue", "--target", "chat")
SQL = "select project as subject, events from analytics.issues where events > 100"
Run = Callable[..., Any]


@pytest.fixture
def run(database_url: str, tmp_path: Path) -> Run:
    postgres.run(
        database_url,
        "insert into warehouse.target (name, channel, options, allow_private, most_per_minute, created_at, updated_at) "
        "values ('chat', 'webhook', '{\"url\": \"https://hooks.example/x\"}', false, 20, now(), now())",
    )

    def rule(*arguments: str) -> Any:
        return errhouse("rule", *arguments, data_dir=tmp_path / "data", database_url=database_url)

    return rule


def test_a_rule_is_added_listed_paused_resumed_and_removed(run: Run, database_url: str) -> None:
    limits = (
        "--project",
        "shop",
        "--level",
        "fatal",
        "--culprit",
        "cart.*",
        "--tag",
        "region=eu",
        "--tag",
        "region=us",
    )
    added = run("add", *NEW, *limits, "--quiet", "22:00-07:00", "--tz", "Europe/Berlin", "--cooldown", "2h", "--json")
    assert added.returncode == 0, added.stderr
    assert added.stderr.startswith("No project is called shop yet; the rule waits for it.")
    told = json.loads(added.stdout)
    assert told["matches"] == {
        "project": ["shop"],
        "level": ["fatal"],
        "culprit": ["cart.*"],
        "tag": {"region": ["eu", "us"]},
    }
    assert (told["cooldown_seconds"], told["quiet"], told["group_by"]) == (7200, "22:00-07:00", "issue")
    listed = run("list").stdout
    assert "new-in-shop" in listed
    assert "--tag region=eu" in listed
    assert run("pause", "new-in-shop").stdout == "new-in-shop is paused.\n"
    assert [each["is_enabled"] for each in json.loads(run("list", "--json").stdout)] == [False]
    assert json.loads(run("resume", "new-in-shop", "--json").stdout) == {"name": "new-in-shop", "is": "resumed"}
    assert run("test", "new-in-shop").stdout == "new-in-shop would have told nothing in the last 24 hours.\n"
    assert run("test", "new-in-shop", "--send").returncode == 1
    assert run("remove", "new-in-shop").returncode == 0
    assert run("list").stdout == "There is no alert rule yet; `errhouse rule add` adds one.\n"
    assert warehouse.rows(database_url, "select name from warehouse.alert_rule") == []


def test_a_name_that_is_taken_is_replaced_only_on_demand(run: Run) -> None:
    assert run("add", *NEW).returncode == 0
    again = run("add", *NEW)
    sentence = "errhouse: There is a rule new-in-shop already; --replace puts this one in its place.\n"
    assert (again.returncode, again.stderr) == (2, sentence)
    assert run("add", *NEW, "--level", "fatal", "--replace").returncode == 0
    assert json.loads(run("list", "--json").stdout)[0]["matches"] == {"level": ["fatal"]}


def test_what_the_database_must_know_is_asked_when_a_rule_is_added(run: Run) -> None:
    refused = run("add", *NEW[:-1], "pigeon")
    assert refused.returncode == 2
    assert "pigeon" in refused.stderr
    assert "file:/srv takes the files of reports" in run("add", *NEW[:-1], "file:/srv").stderr
    for query, sentence in (
        ("select 1", "--sql has no column subject"),
        ("selekt 1 as subject", "--sql cannot be used (syntax error"),
        ("select 1 as subject; drop table warehouse.hook", "--sql cannot be used (syntax error"),
        ("select 1 as subject) x; select (1", "--sql cannot be used ("),
        ("delete from analytics.issues returning 1 as subject", "--sql cannot be used (syntax error"),
        ("select nothing as subject from analytics.issues", '--sql cannot be used (column "nothing" does not exist'),
    ):
        said = run("add", "q", "--when", "sql", "--sql", query, "--target", "chat")
        assert said.returncode == 2
        assert said.stderr.startswith(f"errhouse: {sentence}"), said.stderr
        assert said.stderr.count("\n") == 1
    assert run("add", "q", "--when", "sql", "--sql", f"{SQL}; ", "--every", "1m", "--target", "chat").returncode == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("x --when quake --target chat", "There is no kind of rule 'quake'; there are new_issue, regression,"),
        ("X! --when new_issue --target chat", "'X!' is not a name; write a-z"),
        ("x --when new_issue", "A rule needs a target to tell"),
        ("x --when new_issue --target chat --count 5", "new_issue has no --count; it takes nothing of the kind."),
        ("x --when threshold --target chat --silent 5d", "threshold has no --silent; it takes --count, --window,"),
        ("x --when threshold --target chat --window 90s", "--window is whole minutes from 1m to 24h."),
        ("x --when threshold --target chat --window soon", "--window 'soon' cannot be used; write a number with"),
        ("x --when threshold --target chat --count 0", "--count is a number from 1 to 1,000,000,000, not '0'."),
        ("x --when threshold --target chat --rate 1x", "--rate '1x' cannot be used; write how many times"),
        ("x --when threshold --target chat --against weeks", "--against is window or days, not 'weeks'."),
        ("x --when threshold --target chat --against days", "--against days needs --rate"),
        ("x --when threshold --target chat --against days --rate 2", "--against days counts by project or rule"),
        ("x --when level --target chat", "A level rule needs --level"),
        ("x --when level --target chat --level bad", "There is no level bad; there are fatal"),
        ("x --when level --target chat --level error --level fatal", "A level rule has one --level, the least."),
        ("x --when regression --target chat --silent 1h", "--silent is at least 1d"),
        ("x --when silence --target chat --silent 30d", "--silent of a silence is from 1m to 7d."),
        ("x --when silence --target chat --culprit a", "silence cannot be limited by culprit, only by project."),
        ("x --when freshness --target chat --project a", "freshness cannot be limited by project, by nothing."),
        ("x --when freshness --target chat --lag 1s", "--lag is at least 30s."),
        ("x --when freshness --target chat --every 1s", "--every is from 10s to 1d."),
        ("x --when sql --target chat", "A sql rule needs --sql"),
        ("x --when new_issue --target chat --quiet 22-7", "--quiet '22-7' cannot be used; write it as 22:00-07:00."),
        ("x --when new_issue --target chat --tz Moon/Base", "There is no time zone 'Moon/Base'"),
        ("x --when new_issue --target chat --cooldown 1w", "--cooldown '1w' cannot be used; write a number with"),
        ("x --when new_issue --target chat --group-by team", "--group-by is issue, project or rule, not 'team'."),
        ("x --when new_issue --target chat --tag region", "--tag 'region' cannot be used; write key=value"),
        ("x --when new_issue --target chat --title /(/", "/(/ is not a regular expression"),
        ("x --when new_issue --target chat --level eror", "There is no level eror; there are fatal, error"),
    ],
)
def test_what_cannot_be_a_rule_is_one_sentence(words: str, sentence: str) -> None:
    # refused before the database is asked, so there is none here
    refused = CliRunner().invoke(rule_commands, ["add", *words.split()])
    assert isinstance(refused.exception, ReportsError)
    assert str(refused.exception).startswith(sentence)
    assert str(refused.exception).endswith(".")
    assert refused.stdout == ""


def test_a_rule_that_is_not_there_is_one_sentence(run: Run) -> None:
    for command in ("remove", "pause", "resume", "test"):
        gone = run(command, "gone")
        sentence = "errhouse: There is no rule gone; `errhouse rule list` shows them.\n"
        assert (gone.returncode, gone.stderr) == (2, sentence)
