"""How the database is reached: one engine a process, and what is asked of the server before it is used."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any

from psycopg import Error as PsycopgError
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from models import embedded
from models.errors import ModelsError
from models.settings import Settings
from models.watch import Watch

if TYPE_CHECKING:
    from psycopg import Connection as Driver
    from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect

OLDEST_VERSION = 15
NEWEST_VERSION = 18
CONNECT_SECONDS = 5
SERVER = text("select current_setting('server_version_num'), current_setting('TimeZone')")


class DatabaseError(ModelsError):
    """The database cannot be used; the message says why and what to do. An outage may be over soon."""

    def __init__(self, message: str, *, is_outage: bool = False) -> None:
        super().__init__(message)
        self.is_outage = is_outage


def engine_for(
    url: str,
    *,
    application: str = "errhouse",
    pool_size: int = 2,
    overflow: int = 2,
    is_patient: bool = False,
    tries: int = 1,
    connect_seconds: int = CONNECT_SECONDS,
) -> Engine:
    """
    Make the engine for a `postgresql://` URL; connects on first use.

    Takes: `pool_size`, how many connections are kept at most, and `overflow`, how many more there may be for a while;
    `is_patient`, for a process that runs on: whether to ask for a connection once a second at most while none is given,
    to say so to who asks meanwhile, and to watch those there are; `tries`, how often in a row a new one must get no
    answer before a silent one is ended. Dead peers are noticed within some ten seconds.
    """
    try:
        parsed = make_url(url)
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=overflow,
            pool_pre_ping=True,
            connect_args={
                "application_name": application,
                "connect_timeout": connect_seconds,
                "tcp_user_timeout": 10_000,
                "keepalives_idle": 5,
                "keepalives_interval": 2,
                "keepalives_count": 3,
                "options": "-c timezone=UTC -c jit=off -c lock_timeout=5s -c idle_in_transaction_session_timeout=5min",
            },
        )
    except (ArgumentError, ValueError):
        raise DatabaseError(
            "ERRHOUSE_DATABASE_URL is not a URL; write it as postgresql://user:password@host:port/name."
        ) from None
    event.listen(engine, "connect", _heed_pooler)
    if is_patient:
        Watch(engine, tries)  # whose refusal comes first: listeners are asked in the order in which they were made
        event.listen(engine, "do_connect", _Patience().connect)
    return engine


class _Patience:
    """Asks for a connection again a second after none was given, at the earliest; who asks before hears the same."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._refusal: tuple[type[PsycopgError], tuple[Any, ...]] | None = None
        self._again_at = 0.0

    def connect(self, dialect: "Dialect", _: object, arguments: list[Any], named: dict[str, Any]) -> "DBAPIConnection":
        """Connect. Raises: psycopg.Error."""
        with self._lock:
            if self._refusal is not None and monotonic() < self._again_at:
                kind, said = self._refusal
                raise kind(*said)
            self._again_at = monotonic() + _pause()  # until it is known what became of it
        try:
            made = dialect.connect(*arguments, **named)
        except PsycopgError as error:
            self._refusal, self._again_at = (type(error), error.args), monotonic() + _pause()
            raise
        self._refusal = None
        return made


def _pause() -> float:
    return random.uniform(1.0, 1.25)  # noqa: S311 - spreads attempts, no secret


def _heed_pooler(driver: "Driver", _: object) -> None:
    """
    Let psycopg prepare no statement behind a pooler, whose next transaction may reach another server process.

    A pooler tells a process number of its own making, and the server its true one.
    """
    told = driver.pgconn.exec_(b"select pg_backend_pid()").get_value(0, 0)
    if told != b"%d" % driver.info.backend_pid:
        driver.prepare_threshold = None


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """Give the URL of the database in use; without a setting, of the embedded one, which runs while this is open."""
    if settings.DATABASE_URL:
        yield settings.DATABASE_URL
    else:
        with embedded.running(settings.DATA_DIR) as url:
            yield url


def check_server(engine: Engine) -> int:
    """
    Return the server's major version.

    Raises: DatabaseError when it does not answer, refuses us, or is not a version errhouse works with.
    """
    where = f"{engine.url.host or 'a local socket'}:{engine.url.port or 5432}/{engine.url.database}"
    try:
        with engine.connect() as connection:
            number, timezone = connection.execute(SERVER).one()
    except (OperationalError, DBAPIError) as error:
        said = str(error.orig).strip().splitlines()[-1] if error.orig else "no answer"
        raise DatabaseError(
            f"The database at {where} cannot be reached ({said}); check ERRHOUSE_DATABASE_URL and that it runs.",
            is_outage=True,
        ) from None
    major = int(number) // 10_000
    if major < OLDEST_VERSION:
        raise DatabaseError(
            f"The database at {where} is PostgreSQL {major}; errhouse needs {OLDEST_VERSION} to {NEWEST_VERSION}."
        )
    if timezone != "UTC":
        raise DatabaseError(
            f"A pooler keeps the settings of a connection from the database at {where}, and its days would be those of "
            f"{timezone}; run `alter role {engine.url.username} set timezone = 'UTC'`, and see docs/how-to/run-it.md."
        )
    return major
