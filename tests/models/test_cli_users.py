"""`errhouse user`: who may use the console, as an operator says it."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError

from models import console_users
from models.engine import engine_for
from models.errors import ModelsError
from tests.support import warehouse
from tests.support.loading import NOON
from tests.support.server import errhouse


def test_a_person_is_added_changed_listed_and_removed(database_url: str, tmp_path: Path) -> None:
    def user(*words: str) -> tuple[int, str]:
        done = errhouse("user", *words, data_dir=tmp_path, database_url=database_url)
        return done.returncode, done.stdout + done.stderr

    engine = engine_for(database_url)
    assert "Nobody may use the console yet" in user("list")[1]
    added = json.loads(user("add", "ada@example.com", "--role", "analyst", "--json")[1])
    with engine.connect() as connection:
        person = console_users.checked(connection, "ada@example.com", added["password"])
        assert person == ("ada@example.com", "analyst")
    said = user("add", "ada@example.com", "--role", "admin", "--no-password")[1]
    assert "Password" not in said
    with engine.connect() as connection:
        assert console_users.checked(connection, "ada@example.com", added["password"]) == ("ada@example.com", "admin")
    (listed,) = json.loads(user("list", "--json")[1])
    assert (listed["name"], listed["role"]) == ("ada@example.com", "admin")
    assert "hash" not in str(listed)
    status, said = user("add", "bob", "--role", "king")
    assert (status, "A role is one of viewer, analyst, admin." in said) == (2, True)
    assert user("add", "a b")[0] == 2
    assert user("remove", "ada@example.com")[0] == 0
    assert user("remove", "ada@example.com")[0] == 2
    engine.dispose()


def test_a_name_that_nobody_has_costs_the_work_of_one_that_somebody_has(database_url: str) -> None:
    engine = engine_for(database_url)
    with engine.begin() as connection:
        console_users.put(connection, "ada", "viewer", "long-enough-password", NOON)
        assert console_users.checked(connection, "eve", "long-enough-password") is None
    kept = warehouse.value(database_url, "select password_hash from warehouse.console_user")
    assert extract_parameters(console_users.OF_NOBODY) == extract_parameters(str(kept))
    with pytest.raises(VerifyMismatchError):  # which is found by doing the work; a hash that is none is found at once
        PasswordHasher().verify(console_users.OF_NOBODY, "long-enough-password")
    engine.dispose()


def test_sessions_end_by_themselves_and_go_with_their_person(database_url: str) -> None:
    engine = engine_for(database_url)
    with engine.begin() as connection:
        console_users.put(connection, "ada", "viewer", "long-enough-password", NOON)
        person = console_users.checked(connection, "ada", "long-enough-password")
        assert person is not None
        token = console_users.opened(connection, person, NOON)
        hours = [timedelta(hours=each) for each in (0, 24, 72, 120, 190, 250, 320, 335, 337)]
        seen = [console_users.of_session(connection, token, NOON + each) is not None for each in hours]
        assert seen == [True] * 8 + [False]
        assert console_users.of_session(connection, token + "x", NOON) is None
        again = console_users.opened(connection, person, NOON + timedelta(days=30))
        assert console_users.of_session(connection, again, NOON + timedelta(days=34)) is None  # idle too long
    assert warehouse.value(database_url, "select count(*) from warehouse.console_session") == 1
    with engine.begin() as connection:
        console_users.removed(connection, "ada")
    assert warehouse.value(database_url, "select count(*) from warehouse.console_session") == 0
    engine.dispose()


@pytest.mark.parametrize("password", ["short", "", "x" * 1025])
def test_a_password_has_a_length_that_holds(database_url: str, password: str) -> None:
    engine = engine_for(database_url)
    with engine.begin() as connection, pytest.raises(ModelsError, match="10 to 1024 characters"):
        console_users.put(connection, "ada", "viewer", password, NOON)
    engine.dispose()


def test_a_person_without_a_password_is_not_let_in_by_an_empty_one(database_url: str) -> None:
    engine = engine_for(database_url)
    with engine.begin() as connection:
        console_users.put(connection, "ada", "viewer", None, NOON)
        assert console_users.checked(connection, "ada", "") is None
        assert console_users.known(connection, "ada") == ("ada", "viewer")
    engine.dispose()
