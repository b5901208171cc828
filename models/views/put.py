"""Put the views in place, with their comments, and read them back."""

from collections.abc import Sequence
from hashlib import sha256

from sqlalchemy import Connection, text

from models.base import ANALYTICS
from models.views.view import View

VIEWS_LOCK = 0x6572727669657773  # "errviews": one maker of views at a time
IN_PLACE = text(
    """
    select obj_description(to_regnamespace(:schema), 'pg_namespace') as said,
        (select count(*) from pg_class c where c.relnamespace = to_regnamespace(:schema) and c.relkind = 'v')
        + (select count(*) from pg_proc f where f.pronamespace = to_regnamespace(:schema) and f.prokind = 'a') as made
    """
)
# For any window: `select culprit, analytics.users(user_sketch) from analytics.culprits_daily where … group by 1`.
USERS = f"""
create or replace aggregate {ANALYTICS}.users(user_sketch bigint[]) (
    sfunc = warehouse.users_gathered, stype = bigint[], combinefunc = warehouse.users_gathered,
    finalfunc = warehouse.users_counted, parallel = safe
)
"""
USERS_SAID = (
    "How many distinct users the sketches of any rows stand for: exact below 1,024, within some 3 % above. "
    "Users of different projects are different."
)


def _quoted(sentence: str) -> str:
    return "'" + sentence.replace("'", "''") + "'"


def put(connection: Connection, views: Sequence[View]) -> None:
    """
    Make or replace these views, with their comments; does nothing where they are as they should be.

    Replacing a view waits for every query that reads it, so a command must not do it without need; which definition is
    in place stands in the schema's comment. COMMENT and CREATE VIEW take no parameters: what stands here is our own
    constant text, quoted.
    """
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": VIEWS_LOCK})
    definition = sha256(repr((views, USERS, USERS_SAID)).encode()).hexdigest()[:16]
    said = f"What analysts are promised: views only, documented, stable. Definition {definition}."
    if connection.execute(IN_PLACE, {"schema": ANALYTICS}).one() == (said, len(views) + 1):
        return

    def run(statement: str) -> None:
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})  # a `%` is a `%`

    run(f"create schema if not exists {ANALYTICS}")
    for view in views:
        name = f"{ANALYTICS}.{view.name}"
        run(f"create or replace view {name} as {view.sql}")
        run(f"comment on view {name} is {_quoted(view.comment)}")
        for column in view.columns:
            run(f"comment on column {name}.{column.name} is {_quoted(column.comment)}")
    run(USERS)
    run(f"comment on aggregate {ANALYTICS}.users(bigint[]) is {_quoted(USERS_SAID)}")
    run(f"comment on schema {ANALYTICS} is {_quoted(said)}")


def columns_of(connection: Connection, view: str) -> list[tuple[str, str]]:
    """Read a view's columns back from the database: name and type, in order."""
    rows = connection.execute(
        text(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute "
            "where attrelid = cast(:view as regclass) and attnum > 0 and not attisdropped order by attnum"
        ),
        {"view": f"{ANALYTICS}.{view}"},
    )
    return [(row[0], row[1]) for row in rows]
