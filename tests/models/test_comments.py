"""Whoever opens the database with any tool is told, there, what each thing is."""

from collections.abc import Iterator

import psycopg
import pytest

from models import Base
from models.base import ANALYTICS, WAREHOUSE
from models.views import VIEWS

LEAST_CHARS = 5

OBJECTS = """
    select n.nspname || '.' || c.relname as name, c.relkind::text as kind, obj_description(c.oid, 'pg_class') as comment
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('warehouse', 'analytics') and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
"""
COLUMNS = """
    select n.nspname || '.' || c.relname || '.' || a.attname as name, col_description(c.oid, a.attnum) as comment
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
    where n.nspname in ('warehouse', 'analytics') and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
    and a.attnum > 0 and not a.attisdropped
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url) as connection:
        yield connection


def is_told(comment: str | None) -> bool:
    return comment is not None and len(comment.strip()) >= LEAST_CHARS


def test_every_table_and_view_has_a_comment(connection: psycopg.Connection) -> None:
    found = connection.execute(OBJECTS).fetchall()
    assert {name for name, kind, _ in found if kind == "v"} == {f"{ANALYTICS}.{view.name}" for view in VIEWS}
    assert {name for name, kind, _ in found if kind != "v"} == {table.fullname for table in Base.metadata.sorted_tables}
    assert [name for name, _, comment in found if not is_told(comment)] == []


def test_every_column_of_every_table_and_view_has_a_comment(connection: psycopg.Connection) -> None:
    found = connection.execute(COLUMNS).fetchall()
    assert len(found) > 150
    assert [name for name, comment in found if not is_told(comment)] == []


def test_the_comments_in_the_database_are_those_of_the_code(connection: psycopg.Connection) -> None:
    found = dict(connection.execute(COLUMNS).fetchall())
    for table in Base.metadata.sorted_tables:
        assert {column.name: found[f"{table.fullname}.{column.name}"] for column in table.columns} == {
            column.name: column.comment for column in table.columns
        }
    for view in VIEWS:
        told = {column.name: found[f"{ANALYTICS}.{view.name}.{column.name}"] for column in view.columns}
        assert told == {column.name: column.comment for column in view.columns}


def test_both_schemas_have_a_comment(connection: psycopg.Connection) -> None:
    query = "select obj_description(cast(%s as regnamespace), 'pg_namespace')"
    for schema in (WAREHOUSE, ANALYTICS):
        row = connection.execute(query, (schema,)).fetchone()
        assert row is not None
        assert is_told(row[0]), schema
