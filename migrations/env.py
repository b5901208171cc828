"""
How migrations run: one process at a time (advisory lock), never waiting long for a lock.

The connection is handed over by `models.migrate`; a plain `alembic` command reads the URL from the settings, and puts
the views in place itself.
"""

import re

from alembic import context
from sqlalchemy import Connection, text

import models
from models import migrate
from models.base import WAREHOUSE
from models.engine import database_url, engine_for
from models.ownership import become_owner
from models.settings import load_settings

MIGRATION_LOCK = 0x657272686F757365  # "errhouse"
LEAF = re.compile(r"_p\d{4}_\d{2}_\d{2}(_detached_[0-9a-f]{8})?$")


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """Look at our schema only, and not at the partitions, which come and go without a migration."""
    if kind == "schema":
        return name == WAREHOUSE
    return not (kind == "table" and name is not None and LEAF.search(name))


def run(connection: Connection) -> None:
    """Migrate over this connection, in one transaction, under the lock."""
    context.configure(
        connection=connection,
        target_metadata=models.Base.metadata,
        include_schemas=True,
        include_name=include_name,
        version_table_schema="public",
        version_table="errhouse_schema_version",
        compare_type=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        connection.execute(text("set local lock_timeout = 0"))  # another one's migration may take its time
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        connection.execute(text("set local lock_timeout = '4s'"))
        connection.execute(text("set local statement_timeout = '60s'"))
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with database_url(load_settings()) as url, engine_for(url).connect() as connected:
        become_owner(connected, local=False)
        connected.commit()
        run(connected)
        if connected.execute(text("select to_regclass('warehouse.fact_event')")).scalar():
            migrate.finish(connected)
        connected.commit()
