"""What an error of the database means for the rows in hand, as a table over SQLSTATEs."""

import struct
from types import SimpleNamespace

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError

from ingest.sqlstate import Verdict, told, verdict

HOLDS = ("D-09",)
RETRY = """
    08000 08001 08003 08004 08006 08P01 25006 40000 40001 40002 40003 40P01 53000 53100 53200 53300 53400 55000
    55006 55P03 57000 57014 57P01 57P02 57P03 57P04 57P05 58000 58030 58P01 XX000 XX001 XX002 25P02 26000 P0001
    23503 99999
"""
BISECT = """
    22000 22001 22003 22007 22008 22021 22P02 22P05 22023 23502 23505 21000 54000 54001 54011
"""
SCHEMA = """
    28000 28P01 3D000 3F000 42501 42P01 42703 42804 42601 42P10 42883 0A000
"""


class Fault(psycopg.Error):
    """An error as the driver raises it, with the code and the constraint that a test says."""

    def __init__(self, sqlstate: str, constraint: str | None = None, primary: str = "the message") -> None:
        self._sqlstate = sqlstate
        self._told = SimpleNamespace(constraint_name=constraint, message_primary=primary)
        super().__init__(f"{primary}\nDETAIL:  Failing row contains (secret).")

    @property
    def sqlstate(self) -> str:  # type: ignore[override]
        return self._sqlstate

    @property
    def diag(self) -> SimpleNamespace:  # type: ignore[override]
        return self._told


def wrapped(error: Exception) -> DBAPIError:
    return DBAPIError("insert", {"secret": "secret"}, error)


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        *((state, Verdict.RETRY) for state in RETRY.split()),
        *((state, Verdict.BISECT) for state in BISECT.split()),
        *((state, Verdict.SCHEMA) for state in SCHEMA.split()),
    ],
)
def test_each_code_has_its_verdict_wrapped_or_bare(state: str, wanted: Verdict) -> None:
    assert verdict(Fault(state)) is wanted
    assert verdict(wrapped(Fault(state))) is wanted


def test_a_check_with_a_name_is_a_bad_row_and_one_without_is_a_missing_partition() -> None:
    assert verdict(wrapped(Fault("23514", "ck_fact_event_level"))) is Verdict.BISECT
    assert verdict(wrapped(Fault("23514"))) is Verdict.PARTITION


@pytest.mark.parametrize(
    "error",
    [
        psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
        OverflowError("int too large to convert"),
        struct.error("'h' format requires -32768 <= number <= 32767"),
        TypeError("cannot dump"),
        ValueError("year is out of range"),
        KeyError("a fault of ours"),
    ],
)
def test_a_value_that_could_not_even_be_sent_or_that_we_stumble_over_is_a_bad_row(error: Exception) -> None:
    assert verdict(error) is Verdict.BISECT


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("connection is bad: no route to host"),
        OperationalError("select", {}, psycopg.OperationalError("server closed the connection unexpectedly")),
        InterfaceError("select", {}, psycopg.InterfaceError("the connection is closed")),
        ConnectionResetError(),
        TimeoutError(),
        MemoryError(),
    ],
)
def test_without_a_code_nothing_is_said_about_a_row(error: Exception) -> None:
    assert verdict(error) is Verdict.RETRY


def test_the_codes_are_those_the_driver_knows() -> None:
    known = {state for state in f"{RETRY} {BISECT} {SCHEMA}".split() if state != "99999"}
    assert [state for state in known if errors.lookup(state).sqlstate != state] == []


def test_what_is_told_holds_code_and_message_but_no_value_of_a_row() -> None:
    refused = ProgrammingError("select secret", {"secret": "secret"}, Fault("42P01", primary='no relation "x"'))
    assert told(refused) == 'Fault 42P01 no relation "x"'
    # messages of class 22 repeat the value
    assert told(wrapped(Fault("22P02", primary='invalid input syntax for type integer: "secret"'))) == "Fault 22P02"
    away = OperationalError("select", {}, psycopg.OperationalError("first\nserver closed the connection"))
    assert told(away) == "OperationalError server closed the connection"
    assert told(OverflowError("secret")) == "OverflowError"
