"""A person to erase, planted wherever somebody's words go, and a search through everything that is stored."""

import json
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import zstandard
from sqlalchemy import Engine, text

from models.payloads import Codebook
from tests.support.builders import event
from tests.support.loading import NOON, told

MAIL = "Jane.Doe@people.example"
USER_ID = "user-4711"
NAME = "janedoe99"
ADDRESS = "203.0.113.77"
ALL = (MAIL, USER_ID, NAME, ADDRESS)
OTHER_MAIL = "mary-jane.doe@people.example"

COLUMNS = """
    select c.oid::regclass::text, a.attname, format_type(a.atttypid, null)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where n.nspname in ('warehouse', 'analytics', 'public') and c.relkind in ('r', 'p', 'v', 'm')
    and not c.relispartition
"""


def own_event(**overrides: Any) -> dict[str, Any]:
    """Give an event of the person that names them wherever it can."""
    made = event(
        timestamp=told(NOON),
        user={"id": USER_ID, "email": MAIL, "username": NAME, "ip_address": ADDRESS, "name": "Jane"},
        message=None,
        logentry={"formatted": f"order of {MAIL.lower()} failed"},
        tags={"region": "eu", "account": NAME, "mail": MAIL},
        request={
            "url": f"https://shop.example/users/{MAIL.replace('@', '%40')}/orders",
            "headers": {"X-Account": USER_ID, "X-Forwarded-For": ADDRESS},
            "env": {"REMOTE_ADDR": ADDRESS},
        },
        breadcrumbs={"values": [{"message": f"mail to <{MAIL}>", "data": {MAIL: 1}}]},
        extra={"account": {"name": NAME}, "text": f"id={USER_ID};ip={ADDRESS}"},
    )
    thrown = made["exception"]["values"][0]
    thrown["value"] = f"no stock for {NAME} ({USER_ID})"
    thrown["stacktrace"]["frames"][0]["vars"] = {"customer": MAIL, "peer": repr(ADDRESS)}
    made.update(overrides)
    return {key: value for key, value in made.items() if value is not None}


def other_event(**overrides: Any) -> dict[str, Any]:
    """Give an event of somebody else that names the person in passing."""
    made = event(
        timestamp=told(NOON),
        user={"id": "8", "email": OTHER_MAIL},
        message=f"copy to {MAIL}, from {OTHER_MAIL}",
        exception=None,
        transaction=f"/users/{MAIL}",
        server_name=f"{MAIL}'s pc",
        tags={"approved_by": MAIL, "region": "eu"},
        fingerprint=["by", MAIL],
    )
    made.update(overrides)
    return {key: value for key, value in made.items() if value is not None}


def places_in_database(engine: Engine, *words: str) -> set[str]:
    """Search every text, JSON and byte column of every table and view, payloads unpacked; give where a word stands."""
    wanted = [word.lower() for word in words]
    found: set[str] = set()
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with engine.connect() as connection:
        codebook = Codebook.read(connection)
        columns = connection.execute(text(COLUMNS)).all()
    with psycopg.connect(url) as connection:
        for table, name, kind in columns:
            if kind not in {"text", "jsonb", "json", "bytea", "text[]", "character varying", "name"}:
                continue
            is_packed = kind == "bytea" and table in {"warehouse.event_payload", "warehouse.issue_change"}
            picked = f"{name}, codec" if is_packed else f"{name}, 0"
            for value, codec in connection.execute(f"select {picked} from {table}".encode()):
                if value is None:
                    continue
                told_text = _text(value, codec, codebook, is_packed=is_packed, is_aside=table == "warehouse.set_aside")
                if any(word in told_text.lower().replace(OTHER_MAIL, "") for word in wanted):
                    found.add(f"{table}.{name}")
    return found


def _text(value: Any, codec: int, codebook: Codebook, *, is_packed: bool, is_aside: bool) -> str:
    if not isinstance(value, bytes):
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if is_packed:
        return json.dumps(json.loads(codebook.decompress(codec, value)), ensure_ascii=False)
    if is_aside:
        unpacked = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(value))
        return str(unpacked) + unpacked[2].decode("utf-8", "replace").replace("\\u0040", "@")
    return value.decode("utf-8", "replace")


def files_with(folder: Path, *words: str) -> list[str]:
    """Give the files below a folder in whose bytes a word stands."""
    wanted = [word.lower().encode() for word in words]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(path.name for path in files if any(word in path.read_bytes().lower() for word in wanted))
