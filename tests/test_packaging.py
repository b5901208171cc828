import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import psycopg
import pytest

from tests.support.server import environment

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {"ingest", "models", "reports"}
HOSTILE = "raise RuntimeError('the working folder was imported')\n"


def run(command: list[str | Path], cwd: Path, **env: str) -> str:
    settings = {name: value for name, value in environment(**env).items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a new environment with the wheel in it; what the wheel depends on is borrowed from ours."""
    scratch = tmp_path_factory.mktemp("environment") / "with a space"
    venv.create(scratch, with_pip=False)
    python = scratch / "bin" / "python"
    run([sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-index", "--no-deps", wheel], ROOT)
    (site,) = (scratch / "lib").glob("python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return scratch / "bin"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A working folder with rooms of the same names as ours."""
    for room in ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text(HOSTILE)
    return tmp_path


def test_no_other_distribution_brings_packages_of_our_names() -> None:
    owners = packages_distributions()
    assert {room: set(owners.get(room, [])) - {"errhouse"} for room in ROOMS} == {room: set() for room in ROOMS}


def test_the_wheel_holds_the_three_rooms_whole_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == ROOMS
    sources = {
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    migrations = {f"models/_{path.relative_to(ROOT)}" for path in (ROOT / "migrations").rglob("*.py")}
    assert (sources | migrations) - names == set()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_an_installed_wheel_owns_its_three_names_alone(installed: Path, elsewhere: Path) -> None:
    question = (
        "from importlib.metadata import packages_distributions as p; print(*sorted({*p()['models'], *p()['ingest']}))"
    )
    assert run([installed / "python", "-I", "-c", question], elsewhere).split() == ["errhouse"]
    where = run([installed / "python", "-I", "-c", "import models; print(models.__file__)"], elsewhere)
    assert Path(where.strip()).is_relative_to(installed.parent)


def test_an_installed_wheel_runs_in_any_folder(installed: Path, elsewhere: Path) -> None:
    said = run([installed / "errhouse", "--help"], elsewhere)
    for command in ("serve", "db", "project", "load"):
        assert command in said


def test_an_installed_wheel_migrates_a_database(installed: Path, elsewhere: Path, empty_database_url: str) -> None:
    settings = {"ERRHOUSE_DATABASE_URL": empty_database_url, "ERRHOUSE_DATA_DIR": str(elsewhere / "data")}
    run([installed / "errhouse", "db", "upgrade"], elsewhere, **settings)
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("select count(*) from analytics.events").fetchone() == (0,)
