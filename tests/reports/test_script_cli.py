"""`errhouse script …` as an operator meets it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import scripts
from tests.support.server import errhouse

SH = "#!/bin/sh\n"
Run = Callable[..., Any]


@pytest.fixture
def run(database_url: str, tmp_path: Path) -> Run:
    def command(*arguments: str) -> Any:
        return errhouse(*arguments, data_dir=tmp_path / "data", database_url=database_url)

    return command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "scripts"


def test_scripts_are_listed_with_their_targets_and_last_run(run: Run, folder: Path) -> None:
    sha256 = scripts.put(folder, "act.sh", SH + "exit 0\n")
    scripts.put(folder, "open.sh", SH, 0o777)
    added = run("target", "add", "ops", "--channel", "script", "--url", "act.sh", "--set", "args=-x 1")
    assert added.returncode == 0, added.stderr
    assert run("target", "test", "ops").stdout.startswith("It arrived. Answer: Exit code 0, run ")
    act, other = json.loads(run("script", "list", "--json").stdout)
    assert (act["name"], act["sha256"], act["is_usable"], act["targets"]) == ("act.sh", sha256, True, ["ops"])
    assert (act["last_run"]["outcome"], act["last_run"]["exit_code"]) == ("done", 0)
    assert (other["is_usable"], other["sha256"], "chmod go-w" in other["why_not"]) == (False, None, True)
    assert sha256[:20] in run("script", "list").stdout
    scripts.put(folder, "act.sh", SH + "exit 1\n")
    changed = run("target", "test", "ops")
    assert (changed.returncode, "is another than was registered" in changed.stdout) == (1, True)


def test_a_script_is_tried_out_with_a_sample_and_prints_what_it_printed(run: Run, folder: Path) -> None:
    scripts.put(folder, "act", SH + 'echo "$@"; cat; exit 3\n')
    done = run("script", "test", "act", "--args", "-f 'a b'", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["exit_code"], told["error"]) == (1, 3, None)
    words, line = told["output"].splitlines()
    assert (words, json.loads(line)["action_id"], json.loads(line)["kind"]) == ("-f a b", told["run_id"], "test")
    assert json.loads(line)["event"]["project"] == "shop"
    assert run("script", "test", "act").stdout.endswith("\nExit code 3.\n")
    dry = run("script", "test", "act", "--dry-run")
    assert (dry.returncode, dry.stdout.startswith('Dry run: would run ["act"]')) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("../act",), "errhouse: '../act' is no name of a script;"),
        (("nothing",), "errhouse: There is no script "),
        (("act", "--event-id", "0" * 32), "errhouse: There is no event 00000000-0000-"),
        (("act", "--args", "'"), "errhouse: args cannot be read"),
    ],
)
def test_what_cannot_be_run_is_told_in_one_sentence(
    arguments: tuple[str, ...], why: str, run: Run, folder: Path
) -> None:
    scripts.put(folder, "act", SH)
    refused = run("script", "test", *arguments)
    assert (refused.returncode, refused.stderr.startswith(why), refused.stderr.count("\n")) == (2, True, 1)


def test_without_a_folder_it_says_how_to_make_one(run: Run, folder: Path) -> None:
    assert f"There is no folder {folder} for scripts; make it: mkdir -m 755" in run("script", "list").stderr
    folder.mkdir(parents=True, mode=0o755)
    assert run("script", "list").stdout.startswith("There is no script in ")
