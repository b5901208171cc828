"""
The real dbt, in an environment of its own: its dependencies must not meet ours.

The lock is written with `uv pip compile tests/dbt/requirements.in --universal --python-version 3.11 --generate-hashes
--only-binary :all: --no-strip-extras --no-annotate --no-header`, and our one line above it.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy.engine import make_url

from tests.support.server import ROOT

LOCK = ROOT / "tests" / "dbt" / "requirements.lock"
PROJECT = ROOT / "docs" / "dbt"
INSTALL_SECONDS = 900


def installed(folder: Path = ROOT / ".venv-dbt") -> Path:
    """Give the dbt command; the environment is made on first need, and anew when the lock is another one."""
    command = folder / "bin" / "dbt"
    stamp = folder / "lock.sha256"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if command.exists() and stamp.exists() and stamp.read_text() == wanted:
        return command
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        folder / "bin" / "python",
        "--disable-pip-version-check",
        "--no-input",
    ]
    install = [*pip, "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "--requirement", LOCK]
    subprocess.run(install, check=True, timeout=INSTALL_SECONDS)
    stamp.write_text(wanted)
    return command


def run(command: Path, work: Path, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run dbt on our project against a database; `work` takes what it writes."""
    parsed = make_url(url)
    told = {
        "ERRHOUSE_DBT_HOST": parsed.host,
        "ERRHOUSE_DBT_PORT": parsed.port or 5432,
        "ERRHOUSE_DBT_USER": parsed.username,
        "ERRHOUSE_DBT_PASSWORD": parsed.password or "",
        "ERRHOUSE_DBT_DATABASE": parsed.database,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_VERSION_CHECK": "false",
        "DO_NOT_TRACK": "1",
        "HOME": work,
    }
    where = ["--project-dir", PROJECT, "--profiles-dir", PROJECT]
    where += ["--target-path", work / "target", "--log-path", work / "logs"]
    return subprocess.run(
        [command, "--no-use-colors", *words, *where],
        cwd=work,
        env={**os.environ, **{name: str(value) for name, value in told.items()}},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
