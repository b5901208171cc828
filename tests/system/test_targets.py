"""`errhouse target …` by a person: added, listed, tried out, changed, removed, and nothing secret on the screen."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support import warehouse
from tests.support.server import errhouse
from tests.support.vendor import answering, vendor

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_a_target_from_its_first_day_to_its_last(tmp_path: Path, database_url: str) -> None:
    def run(*arguments: str, code: int = 0) -> str:
        done: subprocess.CompletedProcess[str] = errhouse(
            "target", *arguments, data_dir=tmp_path, database_url=database_url
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        assert SECRET not in said
        assert "secret-path" not in said
        return said

    assert "no target yet" in run("list")
    with vendor() as receiver:
        address = f"{receiver.url}/secret-path"
        add = ("add", "ops", "--channel", "webhook", "--url", address, "--set", f"secret={SECRET}")
        assert "write https:" in run(*add, code=2)
        assert "ops is added" in run(*add, "--allow-private")
        assert "--replace" in run(*add, "--allow-private", code=2)
        (listed,) = json.loads(run("list", "--json"))
        assert (listed["name"], listed["state"]) == ("ops", "not used yet")
        assert listed["options"]["secret"].startswith("…LaSw (")
        tried = json.loads(run("test", "ops", "--json"))
        assert (tried["arrived"], tried["status"]) == (True, 200)
        assert json.loads(receiver.requests[-1].body)
        assert "secret-path" in receiver.requests[-1].path
        receiver.answer = answering(401, f"not {SECRET}".encode())
        assert "did not arrive" in run("test", "ops", code=1)
        assert "Secrets of 1" in run("rekey")
        assert "Secrets of 0" in run("rekey", "--forget")
        receiver.answer = answering(200)
        run("test", "ops")
    assert "ops" in run("list")
    assert "is removed" in run("remove", "ops")
    assert "errhouse target list" in run("remove", "ops", code=2)
    assert "is no target" in run("test", "ops", code=2)
    assert warehouse.value(database_url, "select count(*)::int from warehouse.target") == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "Ops", "--channel", "webhook", "--url", "https://example.com/"), "is not a name"),
        (("add", "ops", "--channel", "pigeon", "--url", "https://example.com/"), "There is no channel 'pigeon'"),
        (("add", "ops", "--channel", "webhook"), "needs url"),
        (
            ("add", "ops", "--channel", "webhook", "--url", "http://localhost:8000/", "--allow-private"),
            "errhouse's own",
        ),
        (("add", "ops", "--channel", "webhook", "--url", "https://example.com/", "--set", "colour=red"), "colour"),
        (("add", "ops", "--channel", "webhook", "--url", "https://example.com/", "--set", "x"), "write key=value"),
        (("add", "ops", "--channel", "file", "--url", "reports"), "absolute path"),
    ],
)
def test_what_can_be_no_target_is_one_sentence(
    arguments: tuple[str, ...], said: str, tmp_path: Path, database_url: str
) -> None:
    done = errhouse("target", *arguments, data_dir=tmp_path, database_url=database_url)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
