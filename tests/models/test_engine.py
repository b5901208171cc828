from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from models.engine import NEWEST_VERSION, OLDEST_VERSION, DatabaseError, check_server, database_url, engine_for
from models.settings import Settings
from tests.proof.proxy import proxied
from tests.support.server import free_port
from tests.support.wait import until

ASKED = 200
WITHIN = 20


@contextmanager
def engine(url: str) -> Iterator[Engine]:
    made = engine_for(url)
    try:
        yield made
    finally:
        made.dispose()


def refused(url: str) -> DatabaseError:
    with engine(url) as made, pytest.raises(DatabaseError) as wrong:
        check_server(made)
    assert "\n" not in str(wrong.value)
    assert str(wrong.value).endswith(".")
    assert "hunter2" not in str(wrong.value)
    return wrong.value


def test_a_server_that_answers_tells_its_version(database_url: str) -> None:
    with engine(database_url) as made:
        assert OLDEST_VERSION <= check_server(made) <= NEWEST_VERSION


def test_a_server_that_is_not_there_is_one_sentence_and_an_outage() -> None:
    port = free_port()
    wrong = refused(f"postgresql://u:hunter2@127.0.0.1:{port}/errhouse")
    assert wrong.is_outage
    assert f"The database at 127.0.0.1:{port}/errhouse cannot be reached (" in str(wrong)
    assert "check ERRHOUSE_DATABASE_URL" in str(wrong)


def test_an_engine_that_is_patient_asks_once_a_second_and_says_the_same_meanwhile(database_url: str) -> None:
    with proxied(database_url) as proxy:
        proxy.fault.is_refusing = True
        made = engine_for(proxy.url(database_url), is_patient=True)
        said = set()
        for _ in range(ASKED):
            with pytest.raises(OperationalError) as wrong:
                made.connect()
            said.add(str(wrong.value.orig))
        asked = proxy.connection_count
        proxy.fault.is_refusing = False
        until(lambda: answers(made), WITHIN, "it asks again")
        assert answers(made)
        made.dispose()
    assert len(said) == 1
    assert 0 < asked < ASKED / 10


def answers(made: Engine) -> bool:
    try:
        with made.connect():
            return True
    except OperationalError:
        return False


def test_a_database_that_is_not_there_is_named(database_url: str) -> None:
    url = make_url(database_url).set(database="no_such_warehouse").render_as_string(hide_password=False)
    assert 'database "no_such_warehouse" does not exist' in str(refused(url))


def test_a_role_that_is_not_there_is_told(database_url: str) -> None:
    url = make_url(database_url).set(username="nobody_we_know", password="hunter2")
    assert "cannot be reached" in str(refused(url.render_as_string(hide_password=False)))


@pytest.mark.parametrize("number", [90600, 120022, 140019])
def test_a_server_that_is_too_old_is_told_its_version_and_what_is_needed(database_url: str, number: int) -> None:
    with engine(database_url) as made:

        @event.listens_for(made, "before_cursor_execute", retval=True)
        def as_if_old(_c: object, _k: object, statement: str, parameters: object, *_: object) -> tuple[str, object]:
            return statement.replace("current_setting('server_version_num')", f"'{number}'"), parameters

        with pytest.raises(DatabaseError, match=f"is PostgreSQL {number // 10_000}; errhouse needs 15 to 18.") as wrong:
            check_server(made)
    assert not wrong.value.is_outage


@pytest.mark.parametrize("url", ["nonsense", "postgresql://h:port/d", "", "://", "postgresql://[::1/d"])
def test_what_is_no_url_is_told_how_to_write_one_and_not_repeated(url: str) -> None:
    with pytest.raises(DatabaseError, match=r"ERRHOUSE_DATABASE_URL is not a URL; write it as postgresql://") as wrong:
        engine_for(url)
    assert wrong.value.__cause__ is None


def test_every_connection_speaks_utc_and_waits_for_no_lock_for_ever(database_url: str) -> None:
    settings = "timezone", "lock_timeout", "idle_in_transaction_session_timeout", "application_name"
    with engine(database_url) as made, made.connect() as connection:
        found = [connection.execute(text(f"select current_setting('{name}')")).scalar() for name in settings]
    assert found == ["UTC", "5s", "5min", "errhouse"]


def test_a_connection_that_was_cut_is_noticed_and_made_again(database_url: str) -> None:
    with engine(database_url) as made, engine(database_url) as other:
        with made.connect() as connection:
            pid = connection.execute(text("select pg_backend_pid()")).scalar()
        with other.connect() as connection:
            connection.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        with made.connect() as connection:
            assert connection.execute(text("select 1")).scalar() == 1


def test_a_url_that_was_set_is_used_as_it_is() -> None:
    with database_url(Settings(DATABASE_URL="postgres://u@h/d")) as url:
        assert url == "postgresql://u@h/d"
