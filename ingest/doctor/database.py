"""The database: that it answers, what it is, and that what it commits is kept."""

from sqlalchemy import text

from ingest.doctor.finding import Context, Finding, Skip, ok, warning, wrong
from models.engine import NEWEST_VERSION, OLDEST_VERSION

VERSION = text("select current_setting('server_version_num')::int / 10000")
DURABILITY = text(
    "select name, setting from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes')"
)


def database(context: Context) -> Finding:
    """See that the database answers, and is a version that errhouse works with."""
    if not context.database.is_reached:
        if not context.database.is_wrong:
            raise Skip(context.database.why)
        return wrong(
            context.database.why,
            "See that it runs and takes connections from here, and that ERRHOUSE_DATABASE_URL is right; events wait "
            "in the spool meanwhile.",
        )
    with context.database.connect() as connection:
        major = int(connection.execute(VERSION).scalar_one())
    if major > NEWEST_VERSION:
        return warning(
            f"The database is PostgreSQL {major}, with which errhouse was not tried.",
            f"Use PostgreSQL {OLDEST_VERSION} to {NEWEST_VERSION}, or a newer errhouse.",
        )
    return ok(f"The database is PostgreSQL {major}.")


def durability(context: Context) -> Finding:
    """See that what the database says is committed is on its disk: the spool forgets what is loaded."""
    with context.database.connect() as connection:
        off = [str(row.name) for row in connection.execute(DURABILITY) if row.setting == "off"]
    if off:
        return warning(
            f"The database runs with {', '.join(sorted(off))} off: a crash of its machine loses what was loaded.",
            "Set it to on in postgresql.conf, or for errhouse's role and database, and reload.",
        )
    return ok("What the database commits is on its disk.")
