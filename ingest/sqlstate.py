"""What a database error means for the rows in hand: try again, look for the bad row, or stop and call someone."""

import struct
from enum import Enum

from psycopg import Error as PsycopgError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

OUT_OF_TIME = "57014"  # statement_timeout, or someone cancelled it
NO_PARTITION = "23514"  # a real CHECK carries the constraint's name, a missing partition does not


class Verdict(Enum):
    """What to do with a batch after an error."""

    RETRY = "retry"  # an outage, a lock, a deadlock: the rows are good
    BISECT = "bisect"  # one row cannot be stored: find it, and set it aside alone
    PARTITION = "partition"  # the day of a row has no partition: make it
    SCHEMA = "schema"  # the database is not as the program expects: keep spooling, call the operator


DATABASE_ERRORS = (SQLAlchemyError, OSError)
UNSENDABLE = (TypeError, ValueError, OverflowError, struct.error)  # UnicodeEncodeError is a ValueError
_BISECT = ("22", "54", "21")
_BISECT_EXACT = frozenset({"23502", "23505", "23514"})
_SCHEMA = ("28", "3D", "42", "3F", "0A")


def verdict(error: BaseException) -> Verdict:
    """
    Classify an error from loading.

    What is not listed is tried again, outages, locks, read-only standbys and codes nobody knows: a row is set aside
    only when the server said that it is at fault, when one of its values could not even be sent, or when our own code
    stumbled over it.
    Source: PostgreSQL documentation, appendix A; `23514` without a constraint name is ExecFindPartition's.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(cause, UNSENDABLE) or not isinstance(error, (*DATABASE_ERRORS, PsycopgError, MemoryError)):
        return Verdict.BISECT
    state = getattr(cause, "sqlstate", None)
    if state is None:
        return Verdict.BISECT if type(cause).__name__ == "DataError" else Verdict.RETRY
    if state == NO_PARTITION and getattr(getattr(cause, "diag", None), "constraint_name", None) is None:
        return Verdict.PARTITION
    if state in _BISECT_EXACT or state.startswith(_BISECT):
        return Verdict.BISECT
    if state.startswith(_SCHEMA):
        return Verdict.SCHEMA
    return Verdict.RETRY


def is_out_of_time(error: BaseException) -> bool:
    """Say whether the server gave up a statement, as it does after `statement_timeout`: less may be done in time."""
    return getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None) == OUT_OF_TIME


def told(error: BaseException) -> str:
    """Say an error in one line without the values of any row: code and class, never DETAIL or parameters."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    state = getattr(cause, "sqlstate", None)
    diag = getattr(cause, "diag", None)
    message = getattr(diag, "message_primary", None) if state and not state.startswith("22") else None
    if message is None and isinstance(error, (OperationalError, InterfaceError)):
        message = (str(cause).strip().splitlines() or [""])[-1]
    parts = [type(cause).__name__, state or "", message or ""]
    return " ".join(part for part in parts if part)
