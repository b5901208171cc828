"""Who may use the console: passwords, roles and sessions, as commands and pages need them."""

import re
import secrets
from base64 import b64encode
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, text

from models.console_user import ROLES
from models.errors import ModelsError

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 1024
PASSWORD_BYTES = 15
SALT_BYTES, HASH_BYTES = 16, 32
TOKEN_BYTES = 32
SESSION_DAYS = 14
IDLE_HOURS = 72
SEEN_MINUTES = 5  # between two writes of when a session was seen

_NAME = re.compile(r"[\w.@+-]{1,200}")
_HASHER = PasswordHasher(time_cost=3, memory_cost=19 * 1024, parallelism=1, hash_len=HASH_BYTES, salt_len=SALT_BYTES)


def _of_nobody() -> str:
    """Give a hash as the hasher writes one, of no password: to make a true one takes as long as a login."""
    parts = (b64encode(secrets.token_bytes(count)).decode().rstrip("=") for count in (SALT_BYTES, HASH_BYTES))
    costs = f"m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
    return f"$argon2id$v=19${costs}${'$'.join(parts)}"


OF_NOBODY = _of_nobody()
"""Is checked for names that nobody has, so that they cannot be told from those that somebody has."""

PUT = text(
    """
    insert into warehouse.console_user as u (name, role, password_hash, created_at, updated_at)
    values (:name, :role, :password_hash, :at, :at)
    on conflict (name) do update set role = excluded.role, updated_at = excluded.updated_at,
        password_hash = coalesce(excluded.password_hash, u.password_hash)
    """
)
LIST = text("select name, role, created_at, updated_at, last_login_at from warehouse.console_user order by name")
READ = text("select name, role, password_hash from warehouse.console_user where name = :name")
REMOVE = text("delete from warehouse.console_user where name = :name")
LOGGED_IN = text("update warehouse.console_user set last_login_at = :at where name = :name")
OPEN = text(
    """
    insert into warehouse.console_session (token_hash, user_name, created_at, seen_at, expires_at)
    values (:token_hash, :name, :at, :at, :until)
    """
)
FIND = text(
    """
    select u.name, u.role, s.seen_at
    from warehouse.console_session s join warehouse.console_user u on u.name = s.user_name
    where s.token_hash = :token_hash and s.expires_at > :at and s.seen_at > :idle_since
    """
)
SEEN = text("update warehouse.console_session set seen_at = :at where token_hash = :token_hash")
CLOSE = text("delete from warehouse.console_session where token_hash = :token_hash")
CLOSE_OF = text("delete from warehouse.console_session where user_name = :name")
CLOSE_ENDED = text("delete from warehouse.console_session where expires_at <= :at or seen_at <= :idle_since")


class Person(NamedTuple):
    """Who uses the console, and what they may do."""

    name: str
    role: str

    def may(self, role: str) -> bool:
        """Whether they have the rights of a role."""
        return ROLES.index(self.role) >= ROLES.index(role)


def put(connection: Connection, name: str, role: str, password: str | None, at: datetime) -> None:
    """
    Add a person, or give one that is there this role and, if one is given, this password, which ends their sessions.

    Raises: ModelsError.
    """
    if not _NAME.fullmatch(name):
        raise ModelsError("A name has letters, digits and . @ + - _ alone, 200 at most; choose another one.")
    if role not in ROLES:
        raise ModelsError(f"A role is one of {', '.join(ROLES)}.")
    hashed = None if password is None else _hashed(password)
    connection.execute(PUT, {"name": name, "role": role, "password_hash": hashed, "at": at})
    if hashed:
        connection.execute(CLOSE_OF, {"name": name})


def made_password() -> str:
    """Make a password that nobody guesses."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


def listed(connection: Connection) -> list[dict[str, Any]]:
    """List who may use the console."""
    return [dict(found) for found in connection.execute(LIST).mappings()]


def removed(connection: Connection, name: str) -> bool:
    """Remove a person and end their sessions; return whether there was one."""
    connection.execute(CLOSE_OF, {"name": name})
    return connection.execute(REMOVE, {"name": name}).rowcount > 0


def known(connection: Connection, name: str) -> Person | None:
    """Give the person of a name."""
    found = connection.execute(READ, {"name": name}).one_or_none()
    return Person(found.name, found.role) if found else None


def checked(connection: Connection, name: str, password: str) -> Person | None:
    """Give the person whose name and password these are; takes as long for one as for the other answer."""
    found = connection.execute(READ, {"name": name}).one_or_none() if _NAME.fullmatch(name) else None
    hashed = found.password_hash if found and found.password_hash else None
    try:
        _HASHER.verify(hashed or OF_NOBODY, password[: LONGEST_PASSWORD + 1])
    except (VerificationError, InvalidHashError):
        return None
    return Person(found.name, found.role) if found and hashed else None


def opened(connection: Connection, person: Person, at: datetime) -> str:
    """Open a session and give its token, which is kept nowhere; forget sessions that have ended."""
    connection.execute(CLOSE_ENDED, {"at": at, "idle_since": at - timedelta(hours=IDLE_HOURS)})
    token = secrets.token_urlsafe(TOKEN_BYTES)
    until = at + timedelta(days=SESSION_DAYS)
    connection.execute(OPEN, {"token_hash": _digest(token), "name": person.name, "at": at, "until": until})
    connection.execute(LOGGED_IN, {"name": person.name, "at": at})
    return token


def of_session(connection: Connection, token: str, at: datetime) -> Person | None:
    """Give whose session a token is, None when it has ended."""
    told = {"token_hash": _digest(token), "at": at, "idle_since": at - timedelta(hours=IDLE_HOURS)}
    found = connection.execute(FIND, told).one_or_none()
    if found is None:
        return None
    if at - found.seen_at > timedelta(minutes=SEEN_MINUTES):
        connection.execute(SEEN, {"token_hash": told["token_hash"], "at": at})
    return Person(found.name, found.role)


def closed(connection: Connection, token: str) -> None:
    """End a session."""
    connection.execute(CLOSE, {"token_hash": _digest(token)})


def _hashed(password: str) -> str:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise ModelsError(f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters; choose another one.")
    return _HASHER.hash(password)


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
