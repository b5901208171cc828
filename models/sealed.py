"""
Secrets at rest: sealed by AES-256-GCM with a key that is a file of the operator's, never in the database.

What is sealed names its key and is bound to its place (table, column, row): moved elsewhere it cannot be opened. The
file holds one key a line, the newest first: it seals, and all of them open, so that keys can be changed.
"""

import os
import secrets
import stat
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from models.access import write_private
from models.errors import ModelsError

KEY_FILE = "seal.key"
KEY_BYTES = 32
ID_BYTES = 4
NONCE_BYTES = 12
VERSION = b"\x01"


class SealError(ModelsError):
    """A secret cannot be sealed or opened; the sentence says why."""


class Seal:
    """Seals and opens. Takes the keys, newest first."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._keys = {sha256(key).digest()[:ID_BYTES]: AESGCM(key) for key in keys}
        self._newest = sha256(keys[0]).digest()[:ID_BYTES]

    def close(self, secret: bytes, place: str) -> bytes:
        """Seal a secret for its place, such as `target/sealed/ops`."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return VERSION + self._newest + nonce + self._keys[self._newest].encrypt(nonce, secret, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Give the secret of a place. Raises SealError."""
        named, nonce, body = sealed[1:5], sealed[5 : 5 + NONCE_BYTES], sealed[5 + NONCE_BYTES :]
        key = self._keys.get(named)
        if sealed[:1] != VERSION or key is None:
            raise SealError(
                f"The secrets of {place} were sealed with a key that {KEY_FILE} lacks; put it back, or add them again."
            )
        try:
            return key.decrypt(nonce, body, place.encode())
        except InvalidTag:
            raise SealError(f"The secrets of {place} were changed or moved; add them again.") from None

    def is_newest(self, sealed: bytes) -> bool:
        """Say whether it was sealed with the newest key."""
        return sealed[1:5] == self._newest


def key_file(data_dir: Path, told: Path | None) -> Path:
    """Return where the keys are: where the operator says, else in the data folder."""
    return told or data_dir / KEY_FILE


def seal(path: Path, *, may_make: bool) -> Seal:
    """
    Read the keys; `may_make`: make the file when there is none.

    Raises: SealError when it is missing, readable by others, or no file of keys.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        if not may_make:
            raise SealError(f"There is no key file {path}; copy it from where the targets were added.") from None
        with suppress(FileExistsError):
            path.parent.mkdir(mode=0o700, parents=True)
        write_private(path, urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
        found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077 or found.st_uid not in {os.geteuid(), 0}:
        raise SealError(f"{path} can be read by others; make it yours alone: chmod 600 {path}")
    return Seal(_keys(path))


def add_key(path: Path) -> Seal:
    """Put a new key first; the others still open what they sealed. Raises SealError."""
    seal(path, may_make=True)
    write_private(path, urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n" + path.read_bytes())
    return Seal(_keys(path))


def keep_newest(path: Path) -> None:
    """Forget every key but the newest; what the others sealed cannot be opened any more. Raises SealError."""
    seal(path, may_make=False)
    write_private(path, path.read_bytes().split()[0] + b"\n")


def _keys(path: Path) -> tuple[bytes, ...]:
    keys = []
    for line in path.read_bytes().split():
        try:
            key = urlsafe_b64decode(line)
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES or len(set(key)) < KEY_BYTES // 4:
            raise SealError(f"{path} holds a line that is no key; each is 32 random bytes in URL-safe base64.")
        keys.append(key)
    if not keys:
        raise SealError(f"{path} is empty; remove it to have a key made.")
    return tuple(keys)
