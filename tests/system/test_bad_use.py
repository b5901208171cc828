"""What cannot be done is said in one clear sentence on stderr, with exit code 2, and nothing is lost."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import postgres
from tests.support.server import ROOT, command, environment, errhouse, free_port, serving

NOBODY = "postgresql://nobody@127.0.0.1:{port}/none"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def assert_one_sentence(done: Any, *words: str) -> None:
    """Hold what a person sees: exit code 2, one line on stderr that says what to do, no traceback, no password."""
    lines = [line for line in done.stderr.splitlines() if line and not line.startswith('{"')]
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("errhouse: ")
    assert lines[0].endswith((".", ")"))
    assert [word for word in words if word not in lines[0]] == [], lines[0]
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr + done.stdout


@pytest.mark.parametrize("arguments", [("serve",), ("db", "status")])
def test_a_database_url_of_another_scheme_is_named(data_dir: Path, arguments: tuple[str, ...]) -> None:
    done = errhouse(*arguments, data_dir=data_dir, database_url="mysql://u:s3cret@127.0.0.1/db")
    assert_one_sentence(done, "ERRHOUSE_DATABASE_URL", "postgresql://")


def test_a_database_url_that_is_none_is_named(data_dir: Path) -> None:
    url = "postgresql://u:s3cret@127.0.0.1:notaport/db"
    assert_one_sentence(errhouse("serve", data_dir=data_dir, database_url=url), "ERRHOUSE_DATABASE_URL")


@pytest.mark.parametrize("arguments", [("serve",), ("drain",), ("set-aside", "list")])
def test_a_database_that_is_not_there_is_named_with_its_place(data_dir: Path, arguments: tuple[str, ...]) -> None:
    port = free_port()
    done = errhouse(*arguments, data_dir=data_dir, database_url=f"postgresql://u:s3cret@127.0.0.1:{port}/db")
    assert_one_sentence(done, f"127.0.0.1:{port}", "cannot be reached")


def test_a_database_name_that_is_wrong_is_named(data_dir: Path, postgres_url: str) -> None:
    server = postgres_url.rpartition("/")[0]
    missing = errhouse("serve", data_dir=data_dir, database_url=f"{server}/none_of_ours")
    assert_one_sentence(missing, "none_of_ours", "does not exist")


def test_a_port_where_nothing_of_postgresql_answers_is_named(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        done = errhouse("drain", data_dir=data_dir, database_url=f"postgresql://u:s3cret@127.0.0.1:{port}/db")
    assert_one_sentence(done, f"127.0.0.1:{port}", "cannot be reached")


def test_a_taken_port_is_named(data_dir: Path, database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = errhouse("serve", data_dir=data_dir, database_url=database_url, ERRHOUSE_PORT=port)
    assert_one_sentence(done, f"127.0.0.1:{port}", "ERRHOUSE_PORT")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEBHOOK_SECRETS", ""),
        ("WEBHOOK_SECRETS", "one,,two"),
        ("PORT", "many"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(data_dir: Path, name: str, value: str) -> None:
    done = errhouse("serve", data_dir=data_dir, database_url=NOBODY.format(port=1), **{f"ERRHOUSE_{name}": value})
    assert_one_sentence(done, f"ERRHOUSE_{name}")


def test_an_empty_secret_file_is_refused_and_kept(data_dir: Path, database_url: str) -> None:
    data_dir.mkdir()
    (data_dir / "webhook_secret").write_text("\n")
    done = errhouse("serve", data_dir=data_dir, database_url=database_url, ERRHOUSE_PORT=str(free_port()))
    assert_one_sentence(done, "webhook_secret", "empty")
    assert (data_dir / "webhook_secret").read_text() == "\n"


@pytest.mark.parametrize("arguments", [("serve",), ("project", "list")])
@pytest.mark.parametrize("is_embedded", [True, False])
def test_a_file_in_place_of_the_data_folder_is_named_and_kept(
    data_dir: Path, database_url: str, arguments: tuple[str, ...], is_embedded: bool
) -> None:
    data_dir.write_text("a diary")
    done = errhouse(*arguments, data_dir=data_dir, database_url=None if is_embedded else database_url)
    assert_one_sentence(done, str(data_dir), "ERRHOUSE_DATA_DIR")
    assert data_dir.read_text() == "a diary"


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root becomes another user")
def test_a_data_folder_of_somebody_else_is_named(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> None:
    folder = tmp_path_factory.mktemp("theirs")
    folder.chmod(0o700)
    reach = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", *command(), "--help"], capture_output=True, cwd="/", check=False
    )
    if reach.returncode:
        pytest.skip("another user cannot run this checkout")
    settings = {"ERRHOUSE_DATA_DIR": str(folder / "data"), "ERRHOUSE_DATABASE_URL": database_url}
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", *command(), "serve"],
        env=environment(**settings),
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    assert_one_sentence(done, str(folder / "data"), "ERRHOUSE_DATA_DIR")


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, template_database: str
) -> Iterator[tuple[Path, str]]:
    with postgres.database(postgres_url, template_database) as url:
        folder = tmp_path_factory.mktemp("served") / "data"
        with serving(folder, url):
            yield folder, url


@pytest.mark.scenario("C-08")
@pytest.mark.parametrize("roles", ["receive,load,schedule", "load"])
def test_a_second_start_on_the_same_folder_is_refused(served: tuple[Path, str], roles: str) -> None:
    folder, url = served
    done = errhouse("serve", "--roles", roles, data_dir=folder, database_url=url, ERRHOUSE_PORT=str(free_port()))
    assert_one_sentence(done, str(folder), "already runs")


@pytest.mark.parametrize("roles", ["", "receive,cook"])
def test_a_role_that_is_none_is_refused(data_dir: Path, roles: str) -> None:
    done = errhouse("serve", "--roles", roles, data_dir=data_dir, database_url=NOBODY.format(port=1))
    assert_one_sentence(done, "--roles", "receive, load, schedule")


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve", "--no-such-option"),
        ("no-such-command",),
        ("load",),
        ("set-aside", "show", "seven"),
    ],
)
def test_words_the_command_does_not_know_are_answered_with_its_usage(
    data_dir: Path, arguments: tuple[str, ...]
) -> None:
    done = errhouse(*arguments, data_dir=data_dir, database_url=NOBODY.format(port=1))
    assert done.returncode == 2
    assert "Usage: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not data_dir.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("load", "no-such-file.json"), ("no-such-file.json", "not a file")),
        (("load", "pyproject.toml", "--form", "haiku"), ("haiku", "--form", "envelope")),
        (("set-aside", "show", "4711"), ("4711", "set-aside list")),
        (("set-aside", "replay", "4711"), ("4711", "set-aside list")),
        (("project", "add", "shop", "--id", "0"), ("id",)),
    ],
)
def test_a_command_about_what_is_not_there_says_so(
    served: tuple[Path, str], arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    folder, url = served
    assert_one_sentence(errhouse(*arguments, data_dir=folder, database_url=url), *words)


def test_a_broken_archive_is_named_and_what_came_before_is_loaded(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = served
    file = tmp_path / "cut.json.gz"
    file.write_bytes(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03cut")
    assert_one_sentence(errhouse("load", str(file), data_dir=folder, database_url=url), "cut.json.gz", "breaks off")


def test_no_bad_use_leaves_anything_in_the_checkout() -> None:
    assert not (ROOT / "postgres").exists()
    assert not (ROOT / "spool").exists()
