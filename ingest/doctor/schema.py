"""What errhouse needs in the database: the newest tables, the rights to use them, and partitions for days to come."""

from datetime import date, timedelta

from sqlalchemy import text

from ingest.doctor.finding import Context, Finding, Skip, named, ok, wrong
from models import migrate
from models.partitions import EVENTS, leaves

# Rights of ours, by those that `errhouse db roles` gives to loaders, that are missing.
MISSING = text(
    """
    with wanted (schema, kinds, privileges) as (values
        ('warehouse'::name, 'rp', array['SELECT', 'INSERT', 'UPDATE', 'DELETE']), ('analytics', 'v', array['SELECT']))
    select lower(p.privilege) as privilege, w.schema || '.' || c.relname as name
    from wanted w
    join pg_namespace n on n.nspname = w.schema
    join pg_class c on c.relnamespace = n.oid and strpos(w.kinds, c.relkind::text) > 0 and not c.relispartition
    cross join unnest(w.privileges) as p (privilege)
    where not has_schema_privilege(n.oid, 'USAGE') or not has_table_privilege(c.oid, p.privilege)
    order by 2, 1
    """
)
WHO = text("select current_user")


def migrations(context: Context) -> Finding:
    """See that the tables are those of this errhouse."""
    known = migrate.known()
    with context.database.connect() as connection:
        found = migrate.current(connection)
    if found == known[0]:
        return ok("The tables are the newest.")
    if found is None:
        return wrong("The database has no tables of errhouse.", "`errhouse db upgrade` makes them; `serve` does too.")
    if found in known:
        return wrong(
            f"The tables are {known.index(found)} migrations behind this errhouse.",
            "`errhouse db upgrade` brings them up to date; so does starting `errhouse serve`.",
        )
    return wrong(f"The tables ({found}) are newer than this errhouse.", "Start the newer errhouse that made them.")


def grants(context: Context) -> Finding:
    """See that the role that we connect as may read and write what it must."""
    with context.database.connect() as connection:
        missing = [f"{row.privilege} on {row.name}" for row in connection.execute(MISSING)]
        who = connection.execute(WHO).scalar_one()
    if missing:
        return wrong(
            f"The role {who} lacks {named(missing)}.",
            "Run `errhouse db roles` as the owner of the database, which grants it again; or grant it by hand.",
        )
    return ok(f"The role {who} may do what it must.")


def partitions(context: Context) -> Finding:
    """See that there is a place for events of today and of the days ahead."""
    today = context.clock().date()
    # the last of the days is only made in the hour after midnight
    wanted = [today + timedelta(days=offset) for offset in range(context.settings.PARTITIONS_AHEAD_DAYS)]
    missing: dict[date, str] = {}
    with context.database.connect() as connection:
        if migrate.current(connection) is None:
            raise Skip("The database has no tables of errhouse.")
        for parent in EVENTS:
            there = leaves(connection, parent.name)
            for day in wanted:
                if not any(leaf.first <= day < leaf.end for leaf in there):
                    missing.setdefault(day, parent.name)
    if missing:
        first = min(missing)
        return wrong(
            f"{missing[first]} has no partition for {first}, nor for {len(missing) - 1} more days."
            if len(missing) > 1
            else f"{missing[first]} has no partition for {first}.",
            "`errhouse db maintain` makes what is missing and says what hinders it; the scheduler does so every hour.",
        )
    return ok(f"There are partitions up to {wanted[-1]}.")
