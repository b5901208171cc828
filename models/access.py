"""
Who may send, as the receivers need it: by heart, so that the database is never on the way to an answer.

`DATA_DIR/access.json` is a copy of the keys in the database. Commands that add a key write it at once, the service
keeps it in step with the database, and a receiver that meets an unknown key looks whether the file is newer.
"""

import os
import secrets
from hashlib import sha256
from pathlib import Path
from time import monotonic

import msgspec
from sqlalchemy import Connection, text

from models.errors import ModelsError

FILE_NAME = "access.json"
LOOK_SECONDS = 2.0  # after which a key that was taken away is no longer good
SECRET_FILE = "webhook_secret"  # noqa: S105 - a file's name

READ_KEYS = text("select public_key, project_id from warehouse.project_key")
READ_HOOKS = text("select hook_hash, name from warehouse.hook")


class Access(msgspec.Struct, frozen=True):
    """Public keys with their project, and hashes of hook keys with their name."""

    projects: dict[str, int] = {}
    hooks: dict[str, str] = {}


def hook_hash(hook_key: str) -> str:
    """Give what is stored of a hook key."""
    return sha256(hook_key.encode("utf-8", "surrogatepass")).hexdigest()


def read(connection: Connection) -> Access:
    """Read who may send from the database."""
    return Access(
        projects={row.public_key: row.project_id for row in connection.execute(READ_KEYS)},
        hooks={row.hook_hash: row.name for row in connection.execute(READ_HOOKS)},
    )


def write_private(path: Path, content: bytes) -> None:
    """Replace a file in one step, readable by its owner alone."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)
    draft.replace(path)


def publish(data_dir: Path, access: Access) -> None:
    """Let the receivers on this machine know; does nothing when they do already."""
    path = data_dir / FILE_NAME
    content = msgspec.json.encode(access, order="sorted")
    if not path.exists() or path.read_bytes() != content:
        write_private(path, content)


class AccessFile:
    """A receiver's memory of the file: read again when it has changed, at once for a sender that is not known."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE_NAME
        self._stamp: tuple[int, int] | None = None
        self._access = Access()
        self._looked_at = monotonic()
        self.refresh()

    def project_of(self, public_key: str) -> int | None:
        """Give the project a public key belongs to."""
        if monotonic() - self._looked_at > LOOK_SECONDS:
            self.refresh()
        found = self._access.projects.get(public_key)
        if found is None and self.refresh():
            found = self._access.projects.get(public_key)
        return found

    def knows_hook(self, hook_key: str) -> bool:
        """Whether a hook with this key was added."""
        if monotonic() - self._looked_at > LOOK_SECONDS:
            self.refresh()
        digest = hook_hash(hook_key)
        return digest in self._access.hooks or (self.refresh() and digest in self._access.hooks)

    def refresh(self) -> bool:
        """Read the file if it is another one than last time; return whether it was."""
        self._looked_at = monotonic()
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_ino)
            if stamp == self._stamp:
                return False
            self._access = msgspec.json.decode(self._path.read_bytes(), type=Access)
        except (OSError, msgspec.MsgspecError):
            return False
        self._stamp = stamp
        return True


def webhook_secrets(data_dir: Path, given: tuple[str, ...]) -> tuple[str, ...]:
    """
    Give the secrets webhooks are signed with: those that were set, else the one in DATA_DIR, made on first need.

    Raises: ModelsError when the file is empty: then anyone could sign.
    """
    if given:
        return given
    path = data_dir / SECRET_FILE
    if not path.exists():
        write_private(path, secrets.token_hex(32).encode())
    secret = path.read_text().strip()
    if not secret:
        raise ModelsError(f"The webhook secret in {path} is empty; remove the file to have one made, and start again.")
    return (secret,)
