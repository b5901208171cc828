"""The pages of what is queried: schema, data dictionary, dbt sources."""

import json
from collections.abc import Iterator

from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import Table

from docs.made.tables import table
from models import Base
from models.views import USERS_SAID, VIEWS, Column, View


def schema() -> Iterator[str]:
    """Give what analysts are promised, and the tables behind it."""
    yield from (
        "# Schema",
        "",
        "Schema `analytics` holds views and is a promise: columns are only appended. Schema `warehouse` holds the",
        "tables behind them and may change with any version. All of this stands in the database too, as comments.",
    )
    for view in VIEWS:
        yield from ("", f"## analytics.{view.name}", "", view.comment, "")
        yield from table(("column", "type", "meaning"), [(f"`{c.name}`", c.type, c.comment) for c in view.columns])
    for each in sorted(Base.metadata.tables.values(), key=lambda found: found.name):
        yield from ("", f"## {each.schema}.{each.name}", "", each.comment or "", "")
        yield f"Key: {', '.join(f'`{column.name}`' for column in each.primary_key)}."
        yield ""
        yield from table(("column", "type", "meaning"), _columns(each))


def _columns(each: Table) -> Iterator[tuple[str, str, str]]:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for column in each.columns:
        kind = column.type.compile(dialect).lower()
        yield f"`{column.name}`", kind if column.nullable else f"{kind} not null", column.comment or ""


def data_dictionary() -> Iterator[str]:
    """Give what analysts are promised, without the tables behind it: `analytics.data_dictionary` as a page."""
    yield from (
        "# Data dictionary",
        "",
        "Every view of schema `analytics`, as `analytics.data_dictionary` tells it. Instants are UTC. Views are live:",
        "an event counts in all of them as soon as it is loaded. [How to query them](how-to/query.md).",
    )
    for view in VIEWS:
        yield from ("", f"## {view.name}", "", view.comment)
        if view.key:
            yield from ("", f"One row for each {', '.join(f'`{name}`' for name in view.key)}.")
        yield ""
        rows = [(f"`{c.name}`", c.type, "" if c.is_told else "yes", c.comment) for c in view.columns]
        yield from table(("column", "type", "may be null", "meaning"), rows)
    yield from ("", "## users(user_sketch)", "", USERS_SAID, "")
    yield from ("```sql", "select culprit, analytics.users(user_sketch) as users", "from analytics.culprits_daily")
    yield from ("where day >= current_date - 30 group by culprit order by users desc limit 20;", "```")


def dbt_sources() -> Iterator[str]:
    """Give the views as dbt sources: descriptions, freshness, and tests of what is declared."""
    yield from ("version: 2", "sources:", "  - name: errhouse", "    schema: analytics")
    yield from (
        "    description: Sentry's error events in PostgreSQL; views that are only ever appended to.",
        "    tables:",
    )
    for view in VIEWS:
        yield from (f"      - name: {view.name}", f"        description: {_yaml(view.comment)}")
        yield from _dbt_table(view)
        yield "        columns:"
        for column in view.columns:
            yield from _dbt_column(column)


def _yaml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # JSON is YAML


def _dbt_table(view: View) -> Iterator[str]:
    if view.loaded_at:
        yield from ("        config:", f"          loaded_at_field: {view.loaded_at}", "          freshness:")
        yield from (
            "            warn_after: {count: 1, period: hour}",
            "            error_after: {count: 1, period: day}",
        )
    if view.key:
        yield from ("        data_tests:", "          - unique_together:", "              arguments:")
        yield f"                columns: [{', '.join(view.key)}]"


def _dbt_column(column: Column) -> Iterator[str]:
    yield from (f"          - name: {column.name}", f"            description: {_yaml(column.comment)}")
    yield f"            data_type: {_yaml(column.type)}"
    if column.is_told or column.words:
        yield "            data_tests:"
    if column.is_told:
        yield "              - not_null"
    if column.words:
        yield from ("              - accepted_values:", "                  arguments:")
        yield f"                    values: [{', '.join(column.words)}]"
