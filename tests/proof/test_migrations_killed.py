"""Scenario H-05: a migration that is killed at a statement leaves what was there, and runs through the next time."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest

from models import migrate
from tests.models.test_migrations import state
from tests.proof.lines import report
from tests.support import postgres
from tests.support.server import ROOT, environment

# For each line it is told, a URL and a number, a process of its own upgrades, and dies before the statement of that
# number; 0: it does not, and tells how many there are.
UPGRADES = """
import os, signal, sys
from alembic import command
from sqlalchemy import event
from sqlalchemy.engine import Engine
from models import migrate

for line in sys.stdin:
    url, at = line.split()
    child = os.fork()
    if not child:
        passed = 0

        def pass_one(*_):
            global passed
            passed += 1
            if passed == int(at):
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(Engine, "before_cursor_execute", pass_one)
        migrate.upgrade(url)
        print("upgraded", passed, flush=True)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        print("killed" if status == -signal.SIGKILL else "failed", at, flush=True)
"""
STEPS = {"1": 6, "2": 60, "3": 1_000_000}
"""How many of the statements are died before, by the tier that is run."""


class Upgrades:
    """The process that upgrades, in processes of its own."""

    def __init__(self, told: IO[str], says: IO[str]) -> None:
        self._told = told
        self._says = says

    def upgrade(self, url: str, at: int = 0) -> tuple[str, int]:
        """Upgrade, dying before statement `at`; gives how it ended, and the statements it took."""
        self._told.write(f"{url} {at}\n")
        self._told.flush()
        how, count = self._says.readline().split()
        return how, int(count)


@contextmanager
def upgrading() -> Iterator[Upgrades]:
    with subprocess.Popen(
        [sys.executable, "-c", UPGRADES],
        cwd=ROOT,
        env=environment(PYTHONPATH=str(ROOT)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Upgrades(process.stdin, process.stdout)
        process.stdin.close()
        assert process.wait(60) == 0


@pytest.mark.timeout(7200)
@pytest.mark.scenario("H-05")
@pytest.mark.parametrize("begins_at", ["nothing", "the revision before"])
def test_a_killed_migration_leaves_what_was_there_and_runs_through_the_next_time(
    postgres_url: str, database_url: str, begins_at: str
) -> None:
    wanted = state(database_url)
    before = migrate.known()[1]
    with upgrading() as upgrades, postgres.database(postgres_url, is_template=True) as template:
        if begins_at != "nothing":
            migrate.upgrade(template, before)
        first = state(template)
        with postgres.database(postgres_url, postgres.database_name(template)) as url:
            how, statements = upgrades.upgrade(url)
            assert (how, state(url)) == ("upgraded", wanted)
        most = STEPS[os.environ.get("ERRHOUSE_TEST_TIER", "1")]
        places = range(1, statements + 1, max(1, statements // most))
        left = {"what was there": 0, "everything": 0, "tables without all views": 0}
        for at in places:
            with postgres.database(postgres_url, postgres.database_name(template)) as url:
                assert upgrades.upgrade(url, at) == ("killed", at)
                found = state(url)
                if found == first:
                    left["what was there"] += 1
                elif found == wanted:
                    left["everything"] += 1
                else:
                    left["tables without all views"] += 1
                    assert [each for each in found if "warehouse" in each] == [
                        each for each in wanted if "warehouse" in each
                    ]
                assert upgrades.upgrade(url)[0] == "upgraded"
                assert state(url) == wanted
    report(f"H-05 pass from {begins_at} statements {statements} kills {len(places)} left {left}")
    assert left["what was there"] > 0
