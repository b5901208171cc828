"""Targets of the database, a file or a name; what is secret of them is sealed, never shown and never written down."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from models.clock import now as real_now
from models.engine import engine_for
from models.sealed import SealError, add_key, keep_newest, seal
from models.target import MOST_PER_MINUTE
from reports import render
from reports.delivery import outbox, target_shown, targets_kept
from reports.delivery.masking import masked, masked_error
from reports.delivery.message import Message
from reports.delivery.ourselves import is_ours
from reports.delivery.targets import Target
from reports.delivery.targets_kept import Targets
from reports.errors import BadTarget, DeliveryError
from reports.file_kinds import FILE_KINDS
from tests.support import warehouse
from tests.support.loading import NOON, settings
from tests.support.server import errhouse

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://hooks.example.com/services/T0/B0/verysecretpath"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


def keep(engine: Engine, targets: Targets, name: str, *, is_replaced: bool = False, **options: str) -> None:
    with engine.begin() as connection:
        targets.keep(connection, Target(name, "webhook", options), NOON, is_replaced=is_replaced)


def find(engine: Engine, targets: Targets, name: str) -> Target:
    with engine.connect() as connection:
        return targets.find(connection, name)


def test_literal_secrets_are_sealed_and_opened_only_where_the_key_and_their_row_are(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    targets = Targets(settings(tmp_path))
    keep(engine, targets, "ops", url=URL, secret=SECRET, content_type="text/plain")
    keep(engine, targets, "other", url=URL)
    row = str(warehouse.rows(database_url, "select * from warehouse.target where name = 'ops'"))
    assert SECRET not in row
    assert "verysecretpath" not in row
    assert dict(find(engine, targets, "ops").options) == {"url": URL, "secret": SECRET, "content_type": "text/plain"}
    with pytest.raises(BadTarget, match="already; --replace"):
        keep(engine, targets, "ops", url=URL)
    with pytest.raises(SealError, match="no key file"):
        find(engine, Targets(settings(tmp_path / "elsewhere")), "ops")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "update warehouse.target set sealed = (select sealed from warehouse.target where name = 'ops')"
        )
    with pytest.raises(SealError, match="changed or moved"):
        find(engine, targets, "other")
    (tmp_path / "seal.key").chmod(0o644)
    with pytest.raises(SealError, match="chmod 600"):
        find(engine, targets, "ops")


def test_values_may_lie_in_the_environment_or_a_file_and_are_read_when_they_are_used(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets, file = Targets(settings(tmp_path)), tmp_path / "secret"
    keep(engine, targets, "ops", url="env:OPS_URL", secret=f"file:{file}")
    with pytest.raises(BadTarget, match="for its url, the environment variable OPS_URL is not set"):
        find(engine, targets, "ops")
    monkeypatch.setenv("OPS_URL", URL)
    with pytest.raises(BadTarget, match=r"for its secret, .*secret cannot be read, or is empty"):
        find(engine, targets, "ops")
    file.write_text(f"{SECRET}\n")
    assert dict(find(engine, targets, "ops").options) == {"url": URL, "secret": SECRET}
    assert not (tmp_path / "seal.key").exists()


GOOD = f"""
[ops]
channel = "webhook"
url = "env:OPS_URL"
most_per_minute = 5
[chat]
channel = "webhook"
url = "{URL}"
allow_private = true
"""


def test_a_file_of_targets_outranks_the_database(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "targets.toml"
    file.write_text(GOOD)
    file.chmod(0o600)
    monkeypatch.setenv("OPS_URL", URL)
    keep(engine, Targets(settings(tmp_path)), "ops", url="https://old.example.com/")
    targets = Targets(settings(tmp_path, TARGETS_FILE=file))
    assert find(engine, targets, "ops").get("url") == URL
    assert find(engine, targets, "chat").allow_private
    assert find(engine, targets, f"file:{tmp_path}").channel == "file"
    with engine.connect() as connection:
        assert targets.most_per_minute(connection, ["ops", "chat", "gone"]) == {
            "ops": 5, "chat": MOST_PER_MINUTE, "gone": MOST_PER_MINUTE
        }  # fmt: skip
        listed = targets.listed(connection)
        assert [(each.name, each.is_of_file) for each in listed] == [("chat", True), ("ops", True)]
        shown = str([target_shown.described(targets, each, None) for each in listed])
        assert "verysecretpath" not in shown
        assert "path (" not in shown.replace("…path (", "")
    with pytest.raises(BadTarget, match="outranks the database"):
        keep(engine, targets, "ops", url=URL, is_replaced=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[ops\n", "is not TOML"),
        ('channel = "webhook"', "needs a channel"),
        ('[ops]\nurl = "env:A"', "needs a channel"),
        ('[ops]\nchannel = "pigeon"', "There is no channel 'pigeon'"),
        ('[ops]\nchannel = "webhook"\ncolour = "red"', "has colour; webhook has url"),
        ('[ops]\nchannel = "webhook"\nmost_per_minute = 0', "most_per_minute = 1 or more"),
        ('[ops]\nchannel = "webhook"\nallow_private = "yes"', "allow_private = true or false"),
        ('[ops]\nchannel = "webhook"\nurl = ["a"]', "url is neither"),
        ('["../x"]\nchannel = "webhook"', "is not a name"),
        (f'[ops]\nchannel = "webhook"\nurl = "{URL}"', "chmod 600"),
    ],
)
def test_what_a_file_of_targets_must_not_say_is_one_sentence_without_its_secrets(
    text: str, said: str, engine: Engine, tmp_path: Path
) -> None:
    file = tmp_path / "targets.toml"
    file.write_text(text)
    file.chmod(0o644)
    targets = Targets(settings(tmp_path, TARGETS_FILE=file))
    with pytest.raises(BadTarget) as wrong:
        find(engine, targets, "ops")
    assert said in str(wrong.value)
    assert "verysecretpath" not in str(wrong.value)
    keep(engine, Targets(settings(tmp_path)), "known", url=URL)
    assert find(engine, targets, "known").get("url") == URL  # the others still work


def test_a_new_key_seals_everything_anew_and_every_secret_opens_at_every_point(engine: Engine, tmp_path: Path) -> None:
    targets = Targets(settings(tmp_path))
    for number in range(5):
        keep(engine, targets, f"t{number}", url=URL, secret=f"{SECRET}{number}")
    old = (tmp_path / "seal.key").read_bytes()
    with_key = add_key(tmp_path / "seal.key")

    def all_open() -> None:
        for number in range(5):
            assert find(engine, targets, f"t{number}").get("secret") == f"{SECRET}{number}"

    all_open()
    for number in range(5):
        with engine.begin() as connection:
            assert targets.reseal(connection, f"t{number}", with_key, NOON)
        with engine.begin() as connection:
            assert not targets.reseal(connection, f"t{number}", with_key, NOON)
        all_open()
    keep_newest(tmp_path / "seal.key")
    all_open()
    assert old not in (tmp_path / "seal.key").read_bytes()
    assert oct((tmp_path / "seal.key").stat().st_mode & 0o777) == "0o600"
    assert seal(tmp_path / "seal.key", may_make=False)


def test_secrets_are_taken_out_of_what_a_receiver_repeats() -> None:
    target = Target("ops", "webhook", {"url": URL, "secret": SECRET, "content_type": "text/plain"})
    said = f"no such hook /services/T0/B0/verysecretpath, signed with {SECRET}; text/plain"
    assert masked(said, target) == "no such hook [secret], signed with [secret]; text/plain"
    wrong = masked_error(DeliveryError(f"{URL} refused.", permanent=True, status=400, detail=said), target)
    assert str(wrong) == "[secret] refused."
    assert (wrong.permanent, wrong.status, wrong.detail) == (True, 400, masked(said, target))


@pytest.mark.parametrize(
    ("address", "ours"),
    [
        ("https://errors.example.com/eh/hooks/sentry", True),
        ("https://ERRORS.example.com.:443/eh", True),
        ("https://errors.example.com/jira", False),
        ("https://errors.example.com/ehx", False),
        ("http://localhost:8000/x", True),
        ("http://127.0.0.1:8000", True),
        ("http://127.0.0.1:8001", False),
        ("https://example.com/", False),
        ("/srv/reports", False),
        ("https://[::1", False),
    ],
)
def test_our_own_address_is_known(address: str, ours: bool, tmp_path: Path) -> None:
    assert is_ours(settings(tmp_path, PUBLIC_URL="https://errors.example.com/eh"), address) is ours


def test_a_target_that_is_needed_is_not_removed_and_what_waits_for_one_that_goes_is_given_up(
    engine: Engine, tmp_path: Path
) -> None:
    targets = Targets(settings(tmp_path))
    keep(engine, targets, "ops", url=URL)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into warehouse.report_schedule (name, report, cron, zone, parameters, formats, targets, catch_up,"
            " max_lateness_seconds, settle_seconds, is_enabled, starts_at, created_at, updated_at) values ('weekly',"
            " 'weekly', '0 8 * * 1', 'UTC', '{}', '{html}', '{ops}', 'latest', 0, 0, true, now(), now(), now())"
        )
        with pytest.raises(BadTarget, match="ops is a target of schedule weekly"):
            targets_kept.remove(connection, "ops", NOON)
        connection.exec_driver_sql("delete from warehouse.report_schedule")
        targets_kept.remove(connection, "ops", NOON)
        with pytest.raises(BadTarget, match="no target ops in the database"):
            targets_kept.remove(connection, "ops", NOON)
    with pytest.raises(BadTarget, match="'ops' is no target"):
        find(engine, targets, "ops")


def test_an_operator_has_what_was_given_up_sent_after_all_once_the_target_is_mended(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    def run(*arguments: str) -> Any:
        return errhouse("target", *arguments, data_dir=tmp_path / "data", database_url=database_url)

    assert "'ops' is no target" in run("resend", "ops").stderr
    options = ("--channel", "webhook", "--url", "https://example.com/hook", "--set", f"secret={SECRET}")
    assert run("add", "ops", *options).returncode == 0
    assert run("resend", "ops").stdout == "Nothing of the last 72 hours was given up for ops.\n"
    with engine.begin() as connection:
        outbox.put(connection, Message("k", "alert", "t"), "ops", real_now())
        connection.exec_driver_sql("update warehouse.outbox set status = 'failed', finished_at = now(), error = 'no'")
    assert run("resend", "ops").stdout.startswith("1 given up for ops")
    assert warehouse.rows(database_url, "select status, finished_at from warehouse.outbox") == [
        {"status": "waiting", "finished_at": None}
    ]
    assert json.loads(run("resend", "ops", "--json").stdout) == {"name": "ops", "resent": 0}


def test_files_of_reports_are_called_as_those_who_draw_them_say() -> None:
    assert {each.NAME: (each.EXTENSION, each.MEDIA_TYPE) for each in render.FORMATS} == FILE_KINDS
