"""A real service runs scripts that misbehave while it receives: they end, and senders do not wait (TESTPLAN O-13)."""

import time
from pathlib import Path

import httpx
import pytest

from models.clock import now
from models.engine import engine_for
from reports.automation import script_apart
from reports.delivery import outbox
from tests.support import scripts, warehouse
from tests.support.builders import auth, event
from tests.support.server import errhouse, serving
from tests.support.wait import until

pytestmark = pytest.mark.system
SECONDS = 6
SLOWEST = 1.0
BODIES = {
    "bomb": "#!/bin/sh\ntrap '' TERM\nf() { f | f & }\nf\nexec sleep 100\n",
    "loud": "#!/bin/sh\nexec yes\n",
}
ENDED = "select * from warehouse.script_run where ended_at is not null order by target"
BEGUN = "select count(*) from warehouse.script_run"


def p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]


def test_scripts_that_misbehave_end_while_senders_are_answered(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for name, body in BODIES.items():
        scripts.put(folder / "scripts", name, body)
        told = ("target", "add", name, "--channel", "script", "--url", name, "--set", f"timeout={SECONDS}")
        added = errhouse(*told, data_dir=folder, database_url=database_url)
        assert added.returncode == 0, added.stderr
    made = errhouse("project", "add", "shop", "--id", "7", "--json", data_dir=folder, database_url=database_url)
    key = made.stdout.split('"public_key": "')[1][:32]
    engine = engine_for(database_url)
    with (
        serving(folder, database_url) as server,
        httpx.Client(base_url=server.url, timeout=10, trust_env=False) as client,
    ):

        def answered() -> float:
            begun = time.monotonic()
            answer = client.post("/api/7/store/", json=event(), headers=auth(key))
            assert answer.status_code == 200, answer.text
            return time.monotonic() - begun

        before = [answered() for _ in range(300)]
        with engine.begin() as connection:
            for name in BODIES:
                assert outbox.put(connection, scripts.message(name), name, now())
        until(lambda: warehouse.value(database_url, BEGUN) == 2, 30, "both have begun")
        meanwhile = []
        deadline = time.monotonic() + 60
        while len(ended := warehouse.rows(database_url, ENDED)) < 2 and time.monotonic() < deadline:
            meanwhile += [answered() for _ in range(20)]
        engine.dispose()
    assert [row["outcome"] for row in ended] == ["failed", "failed"], ended
    for row in ended:
        assert "longer than the 6 seconds" in row["error"], row["error"]
        assert (row["ended_at"] - row["started_at"]).total_seconds() < SECONDS + 10
        assert script_apart.by_id(row["run_id"]) == []
    print(
        f"p99 of answers: {p99(before) * 1000:.1f} ms before, {p99(meanwhile) * 1000:.1f} ms meanwhile "
        f"({len(meanwhile)} of them, the slowest {max(meanwhile) * 1000:.1f} ms)"
    )
    assert max(meanwhile) < SLOWEST
