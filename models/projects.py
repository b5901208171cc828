"""Projects and hooks as commands see them: added, listed, and told as a DSN."""

import secrets
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import Connection, text

from models.access import hook_hash
from models.errors import ModelsError

LIST = text(
    """
    select p.project_id, coalesce(p.slug, p.name, p.project_id::text) as name, k.public_key, p.is_scrubbed
    from warehouse.dim_project p left join warehouse.project_key k on k.project_id = p.project_id
    order by p.created_at, p.project_id, k.created_at
    """
)
# The smallest id that is free: Sentry's own ids, learned from webhooks, are mostly far from it.
NEXT_ID = text(
    """
    select min(free) from generate_series(1, (select count(*) + 1 from warehouse.dim_project)) as free
    where not exists (select from warehouse.dim_project p where p.project_id = free)
    """
)
ADD_PROJECT = text(
    """
    insert into warehouse.dim_project (project_id, name, is_scrubbed, created_at)
    values (:project_id, :name, :is_scrubbed, :now)
    on conflict (project_id) do update set name = excluded.name, is_scrubbed = excluded.is_scrubbed
    """
)
ADD_KEY = text(
    "insert into warehouse.project_key (public_key, project_id, created_at) values (:public_key, :project_id, :now)"
)
FIND_KEY = text(
    "select public_key from warehouse.project_key where project_id = :project_id order by created_at limit 1"
)
HAS_KEY = text("select exists (select from warehouse.project_key)")
ADD_HOOK = text("insert into warehouse.hook (hook_hash, name, created_at) values (:hook_hash, :name, :now)")
REMOVE_HOOK = text("delete from warehouse.hook where hook_hash = :hook_hash")
ONE_AT_A_TIME = text("select pg_advisory_xact_lock(:key)")
PROJECT_LOCK = 0x657272687072  # "errhpr"


class Project(NamedTuple):
    """One project and one of its public keys; None when it has none: it is known from webhooks only."""

    project_id: int
    name: str
    public_key: str | None
    is_scrubbed: bool


def listed(connection: Connection) -> list[Project]:
    """List projects with their keys, oldest first."""
    return [Project(*found) for found in connection.execute(LIST)]


def added(connection: Connection, name: str, project_id: int | None, is_scrubbed: bool, now: datetime) -> Project:
    """
    Add a project, or give an existing id its name; it has a key afterwards.

    Raises: ModelsError for an id that cannot be one.
    """
    name = name.strip()
    if not name:
        raise ModelsError("A project needs a name; write `errhouse project add NAME`.")
    connection.execute(ONE_AT_A_TIME, {"key": PROJECT_LOCK})
    if project_id is None:
        project_id = int(connection.execute(NEXT_ID).scalar_one())
    if not 0 < project_id < 2**63:
        raise ModelsError("A project id is a number from 1 to 9223372036854775807; Sentry shows it in the DSN.")
    connection.execute(ADD_PROJECT, {"project_id": project_id, "name": name, "is_scrubbed": is_scrubbed, "now": now})
    public_key = connection.execute(FIND_KEY, {"project_id": project_id}).scalar()
    if public_key is None:
        public_key = secrets.token_hex(16)
        connection.execute(ADD_KEY, {"public_key": public_key, "project_id": project_id, "now": now})
    return Project(project_id, name, public_key, is_scrubbed)


def ensure_one(connection: Connection, now: datetime) -> bool:
    """Make a first project when no SDK could send yet; say whether it was made."""
    connection.execute(ONE_AT_A_TIME, {"key": PROJECT_LOCK})
    if connection.execute(HAS_KEY).scalar():
        return False
    added(connection, "default", None, True, now)
    return True


def hook_added(connection: Connection, name: str, now: datetime) -> str:
    """Add an address for the unsigned WebHooks plugin; give its key, which is not kept and never shown again."""
    name = name.strip()
    if not name:
        raise ModelsError("A hook needs a name; write `errhouse hook add NAME`.")
    hook_key = secrets.token_urlsafe(32)
    connection.execute(ADD_HOOK, {"hook_hash": hook_hash(hook_key), "name": name, "now": now})
    return hook_key


def hook_removed(connection: Connection, hook_key: str) -> None:
    """Take the right to send away from a hook's address."""
    connection.execute(REMOVE_HOOK, {"hook_hash": hook_hash(hook_key)})


def dsn(public_url: str, public_key: str | None, project_id: int) -> str | None:
    """Put a DSN together, as SDKs take it."""
    if public_key is None:
        return None
    parts = urlsplit(public_url)
    return f"{parts.scheme}://{public_key}@{parts.netloc}{parts.path}/{project_id}"
