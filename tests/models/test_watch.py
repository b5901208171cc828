"""A network that takes everything and answers nothing, and a server that is only busy."""

import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from models import watch
from models.engine import engine_for
from tests.proof.packets import PACKETS, dropping
from tests.proof.proxy import Proxy, proxied
from tests.support.wait import until

WITHIN = 60
GIVEN_UP_SECONDS = 8
ANSWER = text("select 1")
BUSY = text("select pg_sleep(1), 1")


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    with proxied(database_url) as made:
        yield made


@pytest.fixture
def engine(database_url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(watch, "SILENT_SECONDS", 0.2)
    monkeypatch.setattr(watch, "ANSWER_SECONDS", 2)
    made = engine_for(proxy.url(database_url), is_patient=True, connect_seconds=WITHIN)
    yield made
    made.dispose()


def answers(engine: Engine) -> bool:
    try:
        with engine.connect() as connection:
            return connection.execute(ANSWER).scalar() == 1
    except OperationalError:
        return False


@pytest.mark.scenario("D-04")
def test_a_connection_on_which_nothing_is_answered_is_ended_and_the_next_is_used(engine: Engine, proxy: Proxy) -> None:
    with engine.connect() as connection:
        assert connection.execute(ANSWER).scalar() == 1
        proxy.fault.is_black_hole = True
        begun = time.monotonic()
        with pytest.raises(OperationalError):
            connection.execute(ANSWER)
        assert time.monotonic() - begun < WITHIN
    proxy.fault.is_black_hole = False
    until(lambda: answers(engine), WITHIN, "there is another connection")


@pytest.mark.scenario("D-04")
def test_a_connection_that_is_asked_whether_it_still_lives_is_ended_as_well(engine: Engine, proxy: Proxy) -> None:
    assert answers(engine)
    proxy.fault.is_black_hole = True
    begun = time.monotonic()
    assert not answers(engine)
    assert time.monotonic() - begun < WITHIN
    proxy.fault.is_black_hole = False
    until(lambda: answers(engine), WITHIN, "there is another connection")


@PACKETS
@pytest.mark.scenario("D-04")
def test_a_connection_in_the_pool_is_ended_too_where_not_even_its_bytes_arrive(engine: Engine, proxy: Proxy) -> None:
    assert answers(engine)
    with dropping(proxy.port):
        begun = time.monotonic()
        assert not answers(engine)
        assert time.monotonic() - begun < GIVEN_UP_SECONDS, "sooner than by tcp_user_timeout"
    until(lambda: answers(engine), WITHIN, "there is another connection")


@pytest.mark.scenario("D-04")
def test_a_server_that_is_busy_is_waited_for(engine: Engine, proxy: Proxy) -> None:
    with engine.connect() as connection:
        before = proxy.connection_count
        assert connection.execute(BUSY).one()[1] == 1
    assert proxy.connection_count > before, "it was looked whether anybody answers"


def test_who_can_wait_longer_asks_more_than_once(engine: Engine, proxy: Proxy) -> None:
    longer = engine_for(engine.url.render_as_string(hide_password=False), is_patient=True, tries=3)
    with longer.connect() as connection:
        connection.execute(ANSWER)
        before = proxy.connection_count
        proxy.fault.is_black_hole = True
        with pytest.raises(OperationalError):
            connection.execute(ANSWER)
        proxy.fault.is_black_hole = False
    longer.dispose()
    assert proxy.connection_count - before >= 3


def test_a_connection_that_waits_for_work_is_left_alone(engine: Engine, proxy: Proxy) -> None:
    others = engine_for(engine.url.render_as_string(hide_password=False), connect_seconds=WITHIN)
    assert answers(engine)
    with others.connect() as connection:  # which nobody watches
        before = proxy.connection_count
        connection.execute(BUSY)
    others.dispose()
    assert proxy.connection_count == before


def test_who_has_no_connection_any_more_watches_no_more(engine: Engine) -> None:
    assert answers(engine)
    assert [thread for thread in threading.enumerate() if thread.name == "watch"]
    engine.dispose()
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "watch"], WITHIN, "it has ended")
    assert answers(engine)
