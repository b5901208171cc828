"""`errhouse db roles` and `errhouse db rls`, as an operator meets them."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support import postgres, warehouse
from tests.support import roles as support
from tests.support.server import ROOT, command, environment

ROLES = ["errhouse_owner", "errhouse_loader", "errhouse_analyst"]


@pytest.fixture
def name(database_url: str) -> Iterator[str]:
    made = support.new_name("cli")
    yield made
    if warehouse.rows(database_url, "select 1 as one from pg_roles where rolname = %s", made):
        support.drop(database_url, made)


def errhouse(url: str, folder: Path, *arguments: str, told: str = "") -> Any:
    settings = {"ERRHOUSE_DATA_DIR": str(folder / "data"), "ERRHOUSE_DATABASE_URL": url}
    return subprocess.run(
        [*command(), *arguments],
        cwd=ROOT, env=environment(**settings), input=told, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_a_login_is_made_and_its_url_works_and_is_shown_once(database_url: str, tmp_path: Path, name: str) -> None:
    made = errhouse(
        database_url, tmp_path, "db", "roles", "--login", name, "--as", "analyst", "--project", "1", "--json"
    )
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert list(told["roles"]) == ROLES
    assert told["roles"]["errhouse_analyst"].count(name) == 1
    assert (told["login"]["as"], told["login"]["projects"]) == ("analyst", [1])
    assert len(told["login"]["password"]) >= 24
    assert told["login"]["password"] not in made.stderr
    with psycopg.connect(told["login"]["url"]) as connection:
        assert connection.execute("select current_user, count(*) from events").fetchone() == (name, 0)
    again = errhouse(database_url, tmp_path, "db", "roles", "--login", name, "--as", "analyst", "--json")
    told = json.loads(again.stdout)["login"]
    assert (told["password"], told["projects"]) == (None, "all")


def test_a_password_is_read_from_standard_input_and_never_said(database_url: str, tmp_path: Path, name: str) -> None:
    arguments = ("db", "roles", "--login", name, "--as", "loader", "--password-stdin")
    made = errhouse(database_url, tmp_path, *arguments, told="s3cret und länger\n")
    assert made.returncode == 0, made.stderr
    assert "s3cret" not in made.stderr
    with psycopg.connect(support.as_login(database_url, name, "s3cret und länger")) as connection:
        assert connection.execute("select count(*) from warehouse.fact_event").fetchone() == (0,)


def test_rls_is_switched_on_and_off_and_told(database_url: str, tmp_path: Path, name: str) -> None:
    refused = errhouse(database_url, tmp_path, "db", "rls", "enable")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "errhouse db roles" in refused.stderr
    errhouse(database_url, tmp_path, "db", "roles", "--login", name, "--as", "analyst", "--project", "7")
    assert "off" in errhouse(database_url, tmp_path, "db", "rls", "status").stdout
    assert errhouse(database_url, tmp_path, "db", "rls", "enable").returncode == 0
    told = json.loads(errhouse(database_url, tmp_path, "db", "rls", "status", "--json").stdout)
    assert told["enabled"] is True
    assert told["guarded_tables"] == told["tables"] > 20
    assert {"name": name, "projects": [7]} in told["analysts"]
    assert told["findings"] == []
    postgres.run(database_url, "create view analytics.mine as select 1 as one")
    leaking = errhouse(database_url, tmp_path, "db", "rls", "status")
    assert leaking.returncode == 1
    assert "analytics.mine" in leaking.stdout
    assert errhouse(database_url, tmp_path, "db", "rls", "disable").returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [("--login", "x"), ("--as", "analyst"), ("--project", "1"), ("--login", "errhouse_owner", "--as", "analyst")],
)
def test_what_makes_no_login_is_said_in_one_sentence(
    database_url: str, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = errhouse(database_url, tmp_path, "db", "roles", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("errhouse: ")
    assert done.stderr.count("\n") == 1


def test_who_may_not_make_roles_is_told_so_in_one_sentence(database_url: str, tmp_path: Path) -> None:
    with support.login(database_url, "loader") as loader:
        done = errhouse(loader, tmp_path, "db", "roles")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "superuser" in done.stderr
