"""The person beside the tables of events: what is set aside, dictionaries of payloads, and the archive's files."""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import zstandard
from sqlalchemy import Engine, text

from ingest import jsontext
from ingest.erase.person import Person
from ingest.errors import MalformedPayload
from ingest.records import Payload

READ_KEYS = text(
    """
    select set_aside_key from warehouse.set_aside
    where cast(:project_id as bigint) is null or project_id is null or project_id = :project_id order by set_aside_key
    """
)
READ = text("select body, detail, headers::text as headers from warehouse.set_aside where set_aside_key = :key")
WRITE = text(
    """
    update warehouse.set_aside set body = :body, detail = :detail, headers = cast(:headers as jsonb)
    where set_aside_key = :key
    """
)
REMOVE = text("delete from warehouse.set_aside where set_aside_key = :key")
READ_DICTIONARIES = text("select codec, body from warehouse.payload_dictionary order by codec")

# The operator's own addresses; one that is struck through would not be reached any more.
READ_TARGETS = text("select name, options::text as options from warehouse.target order by name")

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Payload).decode


class Asides(NamedTuple):
    """How many records were struck through, and how many had to go whole."""

    struck_count: int = 0
    removed_count: int = 0


def erase_asides(engine: Engine, person: Person, project_id: int | None, *, is_dry: bool) -> Asides:
    """
    Erase the person from what is set aside, one record a transaction; those of no project are searched in any case.

    The person is struck out at the same length, so that a record can still be tried again; where their name is written
    in a way that cannot be struck out, such as with escapes, the record goes.
    """
    if not person.is_searched_for:
        return Asides()
    with engine.connect() as connection:
        keys = list(connection.execute(READ_KEYS, {"project_id": project_id}).scalars())
    struck = removed = 0
    for key in keys:
        with engine.begin() as connection:
            found = connection.execute(READ, {"key": key}).one_or_none()
            if found is None:
                continue
            payload = _unpack(zstandard.ZstdDecompressor().decompress(found.body))
            erased = _struck(person, payload)
            detail, headers = person.words(found.detail), person.words(found.headers)
            if erased is None:
                removed += 1
                if not is_dry:
                    connection.execute(REMOVE, {"key": key})
            elif erased != payload or (detail, headers) != (found.detail, found.headers):
                struck += 1
                if not is_dry:
                    body = zstandard.ZstdCompressor(level=3).compress(_pack(erased))
                    connection.execute(WRITE, {"key": key, "body": body, "detail": detail, "headers": headers})
    return Asides(struck, removed)


def dictionaries_with(engine: Engine, person: Person) -> list[int]:
    """Give the numbers of the payload dictionaries that hold the person, which none should."""
    with engine.connect() as connection:
        found = connection.execute(READ_DICTIONARIES).all()
    return [codec for codec, body in found if person.is_in(bytes(body).decode("utf-8", "replace"))]


def archives_with(folder: Path, person: Person) -> list[str]:
    """Give the archive's files that hold the person, or cannot be read, by their paths below the folder."""
    if not person.is_searched_for or not folder.is_dir():
        return []
    return [str(path.relative_to(folder)) for path in sorted(folder.rglob("*.parquet")) if _is_in_file(path, person)]


def _struck(person: Person, payload: Payload) -> Payload | None:
    body = person.barred(payload.body)
    if b"\\u" in body and _is_in_json(person, body):
        return None
    is_about = body != payload.body
    headers = {name: person.words(value, is_own=is_about) for name, value in payload.headers.items()}
    peer = payload.peer and person.words(payload.peer, is_own=is_about)
    peer = peer if peer == payload.peer else None
    return msgspec.structs.replace(payload, body=body, headers=headers, peer=peer)


def _is_in_json(person: Person, body: bytes) -> bool:
    """Whether the person stands in JSON, or in the JSON lines of an envelope, once its escapes are read."""
    for part in (body, *body.splitlines()):
        try:
            data: Any = jsontext.parse(part)[0]
        except MalformedPayload:
            continue
        if person.json(data) != data:
            return True
    return False


def _is_in_file(path: Path, person: Person) -> bool:
    import pyarrow as pa  # noqa: PLC0415 - it takes its time, and most warehouses have no archive
    import pyarrow.parquet as pq  # noqa: PLC0415 - the same

    try:
        with path.open("rb") as file:
            for batch in pq.ParquetFile(file).iter_batches(batch_size=1000):
                for column in batch.columns:
                    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                        for value in column.to_pylist():
                            if value and person.may_be_in(value.encode()) and _is_in_json_or_text(person, value):
                                return True
    except (pa.ArrowException, OSError):
        return True
    return False


def _is_in_json_or_text(person: Person, value: str) -> bool:
    return person.is_in(value) or ("\\u" in value and _is_in_json(person, value.encode()))


def targets_with(engine: Engine, person: Person) -> list[str]:
    """Give the targets of messages that name the person."""
    if not person.is_searched_for:
        return []
    with engine.connect() as connection:
        return [row.name for row in connection.execute(READ_TARGETS) if person.may_be_in(row.options.encode())]
