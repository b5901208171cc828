"""Payloads are compressed with the newest dictionary there is, and what was kept with an older one stays readable."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import zstandard
from sqlalchemy import Engine

from models.engine import engine_for
from models.payloads import Codebook, UnknownCodec
from tests.support import builders
from tests.support.loading import NOON, Clock, loading, sdk, told
from tests.support.payloads import add_dictionary, bodies, dictionary, stored

BODY = bodies(1, seed=9)[0]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


def read(engine: Engine) -> Codebook:
    with engine.connect() as connection:
        return Codebook.read(connection)


def test_without_a_dictionary_a_payload_is_plain_zstd(engine: Engine) -> None:
    codec, body = read(engine).compress(BODY)
    assert codec == 0
    assert zstandard.decompress(body) == BODY
    assert Codebook().decompress(codec, body) == BODY


def test_the_newest_dictionary_compresses_and_every_one_is_read(engine: Engine) -> None:
    kept = [read(engine).compress(BODY)]
    for codec in (1, 2):
        add_dictionary(engine, codec, body=dictionary(codec, seed=codec))
        kept.append(read(engine).compress(BODY))
    assert [codec for codec, _ in kept] == [0, 1, 2]
    assert len(kept[1][1]) < 0.5 * len(kept[0][1])
    assert [read(engine).decompress(*each) for each in kept] == [BODY] * 3


def test_a_frame_names_its_dictionary_so_that_the_wrong_one_is_refused(engine: Engine) -> None:
    add_dictionary(engine, 7)
    codec, body = read(engine).compress(BODY)
    assert zstandard.get_frame_parameters(body).dict_id == codec == 7
    other = Codebook({7: dictionary(8)})
    with pytest.raises(zstandard.ZstdError):
        other.decompress(7, body)


@pytest.mark.parametrize("data", [b"", b"{}", b"\x00" * 100_000, BODY * 400], ids=["empty", "tiny", "zeros", "large"])
def test_payloads_of_every_size_come_back(engine: Engine, data: bytes) -> None:
    add_dictionary(engine, 1)
    book = read(engine)
    assert book.decompress(*book.compress(data)) == data


def test_a_codec_without_its_dictionary_is_told_in_a_sentence() -> None:
    with pytest.raises(UnknownCodec, match=r"^Dictionary 3 .*; restore .*\.$"):
        Codebook().decompress(3, b"")


def test_a_codebook_knows_whether_it_is_current(engine: Engine) -> None:
    old = read(engine)
    with engine.connect() as connection:
        assert old.is_current(connection)
    add_dictionary(engine, 1)
    with engine.connect() as connection:
        assert not old.is_current(connection)
        assert Codebook.read(connection).is_current(connection)


def test_a_loader_takes_up_a_new_dictionary_without_a_restart(database_url: str, engine: Engine) -> None:
    clock = Clock(NOON)
    with loading(database_url, clock) as (loader, _):
        for number in range(3):
            clock.now += timedelta(seconds=6)
            loader.load([sdk(builders.event(timestamp=told(clock.now), message=f"number {number}"))], origin="test")
            if number < 2:
                add_dictionary(engine, number + 1, clock.now)
    with engine.connect() as connection:
        found = stored(connection)
    assert [(codec, one["message"]) for codec, one in found] == [(0, "number 0"), (1, "number 1"), (2, "number 2")]


def test_a_loader_asks_for_dictionaries_once_in_five_seconds(database_url: str, engine: Engine) -> None:
    clock = Clock(NOON)
    with loading(database_url, clock) as (loader, _):
        loader.load([sdk(builders.event())], origin="test")
        add_dictionary(engine, 1)
        loader.load([sdk(builders.event())], origin="test")
        loader.reset()  # the database may be another one
        loader.load([sdk(builders.event())], origin="test")
    with engine.connect() as connection:
        assert sorted(codec for codec, _ in stored(connection)) == [0, 0, 1]


def test_a_loader_that_keeps_no_payloads_needs_no_dictionary(database_url: str, engine: Engine) -> None:
    add_dictionary(engine, 1)
    with loading(database_url, PAYLOAD_RETENTION_DAYS=0) as (loader, _):
        loader.load([sdk(builders.event())], origin="test")
    with engine.connect() as connection:
        assert stored(connection) == []
