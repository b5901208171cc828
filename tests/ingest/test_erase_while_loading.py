"""Somebody sends and is erased at once: each event is erased whole or there whole, and users are counted rightly."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import Engine

from ingest.erase import erase
from ingest.load import Loader
from models.audit import Scope, audit
from models.engine import engine_for
from models.fold import fold_all
from models.payloads import Codebook
from models.rebuild import rebuild
from tests.support import warehouse
from tests.support.builders import event
from tests.support.loading import NOON, Clock, sdk, settings, told
from tests.support.persons import ALL, MAIL, NAME, own_event, places_in_database
from tests.support.wait import until

HOUR_DAYS = 14
ROUNDS = 4
WITHOUT_ROW = """
    select count(*)::int from warehouse.fact_event e
    left join warehouse.dim_user u on u.project_id = e.project_id and u.user_key = e.user_key
    where u.user_key is null and e.user_key not in (select stand_in_key from warehouse.erasure)
"""
HALF_ERASED = """
    select count(*)::int from warehouse.fact_event where (tags->>'mail' is distinct from '[erased]')
    and user_key in (select stand_in_key from warehouse.erasure)
"""
ERASED_PAYLOADS = """
    select codec, body from warehouse.event_payload
    join warehouse.fact_event e using (project_id, event_id, occurred_at)
    where user_key in (select stand_in_key from warehouse.erasure)
"""
SKETCHES = """
    select 'day' as what, day::text, group_key, user_sketch from warehouse.rollup_day
    union all select 'user', day::text, 0, user_sketch from warehouse.rollup_day_user
    union all select 'group', '', group_key, user_sketch from warehouse.rollup_group
    order by 1, 2, 3, 4
"""


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


def test_a_person_who_sends_while_they_are_erased_is_erased_whole_or_there_whole(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    stop, batches = Event(), []
    loader = Loader(engine, settings(tmp_path), Clock())

    def send() -> None:
        while not stop.is_set():
            both = (own_event(), event(timestamp=told(NOON), user={"id": "other"}, tags={"mail": "none"}))
            batches.append(loader.load([sdk(each) for each in both], origin="test"))
            if len(batches) % 3 == 0:
                fold_all(engine, NOON.date(), HOUR_DAYS)

    thread = Thread(target=send)
    thread.start()
    try:
        for _ in range(ROUNDS):
            before = len(batches)
            until(lambda before=before: len(batches) > before + 2, 60, "more is loaded")
            erase(engine, settings(tmp_path), MAIL, NOON, lambda _: None, is_dry=False)
    finally:
        stop.set()
        thread.join()
    assert warehouse.value(database_url, WITHOUT_ROW) == 0
    assert warehouse.value(database_url, HALF_ERASED) == 0
    with engine.connect() as connection:
        codebook = Codebook.read(connection)
    bodies = warehouse.rows(database_url, ERASED_PAYLOADS)
    assert len(bodies) > 3
    assert not [each for each in bodies if NAME in codebook.decompress(each["codec"], each["body"]).decode()]
    assert warehouse.value(database_url, "select count(*)::int from warehouse.fact_event") == 2 * len(batches)

    erase(engine, settings(tmp_path), MAIL, NOON, lambda _: None, is_dry=False)
    assert places_in_database(engine, *ALL) == set()
    fold_all(engine, NOON.date(), HOUR_DAYS)
    before_rebuild = warehouse.rows(database_url, SKETCHES)
    with engine.begin() as connection:
        rebuild(connection, NOON.date(), NOON.date(), HOUR_DAYS)
    assert warehouse.rows(database_url, SKETCHES) == before_rebuild
    assert audit(engine, Scope(NOON.date(), HOUR_DAYS)).differences == []
