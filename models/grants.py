"""
What each of the three roles owns and may do, as statements that the server makes of its own catalog: only those that
are still missing, so that asking again costs nothing and locks nothing.
"""

from sqlalchemy import Connection, TextClause, text

from models.base import VERSION_TABLE
from models.ddl import run_made

OWNER = "errhouse_owner"
LOADER = "errhouse_loader"
ANALYST = "errhouse_analyst"

# Everything of errhouse's in this database, by another owner.
STRANGE = text(
    """
    with place as (select oid, nspname, nspowner from pg_namespace where nspname in ('warehouse', 'analytics'))
    select format('alter schema %I owner to %I', nspname, cast(:owner as name)) from place
    where pg_get_userbyid(nspowner) <> :owner
    union all
    select format('alter %s %s owner to %I', case c.relkind when 'v' then 'view' when 'm' then 'materialized view'
        when 'S' then 'sequence' else 'table' end, c.oid::regclass, cast(:owner as name))
    from pg_class c
    where c.relkind in ('r', 'p', 'v', 'm', 'S') and pg_get_userbyid(c.relowner) <> :owner
    and (c.relnamespace in (select oid from place) or c.oid = to_regclass(:version_table))
    union all
    select format('alter routine %s owner to %I', p.oid::regprocedure, cast(:owner as name))
    from pg_proc p where p.pronamespace in (select oid from place) and pg_get_userbyid(p.proowner) <> :owner
    """
)

# What loaders may do with tables and views, and analysts with views alone; now, and with what the owner makes later.
GRANTS = text(
    """
    with wanted (schema, kinds, role, privileges) as (values
        ('warehouse'::name, 'rp', cast(:loader as name), array['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
        ('analytics', 'vm', :loader, array['SELECT']),
        ('analytics', 'vm', :analyst, array['SELECT'])
    ), place as (select w.*, n.oid from wanted w join pg_namespace n on n.nspname = w.schema
        where pg_get_userbyid(n.nspowner) = :owner)
    select format('grant usage on schema %I to %I', schema, role) from place
    where not has_schema_privilege(role, oid, 'USAGE')
    union all
    select format('grant %s on %s to %I', array_to_string(privileges, ', '), c.oid::regclass, role)
    from place join pg_class c on c.relnamespace = place.oid and strpos(kinds, c.relkind::text) > 0
    where pg_get_userbyid(c.relowner) = :owner
    and exists (select from unnest(privileges) p where not has_table_privilege(role, c.oid, p))
    union all
    select format('grant select on %s to %I', c.oid::regclass, cast(:loader as name))
    from pg_class c where c.oid = to_regclass(:version_table) and pg_get_userbyid(c.relowner) = :owner
    and not has_table_privilege(cast(:loader as name), c.oid, 'SELECT')
    union all
    select format('alter default privileges for role %I in schema %I grant %s on tables to %I',
        cast(:owner as name), schema, array_to_string(privileges, ', '), role)
    from place where not exists (
        select from pg_default_acl d, aclexplode(d.defaclacl) a
        where d.defaclrole = cast(:owner as regrole) and d.defaclnamespace = place.oid and d.defaclobjtype = 'r'
        and a.grantee = cast(place.role as regrole)
    )
    """
)

# What the server lets everybody do and an analyst has no need of: to hold up loaders, whose turns are advisory locks,
# and to make large objects. Loaders keep it.
REVOKED = text(
    """
    select format('revoke execute on function %s from public', p.oid::regprocedure),
        format('grant execute on function %s to %I, %I', p.oid::regprocedure, cast(:owner as name),
            cast(:loader as name))
    from pg_proc p
    where p.pronamespace = 'pg_catalog'::regnamespace
    and (p.proname like 'pg\\_%advisory%' or p.proname in ('lo_creat', 'lo_create', 'lo_from_bytea'))
    and has_function_privilege('public', p.oid, 'EXECUTE')
    """
)
IS_OWNER = text(
    "select current_user = :owner and exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace "
    "where n.nspname = 'warehouse' and c.relname = 'fact_event' and pg_get_userbyid(c.relowner) = current_user)"
)


def is_owner(connection: Connection) -> bool:
    """Whether we are `errhouse_owner` now, and the warehouse is its."""
    return bool(connection.execute(IS_OWNER, {"owner": OWNER}).scalar())


def renew(connection: Connection) -> int:
    """Grant what is missing, as the owner of everything; return how many statements that took."""
    statements = made(connection, GRANTS)
    if statements:
        run_made(connection, *statements)
    return len(statements)


def made(connection: Connection, query: TextClause) -> list[str]:
    """Read the statements that are missing."""
    told = {"owner": OWNER, "loader": LOADER, "analyst": ANALYST, "version_table": f"public.{VERSION_TABLE}"}
    names = query.compile().params
    return [str(row[0]) for row in connection.execute(query, {name: told[name] for name in names})]
