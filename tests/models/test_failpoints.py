"""Failpoints: each is in the code once, costs nothing unarmed, and acts once when armed."""

import ast
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from models import failpoints
from tests.support.server import ROOT, environment

ROOMS = ("ingest", "models", "reports")
PASS_TWICE = "from models import failpoints; failpoints.passed('merged'); failpoints.passed('merged'); print('alive')"


def named_in_code() -> Counter[str]:
    """Count where each failpoint is passed, by `failpoints.passed(failpoints.NAME)`."""
    found: Counter[str] = Counter()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "failpoints.passed":
                    found[getattr(failpoints, ast.unparse(node.args[0]).removeprefix("failpoints."))] += 1
    return found


def run(seen: Path, armed: str) -> subprocess.CompletedProcess[str]:
    given = environment(ERRHOUSE_FAILPOINT=armed, ERRHOUSE_FAILPOINT_SEEN=str(seen))
    return subprocess.run(
        [sys.executable, "-c", PASS_TWICE], cwd=ROOT, env=given, capture_output=True, text=True, check=False
    )


def test_every_failpoint_is_told_of_and_passed_in_the_code() -> None:
    named = {name: value for name, value in vars(failpoints).items() if name.isupper() and not name.startswith("_")}
    constants = {value for value in named.values() if isinstance(value, str)}
    assert constants == set(failpoints.POINTS)
    assert set(named_in_code()) == set(failpoints.POINTS)


def test_an_unarmed_failpoint_is_a_function_without_a_body() -> None:
    assert "ERRHOUSE_FAILPOINT" not in os.environ
    assert failpoints.passed.__code__.co_code == (lambda _name: None).__code__.co_code


@pytest.mark.parametrize(
    ("action", "status"), [("", -signal.SIGKILL), (":1:kill", -signal.SIGKILL), (":2:exit", 70), (":2:raise", 1)]
)
def test_an_armed_failpoint_acts_once_and_tells_that_it_did(tmp_path: Path, action: str, status: int) -> None:
    seen = tmp_path / "seen"
    assert run(seen, "merged" + action).returncode == status
    assert seen.exists()
    again = run(seen, "merged" + action)
    assert (again.returncode, again.stdout) == (0, "alive\n")


def test_another_failpoint_than_the_armed_one_does_nothing(tmp_path: Path) -> None:
    assert run(tmp_path / "seen", "copy_done").returncode == 0
    assert not (tmp_path / "seen").exists()
