import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("ingest", "models", "reports")
MOST_LINES = 400
MOST_BINARY_BYTES = 512 * 1024
OURS = {".py", ".md", ".toml", ".ini", ".mako", ".sh", ".yml", ".yaml", ".html", ".js", ""}
# put together here, so that this file does not find itself
INDEXES = ["index" + "-url", "pypi" + ".org", "python" + "hosted.org", "registry" + ".npmjs", "registry" + ".yarnpkg"]
FOREIGN_PATH = re.compile(r"(?<![\w.:/-])/(?:work|" + r"root)/")


def files() -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def is_payload(path: Path) -> bool:
    """What others sent names their machines and their sites, not ours."""
    return path.is_relative_to(ROOT / "tests" / "corpus") or (
        path.is_relative_to(ROOT / "tests") and path.suffix != ".py"
    )


def locked() -> dict[str, str]:
    text = (ROOT / "requirements.lock").read_text()
    return {
        canonicalize_name(part.split("==")[0]): part for part in re.split(r"(?m)^(?=[A-Za-z0-9])", text) if "==" in part
    }


@pytest.mark.parametrize("room", ROOMS)
def test_no_file_of_a_room_is_too_long_to_read_at_once(room: str) -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in (ROOT / room).rglob("*.py")}
    assert {str(path.relative_to(ROOT)): lines for path, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_file_names_a_package_index() -> None:
    found = {
        str(path.relative_to(ROOT)): word
        for path in files()
        if not path.is_relative_to(ROOT / "tests" / "corpus")
        for word in INDEXES
        if word.encode() in path.read_bytes()
    }
    assert found == {}


def test_no_file_names_a_folder_of_the_machine_it_was_written_on() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{number}": line.strip()
        for path in files()
        if path.suffix in OURS and not is_payload(path)
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if FOREIGN_PATH.search(line)
    }
    assert found == {}


def test_gitignore_hides_no_room() -> None:
    # hatch leaves out of the wheel, without a word, what git ignores
    inside = [f"{room}/any/file.py" for room in (*ROOMS, "migrations", "migrations/versions", "tests", "docs")]
    answer = subprocess.run(["git", "check-ignore", *inside], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.stdout == ""
    assert answer.returncode == 1


def test_no_init_file_makes_tests_shadow_a_room() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_no_large_binary_is_kept() -> None:
    large = [path for path in files() if path.stat().st_size > MOST_BINARY_BYTES]
    assert [str(path.relative_to(ROOT)) for path in large if b"\0" in path.read_bytes()[:65536]] == []


def test_the_lock_holds_every_direct_dependency_in_a_wanted_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [
        *project["project"]["dependencies"],
        *project["dependency-groups"]["dev"],
        *project["build-system"]["requires"],
    ]
    pins = locked()
    for requirement in map(Requirement, wanted):
        pin = pins[canonicalize_name(requirement.name)]
        version = re.search(r"==([^\s;\\]+)", pin)
        assert version, requirement.name
        assert requirement.specifier.contains(version[1]), requirement.name


def test_the_lock_has_a_hash_for_everything() -> None:
    assert [name for name, pin in locked().items() if "--hash=sha256:" not in pin] == []


def test_the_gate_can_be_run() -> None:
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
