"""
The three roles: the owner of everything, loaders that write, analysts that read the views; made once, or made whole.

Nobody logs in as one of them: logins are members (`models.logins`). A loader may become the owner, for what only an
owner can do, but does not have its rights meanwhile: policies must tell the two apart (`models.rls`).
"""

from datetime import timedelta
from functools import partial
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import errors
from sqlalchemy import Connection, Engine, text

from models.ddl import attempted, patiently, run, run_made
from models.errors import ModelsError
from models.grants import ANALYST, LOADER, OWNER, REVOKED, STRANGE, made, renew
from models.ownership import as_owner

GROUPS = (OWNER, LOADER, ANALYST)
SIGNALLERS = ("pg_signal_backend", "pg_read_all_stats")  # of PostgreSQL; to see and to cancel what others do
SEPARATE_INHERITANCE = 160_000  # from this version on a grant says itself whether its rights are inherited

ME = text(
    """
    select current_user as name, r.rolsuper as is_superuser, r.rolsuper or r.rolcreaterole as may_make_roles,
        current_setting('server_version_num')::int as version, current_database() as database,
        pg_get_userbyid(n.nspowner) as former_owner, o.rolsuper as is_former_superuser
    from pg_roles r, pg_namespace n left join pg_roles o on o.oid = n.nspowner
    where r.rolname = current_user and n.nspname = 'warehouse'
    """
)
EXISTING = text(
    "select rolname, rolsuper or rolbypassrls or rolcanlogin as is_unfit from pg_roles where rolname = any(:names)"
)
IS_MEMBER = text("select pg_has_role(cast(:member as name), cast(:role as name), 'MEMBER')")
MEMBERS = text(
    """
    select r.rolname as name, g.rolname as of
    from pg_auth_members m join pg_roles r on r.oid = m.member join pg_roles g on g.oid = m.roleid
    where g.rolname = any(:names) and r.rolname <> all(:names) group by 1, 2 order by 2, 1
    """
)
MAY_CREATE = text(
    "select has_schema_privilege(cast(:owner as name), 'public', 'CREATE') "
    "and has_database_privilege(cast(:owner as name), current_database(), 'CREATE')"
)
IS_READY = text(
    """
    select exists (
        select from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'warehouse' and c.relname = 'fact_event' and pg_get_userbyid(c.relowner) = :owner
    )
    """
)
PUBLIC_RIGHTS = text(
    """
    select has_database_privilege('public', current_database(), 'TEMPORARY') as is_temporary,
        has_schema_privilege('public', 'public', 'CREATE') as is_create
    """
)

# Analysts that work for longer than they may: a statement is cancelled; who sits in a transaction for twice as long, or
# goes on and on in one, is thrown out, for that keeps maintenance waiting.
OVERLONG = text(
    """
    with late as (
        select pid, state = 'active' and query_start < :now - cast(:most as interval) as is_long,
            state like 'idle in transaction%' and state_change < :now - 2 * cast(:most as interval)
            or xact_start < :now - 10 * cast(:most as interval) as is_stuck
        from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
        and usesysid in (
            select r.oid from pg_roles r where pg_has_role(r.oid, cast(:analyst as name), 'MEMBER')
            and not pg_has_role(r.oid, cast(:owner as name), 'MEMBER')
        )
    ), told as materialized (
        select case when is_stuck then pg_terminate_backend(pid) else pg_cancel_backend(pid) end as is_told
        from late where is_long or is_stuck
    )
    select count(*) from told where is_told
    """
)
MAY_CANCEL = text(
    "select rolsuper or pg_has_role(current_user, 'pg_signal_backend', 'USAGE') from pg_roles "
    "where rolname = current_user"
)
SERVER_TIME = text("select clock_timestamp()")


class RolesError(ModelsError):
    """Roles cannot be made or used so; the message says why and what to do."""


class Made(NamedTuple):
    """The roles there are, who is a member of each, and what could not be set."""

    members: dict[str, list[str]]
    notes: list[str]


def is_ready(connection: Connection) -> bool:
    """Whether `set_up` was run over this database: the warehouse belongs to the owner."""
    return bool(connection.execute(IS_READY, {"owner": OWNER}).scalar())


def set_up(engine: Engine) -> Made:
    """
    Make the roles, give the owner everything and the others their rights; what is so already is left alone.

    Each step is short and commits by itself, so that loading goes on meanwhile.
    Raises: RolesError; models.ddl.Busy.
    """
    with engine.connect() as connection:
        me = connection.execute(ME).one()
    if not me.may_make_roles:
        raise RolesError(
            f"The role {me.name} may not make roles; run it once with the URL of a superuser, or of a role with "
            "CREATEROLE that owns the database."
        )
    notes: list[str] = []
    try:
        patiently(engine, partial(_make_groups, version=me.version))
        members = {me.name: me.is_superuser, me.former_owner: me.is_former_superuser}
        for name in sorted(name for name, is_superuser in members.items() if not is_superuser and name != OWNER):
            patiently(engine, partial(_join, name=name, version=me.version))
        patiently(engine, partial(_open_database, database=me.database))
        with engine.connect() as connection:
            strange = made(connection, STRANGE)
        for statement in strange:
            patiently(engine, partial(_run, statement=statement))
        patiently(engine, _renew)
        patiently(engine, partial(_close_database, database=me.database, is_superuser=me.is_superuser, notes=notes))
    except (errors.InsufficientPrivilege, errors.InvalidGrantOperation) as error:
        raise RolesError(
            f"The role {me.name} may not do what is needed ({str(error).splitlines()[0]}); "
            "run it once with the URL of a superuser."
        ) from None
    except psycopg.Error as error:
        raise RolesError(
            f"The roles could not be made ({str(error).splitlines()[0]}); mend that and run it again."
        ) from None
    with engine.connect() as connection:
        return Made(members_of(connection), notes)


def members_of(connection: Connection) -> dict[str, list[str]]:
    """Read which logins are members of each role."""
    found: dict[str, list[str]] = {name: [] for name in GROUPS}
    for name, group in connection.execute(MEMBERS, {"names": list(GROUPS)}):
        found[group].append(name)
    return found


def grant_membership(connection: Connection, role: LiteralString, to: str, version: int, *, is_inherited: bool) -> None:
    """Make a role a member of one of ours. Before PostgreSQL 16 the member's own INHERIT decides, for all it is in."""
    if version < SEPARATE_INHERITANCE:
        run(connection, "grant {} to {}", role, to)
    elif is_inherited:
        run(connection, "grant {} to {} with inherit true, set true", role, to)
    else:
        run(connection, "grant {} to {} with inherit false, set true", role, to)


def cancel_overlong(connection: Connection, most: timedelta) -> int:
    """
    End what analysts have been at for longer than `most`; return how many were told to stop.

    The limits on a login are its own to change, so this is what makes them hold. Does nothing without the roles.
    """
    if not connection.execute(EXISTING, {"names": [ANALYST]}).all():
        return 0
    told = {"now": connection.execute(SERVER_TIME).scalar_one(), "most": most, "analyst": ANALYST, "owner": OWNER}
    if connection.execute(MAY_CANCEL).scalar():
        return int(connection.execute(OVERLONG, told).scalar_one())
    with as_owner(connection):
        may_cancel = connection.execute(MAY_CANCEL).scalar()
        return int(connection.execute(OVERLONG, told).scalar_one()) if may_cancel else 0


def _make_groups(connection: Connection, version: int) -> None:
    there = {row[0]: bool(row[1]) for row in connection.execute(EXISTING, {"names": list(GROUPS)})}
    for name, is_unfit in there.items():
        if is_unfit:
            raise RolesError(
                f"There is a role {name} that may log in, or may do everything; rename it, for errhouse uses that name."
            )
    if OWNER not in there:
        run(connection, "create role {} nologin", OWNER)
    if LOADER not in there:
        run(connection, "create role {} nologin noinherit", LOADER)
    if ANALYST not in there:
        run(connection, "create role {} nologin", ANALYST)
    if not _is_member(connection, LOADER, OWNER):
        grant_membership(connection, OWNER, LOADER, version, is_inherited=False)


def _join(connection: Connection, name: str, version: int) -> None:
    """Keep a login that owned the warehouse, or that runs this, able to do what it did."""
    for role in (OWNER, LOADER):
        grant_membership(connection, role, name, version, is_inherited=True)


def _open_database(connection: Connection, database: str) -> None:
    run(connection, "grant create, temporary on database {} to {}", database, OWNER)
    run(connection, "grant temporary on database {} to {}", database, LOADER)
    attempted(connection, "grant usage, create on schema public to {}", OWNER)
    if not connection.execute(MAY_CREATE, {"owner": OWNER}).scalar():
        raise RolesError(
            f"Database {database} or its schema public belongs to another role; "
            "run it once with the URL of a superuser."
        )


def _run(connection: Connection, statement: str) -> None:
    run_made(connection, statement)


def _renew(connection: Connection) -> None:
    with as_owner(connection):
        renew(connection)


def _close_database(connection: Connection, database: str, is_superuser: bool, notes: list[str]) -> None:
    """Take from everybody what analysts have no need of, and let the owner cancel their queries."""
    public: Any = connection.execute(PUBLIC_RIGHTS).one()
    if public.is_temporary:
        run(connection, "revoke temporary on database {} from public", database)
    if public.is_create:
        run(connection, "revoke create on schema public from public")
    if is_superuser:
        for statement in connection.execute(REVOKED, {"owner": OWNER, "loader": LOADER}).all():
            run_made(connection, *statement)
    else:
        notes.append(
            "Analysts can take advisory locks and make large objects, and so hold up loading: only a superuser can "
            "forbid it, by running this once."
        )
    lacking = [role for role in SIGNALLERS if not _is_member(connection, OWNER, role)]
    notes += [
        f"Only a superuser can `grant {role} to {OWNER}`; without it the time of analysts' queries is not limited."
        for role in lacking
        if not attempted(connection, "grant {} to {}", role, OWNER)
    ]


def _is_member(connection: Connection, member: str, role: str) -> bool:
    return bool(connection.execute(IS_MEMBER, {"member": member, "role": role}).scalar())
