"""
Row-level security: an analyst that is limited to projects reads rows of these alone, through every view.

The views belong to the owner, whom FORCE subjects to policies too; a policy asks `current_user`, which within a view is
still the analyst. So no policy may be for the owner: through the views it would be everybody's. The owner itself, when
somebody has become it, sees every project like a role that may see all.
"""

from functools import partial
from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import Connection, Engine, Table, text

from models import Base
from models.base import ANALYTICS, WAREHOUSE
from models.ddl import patiently, run_made
from models.grants import LOADER, OWNER
from models.ownership import as_owner
from models.roles import RolesError, is_ready

UNGUARDED = frozenset({"analyst_project"})  # what the policies ask; no view reads it, and analysts have no rights on it
MARK = "fact_event"  # what is on for the fact is meant for all
POLICIES = ("by_project", "for_loader")

# Both run as the owner, who alone may read whom is allowed what. They tell a session of nobody but itself and of roles
# that it may become, and names that are no role any more disturb nobody.
FUNCTIONS = (
    f"""
    create or replace function {ANALYTICS}.allowed_all_projects(asked name) returns boolean
    language sql stable security definer parallel safe set search_path = pg_catalog, pg_temp
    as $$
        select pg_has_role(session_user, asked, 'MEMBER') and (pg_has_role(asked, '{OWNER}', 'MEMBER') or exists (
            select from {WAREHOUSE}.analyst_project a join pg_roles r on r.rolname = a.role_name
            where a.project_id = 0 and pg_has_role(asked, r.oid, 'MEMBER')
        ))
    $$
    """,  # noqa: S608 - names are our constants
    f"""
    create or replace function {ANALYTICS}.allowed_projects(asked name) returns bigint[]
    language sql stable security definer parallel safe set search_path = pg_catalog, pg_temp
    as $$
        select case when not pg_has_role(session_user, asked, 'MEMBER') then '{{}}'
            when {ANALYTICS}.allowed_all_projects(asked)
                then array(select project_id from {WAREHOUSE}.dim_project)
            else array(
                select distinct a.project_id from {WAREHOUSE}.analyst_project a
                join pg_roles r on r.rolname = a.role_name
                where a.project_id <> 0 and pg_has_role(asked, r.oid, 'MEMBER')
            ) end
    $$
    """,  # noqa: S608 - as above
)
FUNCTION = f"{ANALYTICS}.allowed_projects(name)"

_IS_ALLOWED = f"project_id = any((select {ANALYTICS}.allowed_projects(current_user))::bigint[])"
_IS_ALLOWED_ALL = f"(select {ANALYTICS}.allowed_all_projects(current_user))"

STATE = text(
    """
    select c.relname, c.relrowsecurity and c.relforcerowsecurity and count(p) = 2 as is_guarded,
        c.relrowsecurity or c.relforcerowsecurity or count(p) > 0 as is_touched
    from pg_class c left join pg_policy p on p.polrelid = c.oid and p.polname = any(:policies)
    where c.relnamespace = to_regnamespace(:schema) and c.relname = any(:tables)
    group by c.oid
    """
)
IS_MEANT = text(
    "select relforcerowsecurity from pg_class c join pg_namespace n on n.oid = c.relnamespace "
    "where n.nspname = :schema and c.relname = :table"
)
DEFINITION = text("select obj_description(to_regprocedure(:function), 'pg_proc')")
ANALYSTS = text(
    """
    select r.rolname as name, analytics.allowed_all_projects(r.rolname) as is_all,
        array(select unnest(analytics.allowed_projects(r.rolname)) order by 1) as project_ids
    from pg_roles r
    where r.rolcanlogin and pg_has_role(r.oid, 'errhouse_analyst', 'MEMBER')
    and not pg_has_role(r.oid, 'errhouse_owner', 'MEMBER') and not r.rolsuper order by r.rolname
    """
)

# What would make the policies leak, or hide what must be seen.
LEAKS = text(
    """
    select format('analytics.%I is not a plain view of the owner, so it shows every project; '
        'run `errhouse db roles`.', c.relname)
    from pg_class c
    where c.relnamespace = to_regnamespace('analytics') and c.relkind in ('v', 'm', 'r', 'p', 'f')
    and (pg_get_userbyid(c.relowner) <> :owner or c.relkind <> 'v')
    union all
    select format('analytics.%I is read with the rights of who asks, and analysts have none on tables; '
        'take security_invoker from it.', c.relname)
    from pg_class c
    where c.relnamespace = to_regnamespace('analytics') and c.relkind = 'v'
    and exists (select from unnest(c.reloptions) o where o like 'security_invoker=%' and o !~ '=(false|off|no|0)$')
    union all
    select format('Policy %I on %s is not of errhouse and may show rows of every project; drop it.',
        p.polname, p.polrelid::regclass)
    from pg_policy p join pg_class c on c.oid = p.polrelid
    where c.relnamespace = to_regnamespace('warehouse') and p.polpermissive and p.polname <> all(:policies)
    union all
    select format('Role %I is a superuser or has BYPASSRLS, and sees every project.', r.rolname)
    from pg_roles r
    where (r.rolbypassrls or r.rolsuper) and (r.rolname = :owner or exists (
        select from pg_auth_members m join pg_roles g on g.oid = m.roleid
        where m.member = r.oid and g.rolname = 'errhouse_analyst'
    ))
    """
)


class Analyst(NamedTuple):
    """An analyst's login, and the projects it may read: `is_all` for those to come, too."""

    name: str
    is_all: bool
    project_ids: list[int]


class State(NamedTuple):
    """Whether it is on, for how many tables of how many, who may read what, and what is wrong."""

    is_on: bool
    guarded: int
    tables: int
    analysts: list[Analyst]
    findings: list[str]


def guarded_tables() -> list[Table]:
    """Give every table that policies are for, the fact first: what is on for it is meant for all."""
    tables = [table for table in Base.metadata.sorted_tables if table.name not in UNGUARDED]
    return sorted(tables, key=lambda table: (table.name != MARK, table.name))


def enable(engine: Engine) -> State:
    """
    Switch it on, or make it whole; each table in a short transaction of its own, so that loading goes on.

    Raises: RolesError when the owner does not own everything; models.ddl.Busy.
    """
    with engine.connect() as connection:
        if not is_ready(connection):
            raise RolesError("The roles are not made yet; run `errhouse db roles` first.")
        leaks = _leaks(connection)
    if leaks:
        raise RolesError(leaks[0])
    patiently(engine, _make_functions)
    for table in guarded_tables():
        patiently(engine, partial(_guard, table=table))
    with engine.connect() as connection:
        return state(connection)


def disable(engine: Engine) -> State:
    """Switch it off, and remove the policies."""
    for table in guarded_tables():
        patiently(engine, partial(_release, table=table))
    with engine.connect() as connection:
        return state(connection)


def renew(connection: Connection) -> int:
    """Guard what an upgrade has added, where it is on; return how many tables. The caller is the owner, and commits."""
    if not connection.execute(IS_MEANT, {"schema": WAREHOUSE, "table": MARK}).scalar():
        return 0
    guarded = _states(connection)
    is_old = connection.execute(DEFINITION, {"function": FUNCTION}).scalar() != _definition()
    if is_old:
        _make_functions(connection)
    missing = [table for table in guarded_tables() if is_old or guarded.get(table.name, (False, False)) != (True, True)]
    for table in missing:
        _guard(connection, table)
    return len(missing)


def state(connection: Connection) -> State:
    """Read whether it is on, and look for what would make it leak."""
    is_on = bool(connection.execute(IS_MEANT, {"schema": WAREHOUSE, "table": MARK}).scalar())
    states = _states(connection)
    names = [table.name for table in guarded_tables()]
    guarded = [name for name in names if states.get(name, (False, False))[0]]
    touched = [name for name in names if states.get(name, (False, False))[1]]
    if not is_on:
        left = [f"{WAREHOUSE}.{name} still has policies; run `errhouse db rls disable` again." for name in touched]
        return State(is_on, len(guarded), len(names), [], left)
    findings = [
        f"{WAREHOUSE}.{name} has no policies; run `errhouse db rls enable` again."
        for name in names
        if name not in guarded
    ]
    if connection.execute(DEFINITION, {"function": FUNCTION}).scalar() != _definition():
        findings.append("The functions that policies ask are not those of this errhouse; run `errhouse db upgrade`.")
        return State(is_on, len(guarded), len(names), [], [*findings, *_leaks(connection)])
    analysts = [Analyst(*row) for row in connection.execute(ANALYSTS)]
    findings += _leaks(connection)
    return State(is_on, len(guarded), len(names), analysts, findings)


def policy(table: Table) -> str:
    """
    Give the condition for everybody but loaders.

    Rows of no project, and tables that do not tell projects apart, are for those who may see all. Of projects
    themselves the owner sees every row unasked, for `allowed_projects` reads them as the owner.
    """
    column = table.c.get("project_id")
    if column is None:
        return _IS_ALLOWED_ALL
    if table.name == "dim_project":
        return f"current_user = '{OWNER}' or {_IS_ALLOWED}"
    return f"{_IS_ALLOWED} or project_id is null and {_IS_ALLOWED_ALL}" if column.nullable else _IS_ALLOWED


def _definition() -> str:
    """Name what is in place, so that a later errhouse sees whether it is its own."""
    parts = (*FUNCTIONS, *(f"{table.name} {policy(table)}" for table in guarded_tables()))
    mark = sha256(repr(parts).encode()).hexdigest()[:16]
    return f"Which projects a role may read; asked by policies. Definition {mark}."


def _states(connection: Connection) -> dict[str, tuple[bool, bool]]:
    told = {"schema": WAREHOUSE, "tables": [t.name for t in guarded_tables()], "policies": list(POLICIES)}
    return {name: (guarded, touched) for name, guarded, touched in connection.execute(STATE, told)}


def _leaks(connection: Connection) -> list[str]:
    return list(connection.execute(LEAKS, {"owner": OWNER, "policies": list(POLICIES)}).scalars())


def _make_functions(connection: Connection) -> None:
    with as_owner(connection):
        run_made(connection, *FUNCTIONS, f"comment on function {FUNCTION} is '{_definition()}'")


def _guard(connection: Connection, table: Table) -> None:
    with as_owner(connection):
        name = f"{WAREHOUSE}.{table.name}"
        run_made(
            connection,
            *_dropped(name),
            f"create policy by_project on {name} using ({policy(table)})",
            f"create policy for_loader on {name} to {LOADER} using (true) with check (true)",
            f"alter table {name} enable row level security, force row level security",
        )


def _release(connection: Connection, table: Table) -> None:
    with as_owner(connection):
        name = f"{WAREHOUSE}.{table.name}"
        run_made(
            connection,
            f"alter table {name} disable row level security, no force row level security",
            *_dropped(name),
        )


def _dropped(name: str) -> tuple[str, ...]:
    return tuple(f"drop policy if exists {policy} on {name}" for policy in POLICIES)
