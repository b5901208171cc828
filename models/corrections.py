"""Who changes what is loaded already works alone: a correction must not write back what another has just removed."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text

from models.errors import ModelsError
from models.rebuild import hold

CORRECTION_LOCK = 0x657272636F7272  # "errcorr"

TRY_LOCK = text("select pg_try_advisory_xact_lock(:key)")
WAIT_LONGER = text("select set_config('lock_timeout', '60s', true)")
# A cursor is planned for its first rows otherwise.
ALL_IS_FETCHED = text("select set_config('cursor_tuple_fraction', '1', true)")
FOR_LONG = text("select set_config('idle_in_transaction_session_timeout', '0', true)")


class AnotherCorrects(ModelsError):
    """Another process corrects or erases right now."""


@contextmanager
def correcting(engine: Engine) -> Iterator[None]:
    """
    Be the only one, as long as this is open, that corrects or erases what is loaded.

    It holds one connection with an idle transaction, that sees nothing and so keeps nothing from being vacuumed.
    Raises: AnotherCorrects.
    """
    with engine.begin() as connection:
        connection.execute(FOR_LONG)
        if not connection.execute(TRY_LOCK, {"key": CORRECTION_LOCK}).scalar():
            raise AnotherCorrects("Another renormalize or erase is at work; wait until it is done and try again.")
        yield


def hold_patiently(connection: Connection, project_ids: Iterable[int]) -> None:
    """Keep loaders of these projects and folders waiting, as `models.rebuild.hold`, however busy they are."""
    connection.execute(WAIT_LONGER)
    hold(connection, project_ids)
