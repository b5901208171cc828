"""analytics.data_dictionary and schema_version: the views about the views."""

from models.views.view import Column, View

DATA_DICTIONARY = View(
    "data_dictionary",
    "What every view, column and function of schema analytics is, as its comment says.",
    """
    select c.relname::text as view_name, a.attname::text as column_name, a.attnum::int as position,
        format_type(a.atttypid, a.atttypmod) as type, col_description(c.oid, a.attnum) as description
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_attribute a on a.attrelid = c.oid
    where n.nspname = 'analytics' and c.relkind = 'v' and a.attnum > 0 and not a.attisdropped
    union all
    select c.relname::text, null, 0, 'view', obj_description(c.oid, 'pg_class')
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'analytics' and c.relkind = 'v'
    union all
    select f.proname::text, null, 0, 'aggregate of ' || pg_get_function_arguments(f.oid) || ', '
        || format_type(f.prorettype, null), obj_description(f.oid, 'pg_proc')
    from pg_catalog.pg_proc f join pg_catalog.pg_namespace n on n.oid = f.pronamespace
    where n.nspname = 'analytics' and f.prokind = 'a'
    """,
    (
        Column("view_name", "text", "Name of the view, or of the function.", is_told=True),
        Column("column_name", "text", "Name of the column; null for the view itself."),
        Column("position", "integer", "Place of the column, from 1; 0 for the view itself.", is_told=True),
        Column("type", "text", "Type of the column as PostgreSQL prints it.", is_told=True),
        Column("description", "text", "What it is.", is_told=True),
    ),
    key=("view_name", "position"),
)

SCHEMA_VERSION = View(
    "schema_version",
    "One row: which version of the tables and of the views is in place.",
    r"""
    select v.version_num::text as revision,
        substring(obj_description(n.oid, 'pg_namespace') from 'Definition (\w+)') as definition
    from public.errhouse_schema_version v
    join pg_catalog.pg_namespace n on n.nspname = 'analytics'
    """,
    (
        Column("revision", "text", "The last migration of the tables.", is_told=True),
        Column("definition", "text", "Hash of what the views, their columns and comments are declared as."),
    ),
    key=("revision",),
)
