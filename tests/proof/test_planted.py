"""Scenario K-07: defects that are planted on purpose are noticed; a test that cannot fail would be none."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proof.lines import FILE_VARIABLE, report
from tests.proof.planted import DEFECTS, Defect
from tests.proof.scenarios import SCENARIOS
from tests.support.postgres import URL_VARIABLE
from tests.support.server import ROOT

COPIED = ("docs", "ingest", "migrations", "models", "reports", "tests", "alembic.ini", "pyproject.toml", "README.md")
RUN_SECONDS = 900
FAILED, PASSED = 1, 0


class Copy:
    """The sources in a folder of their own, in which every import of ours is answered from there."""

    def __init__(self, folder: Path, postgres_url: str) -> None:
        self.folder = folder
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "node*"))
            else:
                shutil.copy(ROOT / name, folder / name)
        told = {URL_VARIABLE: postgres_url, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        self._environment = {**os.environ, **told}
        self._environment.pop(FILE_VARIABLE, None)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python there."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=RUN_SECONDS,
        )

    def test(self, *tests: str) -> subprocess.CompletedProcess[str]:
        """Run tests there, one after the other, until one fails."""
        return self.run("-m", "pytest", "-q", "-x", "--tb=line", "-p", "no:cacheprovider", *dict.fromkeys(tests))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Copy]:
    """A copy on which every test of the table passes, in as long as nothing is planted."""
    made = Copy(tmp_path_factory.mktemp("planted") / "copy", postgres_url)
    found = made.run("-c", "import ingest, models, reports; print(ingest.__file__, models.__file__, reports.__file__)")
    assert found.stdout.count(str(made.folder)) == 3, found
    whole = made.test(*(each.test for each in DEFECTS))
    assert whole.returncode == PASSED, whole.stdout[-4000:]
    yield made
    shutil.rmtree(made.folder)


def test_every_defect_would_change_one_place_and_names_its_scenario() -> None:
    assert len({each.name for each in DEFECTS}) == len(DEFECTS) >= 12
    for each in DEFECTS:
        assert (ROOT / each.path).read_text().count(each.old) == 1, each
        assert each.old != each.new
        assert not each.scenario or each.scenario in SCENARIOS
        path, _, test = each.test.partition("::")
        assert f"def {test.partition('[')[0]}" in (ROOT / path).read_text(), each


@pytest.mark.scenario("K-07", tier=2)
@pytest.mark.timeout(2 * RUN_SECONDS)
@pytest.mark.parametrize("defect", DEFECTS, ids=[each.name for each in DEFECTS])
def test_a_planted_defect_is_noticed(defect: Defect, copy: Copy) -> None:
    path = copy.folder / defect.path
    whole = path.read_text()
    assert whole.count(defect.old) == 1
    path.write_text(whole.replace(defect.old, defect.new))
    try:
        compile(path.read_text(), defect.path, "exec")
        done = copy.test(defect.test)
    finally:
        path.write_text(whole)
    failed = re.findall(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
    is_noticed = (
        done.returncode == FAILED and bool(failed) and all(defect.test.split("[")[0] in each for each in failed)
    )
    held_by = defect.scenario or "a test without a number"
    report(f"K-07 {'pass' if is_noticed else 'FAIL'} {defect.name}: {held_by}, {defect.test}")
    assert is_noticed, done.stdout[-4000:]
