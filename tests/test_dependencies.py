"""What is depended on: nothing below the floor, an audit that cannot be green for want of an answer, a full list."""

import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FLOOR = tomllib.loads((ROOT / ".ci" / "floor.toml").read_text())
PINS = re.findall(r"(?m)^([\w.-]+)==([^\s;\\]+)", (ROOT / "requirements.lock").read_text())
DIRECT = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
DEVELOPING = [Requirement(line) for line in PROJECT["dependency-groups"]["dev"]]
ADVISORY = re.compile(r"(CVE-\d{4}-\d{4,}|PYSEC-\d{4}-\d+)(: .+)?")
BAD = ("jinja2", "3.1.2")


@pytest.mark.parametrize("name", FLOOR)
def test_nothing_locked_is_below_the_floor(name: str) -> None:
    pinned = [Version(version) for package, version in PINS if package == name]
    assert pinned, "what is no longer used needs no floor"
    assert min(pinned) >= Version(FLOOR[name]["lowest"])
    assert all(ADVISORY.fullmatch(each) for each in FLOOR[name]["fixes"])


def test_no_lower_bound_of_ours_is_below_the_floor() -> None:
    bounds = {
        canonicalize_name(each.name): Version(bound.version)
        for each in [*DIRECT, *DEVELOPING]
        for bound in each.specifier
        if bound.operator == ">="
    }
    low = {
        name: str(bound) for name, bound in bounds.items() if name in FLOOR and bound < Version(FLOOR[name]["lowest"])
    }
    assert low == {}
    assert len(bounds.keys() & FLOOR.keys()) > 5  # or nothing was compared


@contextmanager
def advisories(*vulnerable: tuple[str, str]) -> Iterator[str]:
    """Speak for OSV: each of these is vulnerable, everything else is not."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            told = {}
            if (asked["package"]["name"], asked["version"]) in vulnerable:
                ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}]
                told = {"vulns": [{"id": "TEST-1", "affected": [{"package": asked["package"], "ranges": ranges}]}]}
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()
            thread.join()


def audit(url: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, ROOT / ".ci" / "audit.py", "--osv-url", url]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_a_source_that_knows_nothing_is_no_clean_bill() -> None:
    with advisories() as url:
        done = audit(url)
    assert (done.returncode, done.stdout) == (3, "No advisory source answered; nothing was audited.\n")


def test_a_source_that_is_not_there_is_no_clean_bill() -> None:
    with advisories(BAD) as url:
        pass
    done = audit(url)
    assert (done.returncode, done.stdout) == (3, "No advisory source answered; nothing was audited.\n")


def test_what_is_known_against_a_locked_version_is_told() -> None:
    with advisories(BAD) as url:
        clean = audit(url)
    assert (clean.returncode, clean.stderr) == (0, "")
    assert re.fullmatch(r"\d{2,} packages audited, 0 vulnerable, 0 not known there\.\n", clean.stdout)
    locked = dict(PINS)["urllib3"]
    with advisories(BAD, ("urllib3", locked)) as url:
        found = audit(url)
    assert found.returncode == 1
    assert found.stdout.startswith(f"urllib3 {locked}: TEST-1, fixed in 99.1\n")
    assert ", 1 vulnerable, 0 not known there." in found.stdout


def test_the_list_for_releases_has_every_dependency_of_a_running_errhouse_in_its_locked_version(tmp_path: Path) -> None:
    target = tmp_path / "sbom.json"
    subprocess.run([sys.executable, ROOT / ".ci" / "sbom.py", target], check=True, capture_output=True)
    made = json.loads(target.read_text())
    listed = {each["name"]: each["version"] for each in made["components"]}
    wanted = [*DIRECT]
    for name in listed:
        wanted += [
            each for each in map(Requirement, distribution(name).requires or []) if "extra" not in str(each.marker)
        ]
    applying = {canonicalize_name(each.name) for each in wanted if each.marker is None or each.marker.evaluate()}
    assert applying <= listed.keys()
    assert listed.items() <= set(PINS)
    assert listed.keys() & {"bandit", "mypy", "pip-audit", "pytest", "ruff", "testcontainers"} == set()
    assert {"click", "mako", "psycopg-binary", "starlette"} <= listed.keys()  # by others, and by an extra
    assert [each["name"] for each in made["components"] if not each["licenses"]] == []
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(target.read_text()) is None


def test_git_ignores_the_list_for_releases() -> None:
    told = subprocess.run(["git", "check-ignore", "dist/errhouse.cdx.json"], cwd=ROOT, capture_output=True, check=False)
    assert told.returncode == 0
