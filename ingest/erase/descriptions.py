"""
The person in whatever else is stored as text: dimensions, issues and their history, notes of our own.

Which columns hold text is asked of the database, so that a table that is added later is searched too. Keys made of a
description stay as they are: only the words behind them change.
"""

from typing import Any, NamedTuple

from psycopg.types.json import Jsonb
from sqlalchemy import Connection, Engine, text

from ingest import jsontext
from ingest.erase.person import Person
from models.payloads import Codebook
from models.turns import take_turns

ELSEWHERE = ("fact_event", "event_payload", "erasure", "set_aside", "target", "alembic_version")
"""Tables that others of this folder see to, and those without words of senders, such as the operator's addresses."""

CHUNK_BODIES = 500

# Text of any kind that can be changed, and the key by which its row is found.
COLUMNS = text(
    """
    select c.relname as table_name, a.attname as column_name, format_type(a.atttypid, null) as kind,
        (select array_agg(k.attname::text order by k.attnum) from pg_index i
            join pg_attribute k on k.attrelid = c.oid and k.attnum = any(i.indkey)
            where i.indrelid = c.oid and i.indisprimary) as key,
        exists (select from pg_attribute p where p.attrelid = c.oid and p.attname = 'project_id') as has_project
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where n.nspname = 'warehouse' and c.relkind in ('r', 'p') and not c.relispartition
    and not c.relname = any(:elsewhere)
    and format_type(a.atttypid, null) in ('text', 'text[]', 'jsonb', 'character varying')
    and a.attgenerated = ''
    and not exists (
        select from pg_index i where i.indrelid = c.oid and i.indisprimary and a.attnum = any(i.indkey)
    )
    order by c.relname, a.attnum
    """
)
READ_CHANGES = text(
    """
    select issue_id, changed_at, action, codec, body from warehouse.issue_change
    where project_id = :project_id
    and (issue_id, changed_at, action) > (:issue_id, cast(:changed_at as timestamptz), :action)
    order by issue_id, changed_at, action limit :most
    """
)
WRITE_CHANGE = text(
    """
    update warehouse.issue_change set codec = :codec, body = :body
    where project_id = :project_id and issue_id = :issue_id and changed_at = :changed_at and action = :action
    """
)

OwnKeys = dict[str, set[int]]
"""Keys of dimensions that events of the person point to, by the column's name."""


class Place(NamedTuple):
    """A table with words in it: its text columns with their types, its key, and whether it is kept by project."""

    table: str
    columns: dict[str, str]
    key: tuple[str, ...]
    has_project: bool


def places(connection: Connection) -> list[Place]:
    """Give the tables that hold text."""
    found: dict[str, Place] = {}
    for row in connection.execute(COLUMNS, {"elsewhere": list(ELSEWHERE)}):
        if row.key:
            place = found.setdefault(row.table_name, Place(row.table_name, {}, tuple(row.key), row.has_project))
            place.columns[row.column_name] = row.kind
    return list(found.values())


def erase_descriptions(
    engine: Engine, person: Person, project_id: int | None, own: OwnKeys, *, is_dry: bool
) -> dict[str, int]:
    """
    Erase the person from the words of a project, or, with None, from tables that no project owns; count rows by table.

    One transaction a table, with the project's turn taken only if there is something to change.

    Takes: `own`, which rows describe events of the person: there they go by whatever names them.
    """
    if not person.is_searched_for and not own:
        return {}
    with engine.connect() as connection:
        searched = [place for place in places(connection) if place.has_project == (project_id is not None)]
    counts = {}
    for place in searched:
        with engine.begin() as connection:
            changed = _changed(connection, person, place, project_id, own.get(_key_of(place), set()))
            if changed and not is_dry:
                if project_id is not None:
                    take_turns(connection, [project_id])
                    changed = _changed(connection, person, place, project_id, own.get(_key_of(place), set()))
                for key, values in changed:
                    _write(connection, place, key, values)
        if changed:
            counts[place.table] = len(changed)
    if (
        project_id is not None
        and person.is_searched_for
        and (bodies := _issue_bodies(engine, person, project_id, is_dry=is_dry))
    ):
        counts["issue_change.body"] = bodies
    return counts


Changed = list[tuple[dict[str, Any], dict[str, Any]]]


def _key_of(place: Place) -> str:
    """Give the column that events point to a row of a dimension by."""
    return place.key[-1] if place.table.startswith("dim_") and place.key[-1].endswith("_key") else ""


def _changed(connection: Connection, person: Person, place: Place, project_id: int | None, own: set[int]) -> Changed:
    words = "lower(concat_ws(chr(10), " + ", ".join(f"{name}::text" for name in place.columns) + "))"
    told: dict[str, Any] = {"like": person.like}
    which = f"{words} like any(:like)"
    if own:
        which = f"({which} or ({_key_of(place)} = any(:own) and {words} like any(:own_like)))"
        told |= {"own": list(own), "own_like": person.own_like}
    if project_id is not None:
        which = f"project_id = :project_id and {which}"
        told["project_id"] = project_id
    # the names are the catalog's, of our own tables
    query = text(f"select * from warehouse.{place.table} where {which}")  # noqa: S608
    changed = []
    for row in connection.execute(query, told).mappings():
        is_own = bool(own) and row[_key_of(place)] in own
        if is_own and place.table == "dim_user":
            continue  # it goes, or went, as a whole
        values = {
            name: after
            for name in place.columns
            if row[name] is not None and (after := person.words(row[name], is_own=is_own)) != row[name]
        }
        if values:
            changed.append(({name: row[name] for name in place.key}, values))
    return changed


def _write(connection: Connection, place: Place, key: dict[str, Any], values: dict[str, Any]) -> None:
    sets = ", ".join(f"{name} = :new_{name}" for name in values)
    where = " and ".join(f"{name} = :{name}" for name in key)
    told = {f"new_{name}": Jsonb(value) if place.columns[name] == "jsonb" else value for name, value in values.items()}
    # the names are the catalog's, of our own tables
    connection.execute(text(f"update warehouse.{place.table} set {sets} where {where}"), {**key, **told})  # noqa: S608


def _issue_bodies(engine: Engine, person: Person, project_id: int, *, is_dry: bool) -> int:
    with engine.connect() as connection:
        codebook = Codebook.read(connection)
    at: dict[str, Any] = {"issue_id": -1, "changed_at": "0001-01-01Z", "action": ""}
    count, is_more = 0, True
    while is_more:
        with engine.begin() as connection:
            found = (
                connection.execute(READ_CHANGES, {"project_id": project_id, "most": CHUNK_BODIES, **at})
                .mappings()
                .all()
            )
            for each in found:
                at = {name: each[name] for name in ("issue_id", "changed_at", "action")}
                body = codebook.decompress(each["codec"], each["body"])
                if not person.may_be_in(body):
                    continue
                data, _ = jsontext.parse(body)
                erased = person.json(data)
                if erased == data:
                    continue
                count += 1
                if not is_dry:
                    codec, packed = codebook.compress(jsontext.encode(erased))
                    connection.execute(WRITE_CHANGE, {"project_id": project_id, **at, "codec": codec, "body": packed})
        is_more = len(found) == CHUNK_BODIES
    return count
