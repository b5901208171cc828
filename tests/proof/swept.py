"""A forked house under load whose processes meet one failpoint after the other, and what came of it."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx

from models import access, projects
from models.clock import now
from models.engine import engine_for
from tests.proof.one_by_one import OneByOne
from tests.proof.proxy import Proxy, proxied
from tests.proof.verdict import Verdict, judged
from tests.support import warehouse
from tests.support.server import ROOT, environment, errhouse, free_port
from tests.support.wait import until

WITHIN = 120  # a deadline on a busy machine; tenths of a second are usual


class Sweep:
    """The house, its sender, and the proxy its database is behind."""

    def __init__(self, folder: Path, url: str, seed: str, proxy: Proxy) -> None:
        self.url = url
        self.proxy = proxy
        self.data_dir = folder / "data"
        self.back_seconds: list[float] = []
        """How long after a failpoint was met an event was acknowledged that had been sent afterwards."""
        self._folder = folder
        self._seed = seed
        self._port = free_port()
        project = self._prepare()
        self._log = folder / "house.log"
        with self._log.open("w") as log, (folder / "deaths").open("w") as deaths:
            settings = {"ERRHOUSE_DATA_DIR": str(self.data_dir), "ERRHOUSE_DATABASE_URL": proxy.url(url)}
            self._house = subprocess.Popen(
                [sys.executable, "-m", "tests.proof.forked", str(self._port)],
                cwd=ROOT,
                env=environment(PYTHONPATH=str(ROOT), **settings),
                stdin=subprocess.PIPE,
                stdout=deaths,
                stderr=log,
                text=True,
            )
        until(self._is_answered, WITHIN, "the receiver answers")
        self.sender = OneByOne(self._port, project, seed)
        self.sender.send_acknowledged(1, WITHIN)

    def meet(self, role: str, failpoint: str, action: str, hasten: Callable[[], object] = lambda: None) -> None:
        """Have the process of a role meet a failpoint, helped by `hasten`; return when it has."""
        seen = self._folder / f"seen-{failpoint}"
        self._order(role, f"{failpoint}:1:{action}", seen)
        hasten()
        self.sender.send_until(seen.exists, WITHIN, f"{failpoint} is met")
        begun = time.monotonic()
        self.sender.send_acknowledged(1, WITHIN)
        self.back_seconds.append(time.monotonic() - begun)

    def restart(self, role: str) -> None:
        """Kill the process of a role; another takes its place."""
        self._order(role, "", self._folder / "none")

    def verdict(self) -> Verdict:
        """Stop sending, wait until everything is loaded, and judge; nothing may differ."""
        until(self._is_loaded, WITHIN, "everything that was accepted is loaded")
        audit = errhouse("db", "audit", data_dir=self.data_dir, database_url=self.url)
        assert audit.returncode == 0, audit.stdout + audit.stderr
        return judged(self.sender.answers, self.url, self._seed)

    def count_deaths(self) -> dict[str, int]:
        """Count how processes ended by themselves or at a failpoint, by role and exit code."""
        lines = (self._folder / "deaths").read_text().splitlines()
        return {line: lines.count(line) for line in sorted(set(lines))}

    def log(self) -> str:
        return self._log.read_text()

    def close(self) -> None:
        self.sender.close()
        assert self._house.stdin is not None
        self._house.stdin.close()
        self._house.wait(WITHIN)

    def _order(self, role: str, failpoint: str, seen: Path) -> None:
        assert self._house.stdin is not None
        self._house.stdin.write(f"{role} {failpoint} {seen}\n")
        self._house.stdin.flush()

    def _prepare(self) -> tuple[int, str]:
        (self.data_dir / "run" / "metrics").mkdir(parents=True)
        self.data_dir.chmod(0o700)
        access.webhook_secrets(self.data_dir, ())
        engine = engine_for(self.url)
        with engine.begin() as connection:
            projects.ensure_one(connection, now())
            access.publish(self.data_dir, access.read(connection))
        engine.dispose()
        return warehouse.first_project(self.url)

    def _is_answered(self) -> bool:
        assert self._house.poll() is None, self.log()
        try:
            return httpx.get(f"http://127.0.0.1:{self._port}/healthz", trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def _is_loaded(self) -> bool:
        try:
            told = httpx.get(f"http://127.0.0.1:{self._port}/readyz", timeout=WITHIN, trust_env=False).json()
        except httpx.HTTPError:
            return False
        return bool(told["spool_events"] == 0 and told["database"] == "ok")


@contextmanager
def sweeping(folder: Path, url: str, seed: str) -> Iterator[Sweep]:
    """Run a house for as long as the context."""
    with proxied(url) as proxy:
        sweep = Sweep(folder, url, seed, proxy)
        with closing(sweep):
            yield sweep
