"""`errhouse load`: whatever a file is made of, and wherever it breaks off, each event in it is one row."""

import gzip
import io
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from sqlalchemy import Engine, text

from ingest.bulk import check, documents, load_files
from ingest.errors import IngestError
from ingest.progress import Tally
from models.engine import engine_for
from models.payload_training import MOST_PAYLOADS
from models.payloads import Codebook
from tests.support import warehouse
from tests.support.builders import envelope, event
from tests.support.loading import NOON, PROJECT, settings, told
from tests.support.server import ROOT, command, environment

STOP = """
    create function warehouse.stop() returns trigger language plpgsql as $$ begin
        if (select count(*) from warehouse.fact_event) > 9 then
            raise exception 'no more' using errcode = '42501';
        end if;
        return null;
    end $$
"""
SMALL = {"LOAD_BATCH_BYTES": 2048}  # about two events a batch


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


def events(count: int) -> list[dict[str, Any]]:
    return [event(event_id=f"{n:032x}", timestamp=told(NOON)) for n in range(1, count + 1)]


def ndjson(found: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in found)


def load(engine: Engine, *files: Path, form: str | None = None, is_again: bool = False, **overrides: Any) -> Tally:
    return load_files(engine, settings(Path(), **overrides), files, PROJECT, form, is_again=is_again, is_quiet=True)


def cut(data: bytes) -> list[bytes]:
    return [each.body for each in documents(io.BytesIO(data))]


THREE = events(3)
SHAPES = {
    "lines": ndjson(THREE),
    "lines without an end": ndjson(THREE).rstrip(),
    "lines with blank ones and CRLF": b"\r\n\n" + ndjson(THREE).replace(b"\n", b"\r\n\r\n"),
    "lines of a Windows editor": b"\xef\xbb\xbf" + ndjson(THREE),
    "an array": json.dumps(THREE).encode(),
    "a pretty array": json.dumps(THREE, indent=2).encode(),
    "an array with an element a line": b"[\n" + b",\n".join(json.dumps(each).encode() for each in THREE) + b"\n]\n",
    "arrays a line": json.dumps(THREE[:2]).encode() + b"\n" + json.dumps(THREE[2:]).encode(),
    "an envelope": envelope(THREE),
    "an envelope without lengths": b'{"event_id":"%s"}\n' % THREE[0]["event_id"].encode()
    + b"".join(b'{"type":"event"}\n' + json.dumps(each).encode() + b"\n" for each in THREE),
}
PACKED = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "gzip in members": lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:]),
    "zstd": zstandard.compress,
    "zstd in frames": lambda data: zstandard.compress(data[:100]) + zstandard.compress(data[100:]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_file_of_any_shape_is_its_events(engine: Engine, database_url: str, tmp_path: Path, shape: str) -> None:
    file = tmp_path / "events"
    file.write_bytes(SHAPES[shape])
    assert load(engine, file) == Tally(payloads=1 if "envelope" in shape else 3, events=3, loaded=3)
    rows = warehouse.rows(database_url, "select * from analytics.events order by event_id")
    assert [each["event_id"].hex for each in rows] == [each["event_id"] for each in THREE]
    assert {(each["project_id"], each["exception_type"], each["source"]) for each in rows} == {
        (PROJECT, "ZeroDivisionError", "file")
    }


def test_a_large_load_has_a_first_dictionary_made_of_what_it_loads(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "events.ndjson").write_bytes(ndjson(events(MOST_PAYLOADS + 100)))
    assert load(engine, tmp_path / "events.ndjson", LOAD_BATCH_BYTES=256 * 1024).loaded == MOST_PAYLOADS + 100
    with engine.connect() as connection:
        assert Codebook.read(connection).codec == 1
    (tmp_path / "more.ndjson").write_bytes(ndjson([event() for _ in range(10)]))
    load(engine, tmp_path / "more.ndjson")
    with engine.connect() as connection:
        codecs = connection.execute(text("select codec, count(*) from warehouse.event_payload group by 1 order by 1"))
        assert [tuple(each) for each in codecs] == [(0, MOST_PAYLOADS + 100), (1, 10)]


@pytest.mark.parametrize("packed", PACKED)
def test_a_file_may_be_compressed(engine: Engine, tmp_path: Path, packed: str) -> None:
    file = tmp_path / "events"
    file.write_bytes(PACKED[packed](ndjson(THREE)))
    assert load(engine, file) == Tally(3, 3, 3)


def test_one_pretty_document_is_one_event(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(THREE[0], indent=2))
    assert load(engine, file) == Tally(1, 1, 1)


def test_lines_that_are_no_events_do_not_hold_up_the_others(engine: Engine, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    lines = ndjson(THREE).splitlines()
    file.write_bytes(b"\n".join([b'{"broken', lines[0], b"[]", b"3", lines[1], b'{"a": 1}', lines[2], b'{"cut of']))
    tally = load(engine, file)
    assert (tally.events, tally.loaded, tally.set_aside) == (3, 3, 4)  # an empty list is nothing at all
    reasons = warehouse.rows(
        database_url, "select reason, sum(seen_count)::int as n from warehouse.set_aside group by 1"
    )
    assert {each["reason"]: each["n"] for each in reasons} == {"not_json": 2, "not_an_object": 1, "unknown_shape": 1}


def test_a_file_that_is_loaded_is_not_read_again_unless_it_is_wanted_or_changed(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(ndjson(THREE))
    assert load(engine, file).loaded == 3
    assert load(engine, file) == Tally()
    assert load(engine, file, is_again=True) == Tally(3, 3, 0, 3)
    file.write_bytes(ndjson(events(4)))
    assert load(engine, file) == Tally(4, 4, 1, 3)


def test_an_old_time_in_a_file_is_kept_as_it_is(engine: Engine, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(ndjson([event(timestamp="2015-03-04T05:06:07Z")]))
    load(engine, file)
    row = "select occurred_at::text || ' ' || time_quality from analytics.events"
    assert warehouse.value(database_url, row).startswith("2015-03-04 05:06:07")
    assert warehouse.value(database_url, row).endswith("exact")


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
@pytest.mark.parametrize("overrides", [{}, SMALL])
def test_a_compressed_file_that_breaks_off_is_told_and_what_came_before_is_loaded(
    engine: Engine, database_url: str, tmp_path: Path, pack: Any, overrides: dict[str, int]
) -> None:
    found = [
        event(event_id=f"{n:032x}", timestamp=told(NOON), extra={"noise": os.urandom(2000).hex()})
        for n in range(1, 201)
    ]
    file, packed = tmp_path / "events.packed", pack(ndjson(found))
    file.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(IngestError, match=r"breaks off \(.+\); what came before is loaded; mend it and load it again"):
        load(engine, file, **overrides)
    loaded = warehouse.tally(database_url)["loaded"]
    assert 50 < loaded < 150
    file.write_bytes(packed)
    assert load(engine, file) == Tally(200, 200, 200 - loaded, loaded)


def test_a_load_that_was_interrupted_goes_on_where_it_was(engine: Engine, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(ndjson(events(20)))
    with engine.begin() as connection:
        connection.exec_driver_sql(STOP)
        connection.exec_driver_sql(
            "create trigger stop after insert on warehouse.load_tally execute function warehouse.stop()"
        )
    with pytest.raises(IngestError, match="what came before is loaded, run the same command again"):
        load(engine, file, **SMALL)
    loaded = warehouse.tally(database_url)["loaded"]
    assert 0 < loaded < 20
    with engine.begin() as connection:
        connection.exec_driver_sql("drop function warehouse.stop cascade")
    assert load(engine, file, **SMALL) == Tally(20 - loaded, 20 - loaded, 20 - loaded)


def test_standard_input_may_be_a_pipe(database_url: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [*command(), "load", "-", "--project", str(PROJECT), "--json"],
        cwd=ROOT,
        env=environment(ERRHOUSE_DATABASE_URL=database_url, ERRHOUSE_DATA_DIR=str(tmp_path)),
        input=zstandard.compress(ndjson(THREE)),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["loaded"] == 3
    assert warehouse.tally(database_url)["loaded"] == 3


def test_what_cannot_be_loaded_is_one_sentence_before_anything_is(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=r"^There is no form 'toast'; --form takes one of .*envelope.*\.$"):
        check([Path("-")], "toast")
    for file in (tmp_path / "not there", tmp_path):
        with pytest.raises(IngestError, match=r" is not a file that can be read; give NDJSON or JSON files, or `-`\.$"):
            check([Path("-"), file], None)
    check([Path("-")], "envelope")


def test_a_form_that_is_told_is_believed(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(ndjson(THREE))
    assert load(engine, file, form="legacy_plugin").set_aside == 3
    assert load(engine, file, form="sdk_event").loaded == 3


def test_documents_are_numbered_from_one() -> None:
    assert [each.number for each in documents(io.BytesIO(ndjson(THREE)))] == [1, 2, 3]
    assert cut(b"") == cut(b"\n \n") == []
    assert cut(b'{"a":\n1}') == [b'{"a":\n1}']
    assert cut(b"[1,\n2]") == [b"1", b"2"]
    assert cut(b"[[") == [b"[["]


def test_an_event_that_says_its_type_is_not_taken_for_an_envelope_s_item() -> None:
    lines = b'{"message": "a"}\n{"type": "error", "message": "b"}\n'
    assert len(cut(lines)) == 2
