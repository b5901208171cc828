"""Scripts run for messages: what they are given (TESTPLAN O-12), and what is written down of them."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from models.engine import engine_for
from reports.automation import script_apart, script_runs
from reports.automation.script_runs import Run
from reports.automation.scripts import Runner, standard_input
from reports.channels import script as channel
from reports.delivery import outbox
from reports.delivery.message import Artifact, Message
from reports.errors import DeliveryError
from tests.support import scripts, warehouse
from tests.support.reports import HOSTILE

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SH = "#!/bin/sh\n"
ROWS = "select * from warehouse.script_run order by started_at, run_id"
PWN = "errhouse-pwn"
INJECTED = [
    *HOSTILE,
    f"$(touch {PWN})",
    f"`touch {PWN}`",
    f";touch {PWN}",
    f"|touch {PWN}",
    f"&& touch {PWN}",
    f"\ntouch {PWN}\n",
    f"'; touch /tmp/{PWN}; '",
    f'"; touch {PWN}; "',
    f"> {PWN}",
    "--config=/etc/x",
    "-rf",
    "%s%n%n%n",
    "\0",
    "\ud800 alone",
    "() { :;}; touch " + PWN,
    "LD_PRELOAD=/tmp/x.so",
    "PATH=/tmp",
    "../../etc/passwd",
    "x" * 200_000,
    '{"a": "b"}',
    "\u2028\u2029\x1b[2J",
    "${IFS}touch${IFS}" + PWN,
]
FIELDS = ("title", "culprit", "message", "release", "environment", "url", "user_id", "logger")


def hostile_events() -> Iterator[dict[str, Any]]:
    chance = Random(12)
    for number in range(200):
        text = INJECTED[number % len(INJECTED)]
        event: dict[str, Any] = {field: chance.choice(INJECTED[:-4]) for field in FIELDS}
        event |= {FIELDS[number % len(FIELDS)]: text, "tags": {text[:200]: text[:500]}, "project_id": number}
        yield event


class World:
    """A warehouse, a folder of scripts, and a clock that is moved by hand."""

    def __init__(self, engine: Engine, url: str, data_dir: Path) -> None:
        self.engine = engine
        self.now = NOW
        self.settings = scripts.settings(data_dir)
        self.runner = Runner(engine, self.settings, lambda _: self.now)
        self._url = url

    def put(self, body: str, name: str = "act") -> str:
        return scripts.put(self.settings.scripts_dir, name, body)

    def queued(self, message: Message) -> UUID:
        with self.engine.begin() as connection:
            found = outbox.put(connection, message, "ops", self.now)
        assert found is not None
        return found

    def rows(self) -> list[dict[str, Any]]:
        return warehouse.rows(self._url, ROWS)


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[World]:
    engine = engine_for(database_url, pool_size=5)
    yield World(engine, database_url, tmp_path / "data")
    engine.dispose()


def refusal(world: World, target: Any, message: Message) -> DeliveryError:
    with pytest.raises(DeliveryError) as wrong:
        world.runner.run(target, message)
    return wrong.value


def test_of_an_event_nothing_but_json_on_standard_input_reaches_a_script(world: World) -> None:
    told = "tr '\\0' '\\n' <"
    sha256 = world.put(SH + f"{told}/proc/$$/cmdline; {told}/proc/$$/environ; ls -A; sha256sum\n")
    target = scripts.target("act", sha256, args="--fixed 'a b'")
    places = [Path.cwd(), Path(tempfile.gettempdir()), world.settings.scripts_dir, Path("/")]
    messages = [
        Message(key=f"k{number}", kind="alert", title=event["title"], text=event["message"], event=event)
        for number, event in enumerate(hostile_events())
    ]
    with ThreadPoolExecutor(script_apart.MOST_AT_ONCE) as pool:
        list(pool.map(lambda message: world.runner.run(target, message), messages))
    rows = world.rows()
    assert len(rows) == len(messages) == 200
    wanted = {}
    for message in messages:
        for row in rows:
            wanted[hashlib.sha256(standard_input(message, "ops", row["run_id"])).hexdigest(), row["run_id"]] = message
    seen = set()
    for row in rows:
        lines = row["output"].splitlines()
        assert lines[:4] == ["/bin/sh", "/dev/fd/3", "--fixed", "a b"]
        assert sorted(lines[4:7]) == sorted("=".join(each) for each in scripts.environment(row["run_id"]).items())
        assert len(lines) == 8, lines  # and its folder was empty
        seen.add(wanted[lines[7].split()[0], row["run_id"]].key)
    assert len(seen) == 200
    for message in messages:
        line = standard_input(message, "ops", uuid4())
        assert line.isascii()
        assert line.endswith(b"}\n")
        assert line.count(b"\n") == 1
        assert json.loads(line)["event"] == message.event
    assert [path for place in places for path in place.iterdir() if PWN in path.name] == []


def test_a_run_is_written_down_when_it_begins_and_when_it_ended(world: World) -> None:
    sha256 = world.put(SH + "echo $ACTION_ID; echo oops >&2; exit 3\n")
    message = scripts.message(title="Broken")
    message_id = world.queued(message)
    wrong = refusal(world, scripts.target("act", sha256), message)
    (row,) = world.rows()
    assert (wrong.permanent, str(wrong)[:26]) == (True, "It ended with exit code 3;")
    assert (row["target"], row["message_id"], row["script"]) == ("ops", message_id, "act")
    assert (row["outcome"], row["exit_code"], row["error"]) == ("failed", 3, None)
    assert (bytes(row["sha256"]).hex(), row["ended_at"]) == (sha256, NOW)
    assert row["output"] == f"{row['run_id']}\noops\n"


def test_a_script_is_run_once_for_a_message(world: World) -> None:
    target = scripts.target("act", world.put(SH + "exit 0\n"))
    message = scripts.message()
    world.queued(message)
    sent = channel.send(target, message, _out(world))
    again = channel.send(target, message, _out(world))
    assert (sent.status, "before" in (again.detail or "")) == (0, True)
    assert [row["outcome"] for row in world.rows()] == ["done"]


def test_one_that_failed_is_not_run_again(world: World) -> None:
    target = scripts.target("act", world.put(SH + "exit 1\n"))
    message = scripts.message()
    world.queued(message)
    refusal(world, target, message)
    again = refusal(world, target, message)
    assert (again.permanent, "before, and failed" in str(again)) == (True, True)
    assert sorted(row["outcome"] for row in world.rows()) == ["failed", "refused"]


@pytest.mark.parametrize("is_asked", [False, True])
def test_one_that_was_cut_off_is_run_again_only_when_the_target_says_so(world: World, is_asked: bool) -> None:
    sha256 = world.put(SH + "exit 0\n")
    message = scripts.message()
    message_id = world.queued(message)
    with world.engine.begin() as connection:
        cut_off = Run(uuid4(), "ops", message_id, "act", bytes.fromhex(sha256), is_dry_run=False)
        script_runs.begin(connection, cut_off, NOW)
    target = scripts.target("act", sha256, again_after_crash=str(is_asked).lower())
    world.now = NOW + timedelta(seconds=10)
    early = refusal(world, target, message)
    assert (early.permanent, early.retry_after) == (False, script_apart.GUARD_SECONDS)
    world.now = NOW + timedelta(seconds=60)
    if is_asked:
        assert world.runner.run(target, message).status == 0
    else:
        late = refusal(world, target, message)
        assert (late.permanent, "cut off while it ran" in str(late)) == (True, True)
    outcomes = [row["outcome"] for row in world.rows()]
    assert outcomes == ["begun", "done" if is_asked else "refused"]


def test_another_file_than_was_registered_is_refused_and_written_down(world: World) -> None:
    target = scripts.target("act", world.put(SH + "exit 0\n"))
    changed = world.put(SH + "echo changed\n")
    wrong = refusal(world, target, scripts.message())
    assert (wrong.permanent, "is another than was registered" in str(wrong)) == (True, True)
    (row,) = world.rows()
    assert (row["outcome"], bytes(row["sha256"]).hex(), row["output"]) == ("refused", changed, "")
    assert row["error"] == str(wrong)


def test_one_that_is_gone_is_refused_and_written_down(world: World) -> None:
    target = scripts.target("act", world.put(SH))
    (world.settings.scripts_dir / "act").unlink()
    assert "There is no script" in str(refusal(world, target, scripts.message()))
    assert [row["outcome"] for row in world.rows()] == ["refused"]


def test_a_cooldown_refuses_a_second_run_that_comes_sooner(world: World) -> None:
    target = scripts.target("act", world.put(SH + "exit 0\n"), cooldown="60")
    world.runner.run(target, scripts.message("1"))
    world.now += timedelta(seconds=59)
    wrong = refusal(world, target, scripts.message("2"))
    assert (wrong.permanent, "59 s ago, and the cooldown of ops is 60 s" in str(wrong)) == (True, True)
    world.now += timedelta(seconds=2)
    assert world.runner.run(target, scripts.message("3")).status == 0
    assert [row["outcome"] for row in world.rows()] == ["done", "refused", "done"]


def test_a_dry_run_is_told_and_runs_nothing(world: World, tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    sha256 = world.put(SH + f"touch {tmp_path}/ran\n")
    target = scripts.target("act", sha256, args="--now", dry_run="true", cooldown="600")
    told = world.runner.run(target, scripts.message("1")).detail or ""
    assert told.startswith('Dry run: would run ["act", "--now"]')
    assert (world.runner.run(target, scripts.message("2")).detail or "").startswith("Dry run")
    assert {(row["is_dry_run"], row["outcome"], row["output"]) for row in world.rows()} == {(True, "done", told)}
    assert not (tmp_path / "ran").exists()


def test_no_more_than_a_few_are_run_at_once_and_the_others_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script_apart, "SLOT_SECONDS", 0.1)
    target = scripts.target("act", world.put(SH + "exit 0\n"))
    run_dir = world.settings.DATA_DIR / "run"
    with script_apart.slot(run_dir), script_apart.slot(run_dir), script_apart.slot(run_dir), script_apart.slot(run_dir):
        wrong = refusal(world, target, scripts.message())
        assert (wrong.permanent, wrong.retry_after) == (False, 0.1)
    assert world.rows() == []
    assert world.runner.run(target, scripts.message()).status == 0


def test_files_of_reports_do_not_reach_a_script() -> None:
    report = Message("k", "report", "Weekly", artifacts=(Artifact("html", "html", "text/html", b"<p>"),))
    assert set(json.loads(standard_input(report, "ops", uuid4()))) == {
        *("action_id", "target", "key", "kind", "title", "text", "level", "facts", "link", "made_at", "rule"),
        *("issue", "about_event", "report", "event"),
    }
    with pytest.raises(DeliveryError, match="a number that JSON does not know"):
        standard_input(scripts.message(x=float("nan")), "ops", uuid4())


@pytest.mark.skipif(os.geteuid() != 0, reason="others run scripts as themselves")
@pytest.mark.parametrize(("user", "why"), [("root", "not run as root"), ("no-such", "There is no user 'no-such'")])
def test_scripts_are_never_run_as_root(user: str, why: str) -> None:
    with pytest.raises(DeliveryError, match=why):
        script_apart.user_of(user)


def _out(world: World) -> Any:
    return SimpleNamespace(scripts=world.runner)
