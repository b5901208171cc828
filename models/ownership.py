"""
The warehouse's owner makes and changes its tables; whoever else may become it does so for that, and then returns.

So a loader loads as itself, and yet makes a partition in the middle of its work. Before `errhouse db roles` the login
is the owner, and nothing happens here.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, text

# Who owns the warehouse, where that is not us and we may become it, and whom we are taken for now. `SET ROLE` is
# judged by the login.
OTHER_OWNER = text(
    """
    select pg_get_userbyid(c.relowner) as owner, current_setting('role') as before
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'warehouse' and c.relname = 'fact_event' and pg_get_userbyid(c.relowner) <> current_user
    and pg_has_role(
        session_user, c.relowner,
        case when current_setting('server_version_num')::int < 160000 then 'MEMBER' else 'SET' end
    )
    """
)
SET_ROLE = text("select set_config('role', :role, :local)")


def become_owner(connection: Connection, *, local: bool = True) -> str | None:
    """
    Become the owner of the warehouse where we are not and may; return who we were, None when nothing was changed.

    Takes: `local`: until the transaction ends, else until the connection does or `as_owner` is left.
    """
    found = connection.execute(OTHER_OWNER).one_or_none()
    if found is None:
        return None
    connection.execute(SET_ROLE, {"role": found.owner, "local": local})
    return str(found.before)


@contextmanager
def as_owner(connection: Connection, *, local: bool = True) -> Iterator[None]:
    """Be the owner of the warehouse within this context; `local=False` where every statement commits by itself."""
    before = become_owner(connection, local=local)
    try:
        yield
    finally:
        # a transaction that failed can be told nothing more, and takes its settings back itself
        if before is not None and not _is_failed(connection):
            connection.execute(SET_ROLE, {"role": before, "local": local})


def _is_failed(connection: Connection) -> bool:
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - an open connection has one
    return driver.closed or driver.info.transaction_status not in {TransactionStatus.IDLE, TransactionStatus.INTRANS}
