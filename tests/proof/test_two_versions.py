"""Scenario H-04: this version beside the one before its newest migration, over one database, both under load."""

import shutil
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from models import migrate
from tests.proof.lines import report
from tests.proof.rig import Sending, audited, proving
from tests.proof.sender import Plan
from tests.support import warehouse
from tests.support.server import ROOT, serving
from tests.support.wait import until

RATE = 100
ALONE = 500
TOGETHER = 1500
"""Events of each, which is some fifteen seconds."""
FIRST = 500_000_000
NAME = "H-04"
SERVE = "import sys; sys.argv = ['errhouse', *sys.argv[sys.argv.index('serve'):]]; from ingest.cli import main; main()"
"""In place of the program that is installed, which is this version's."""


def git(*arguments: str) -> bytes:
    """Ask git about this checkout; nothing where there is none, or its history lacks what is asked for."""
    program = shutil.which("git")
    if program is None or not (ROOT / ".git").exists():
        return b""
    return subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, check=False).stdout


def newest_migration() -> Path:
    """Give the file of the newest migration; there is one head."""
    (head,) = ScriptDirectory.from_config(migrate.config()).get_revisions("head")
    return Path(head.path).relative_to(ROOT)


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A folder with the version that did not have the newest migration yet."""
    added = git("log", "--diff-filter=A", "--format=%H", "-1", "--", str(newest_migration())).decode().strip()
    kept = git("archive", f"{added}^") if added else b""
    if not kept:
        pytest.skip("the history of this checkout does not reach back to the version before the newest migration")
    with tarfile.open(fileobj=BytesIO(kept)) as archive:
        archive.extractall(tmp_path / "before", filter="data")
    return tmp_path / "before"


@pytest.mark.timeout(600)
@pytest.mark.scenario("H-04", tier=2)
def test_the_version_before_loads_on_beside_this_one_which_migrates(
    tmp_path: Path, empty_database_url: str, before: Path
) -> None:
    url = empty_database_url
    prefix = ["env", f"--chdir={before}", f"PYTHONPATH={before}", sys.executable, "-c", SERVE]
    with serving(tmp_path / "old", url, prefix=prefix) as old:
        first = version(url)
        assert first not in {migrate.known()[0], ""}
        project_id, key = warehouse.first_project(url)
        ledger = str(tmp_path / "ledger-before")
        sending = Sending(Plan(old.port, project_id, key, NAME, ledger, rate=RATE, profile="small", first=FIRST))
        try:
            sending.wait_acknowledged(ALONE)
            with proving(NAME, tmp_path, url, seed=NAME) as run:
                run.sendings.append(sending)
                assert version(url) == migrate.known()[0]
                by_then = sending.acknowledged()
                run.send(rate=RATE, profile="small").wait_acknowledged(TOGETHER)
                until(lambda: sending.acknowledged() >= by_then + TOGETHER, 60, "the version before answers on")
                sending.stop()
                warehouse.loaded(old)
            assert audited(old, url)[0]
        finally:
            sending.kill()
        assert (run.verdict.refused, run.verdict.cut) == (0, 0)
        failed = [line for line in old.log().splitlines() if "cannot" in line or '"level": "error"' in line]
        report(
            f"{NAME} schema {first} and {version(url)}, before the newer one {by_then}, lines of failure {len(failed)}"
        )
        assert not failed, failed[:3]


def version(url: str) -> str:
    return str(warehouse.value(url, "select version_num from public.errhouse_schema_version"))
