"""How the database is reached: one engine a process, and what is asked of the server before it is used."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from models import embedded
from models.errors import ModelsError
from models.settings import Settings

OLDEST_VERSION = 15
NEWEST_VERSION = 18
CONNECT_SECONDS = 5


class DatabaseError(ModelsError):
    """The database cannot be used; the message says why and what to do. An outage may be over soon."""

    def __init__(self, message: str, *, is_outage: bool = False) -> None:
        super().__init__(message)
        self.is_outage = is_outage


def engine_for(
    url: str, *, application: str = "errhouse", pool_size: int = 2, connect_seconds: int = CONNECT_SECONDS
) -> Engine:
    """
    Make the engine for a `postgresql://` URL; connects on first use.

    Dead peers are noticed within some ten seconds; a statement never waits for ever.
    """
    try:
        parsed = make_url(url)
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=2,
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
            number = int(connection.execute(text("select current_setting('server_version_num')")).scalar_one())
    except (OperationalError, DBAPIError) as error:
        said = str(error.orig).strip().splitlines()[-1] if error.orig else "no answer"
        raise DatabaseError(
            f"The database at {where} cannot be reached ({said}); check ERRHOUSE_DATABASE_URL and that it runs.",
            is_outage=True,
        ) from None
    major = number // 10_000
    if major < OLDEST_VERSION:
        raise DatabaseError(
            f"The database at {where} is PostgreSQL {major}; errhouse needs {OLDEST_VERSION} to {NEWEST_VERSION}."
        )
    return major
