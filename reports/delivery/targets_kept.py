"""
Targets by their names: of TARGETS_FILE, of `warehouse.target`, or folders that a name says itself, as `file:/folder`.

A value may be `env:NAME` or `file:/path`, which are read when the target is used. What else is a secret lies sealed in
the database, with a key that does not.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from models.sealed import Seal, key_file, seal
from models.settings import Settings
from models.target import MOST_PER_MINUTE
from reports.channels import channel_of
from reports.delivery import targets_file
from reports.delivery.ourselves import is_ours
from reports.delivery.targets import Target, written
from reports.errors import BadTarget

MOST_VALUE_BYTES = 64 * 1024
REFERENCES = ("env:", "file:")

READ = text(
    """
    select name, channel, options, sealed, allow_private, most_per_minute from warehouse.target
    where cast(:name as text) is null or name = :name order by name
    """
)
MOST = text("select name, most_per_minute from warehouse.target where name = any(:names)")
KEEP = text(
    """
    insert into warehouse.target (name, channel, options, sealed, allow_private, most_per_minute, created_at,
        updated_at)
    values (:name, :channel, :options, :sealed, :allow_private, :most_per_minute, :now, :now)
    on conflict (name) do update set channel = excluded.channel, options = excluded.options, sealed = excluded.sealed,
        allow_private = excluded.allow_private, most_per_minute = excluded.most_per_minute,
        updated_at = excluded.updated_at
    where :is_replaced returning name
    """
).bindparams(bindparam("options", type_=JSONB))
# Unless somebody has changed it meanwhile.
RESEAL = text("update warehouse.target set sealed = :sealed, updated_at = :now where name = :name and sealed = :before")
REMOVE = text("delete from warehouse.target where name = :name returning name")
# A target that was changed is tried at once, and one that is gone is not told of.
FORGET_STATE = text("delete from warehouse.target_state where target = :name")
# Who is told by a target that is to go.
USED_BY = text(
    """
    select 'rule ' || name from warehouse.alert_rule where :name = any(targets)
    union all select 'schedule ' || name from warehouse.report_schedule where :name = any(targets) order by 1
    """
)
GIVE_UP = text(
    """
    update warehouse.outbox set status = 'failed', finished_at = :now, claimed_until = null,
        error = 'Its target was removed.'
    where target = :name and status in ('waiting', 'sending')
    """
)


class Kept(NamedTuple):
    """A target as it is kept: options in the clear or as references, secrets sealed."""

    name: str
    channel: str
    options: Mapping[str, str]
    sealed: bytes | None
    allow_private: bool
    most_per_minute: int
    is_of_file: bool = False


class Targets:
    """Finds targets, and keeps them. Takes the settings: where the file, the keys and the data folder are."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._file = settings.TARGETS_FILE
        self._keys = key_file(settings.DATA_DIR, settings.SEAL_KEY_FILE)

    @property
    def key_file(self) -> Path:
        """Return where the keys are."""
        return self._keys

    def listed(self, connection: Connection) -> list[Kept]:
        """Give all of them that have a name, by it; the file outranks the table. Raises BadTarget."""
        found = {each.name: each for each in self.stored(connection)}
        return sorted((found | self._of_file()).values())

    def stored(self, connection: Connection) -> list[Kept]:
        """Give those of the database alone."""
        return [Kept(*row) for row in connection.execute(READ, {"name": None})]

    def find(self, connection: Connection, name: str) -> Target:
        """Give a target with its secrets in the clear. Raises BadTarget, SealError: one sentence each."""
        kept = self.kept(connection, name)
        return written(name) if kept is None else self.opened(kept)

    def kept(self, connection: Connection, name: str) -> Kept | None:
        """Give a target as it is kept; None when its name says it itself. Raises BadTarget."""
        wrong, of_file = None, {}
        try:
            of_file = self._of_file()
        except BadTarget as error:
            wrong = error
        if name in of_file:
            return of_file[name]
        if row := connection.execute(READ, {"name": name}).first():
            return Kept(*row)
        if wrong and ":" not in name:
            raise wrong
        written(name)
        return None

    def opened(self, kept: Kept) -> Target:
        """Give a target with its secrets and what it refers to. Raises BadTarget, SealError."""
        options = {**kept.options, **self.secrets(kept)}
        options = {name: value if name in _paths(kept) else _read(kept, name, value) for name, value in options.items()}
        target = Target(kept.name, kept.channel, options, kept.allow_private, kept.most_per_minute)
        self.check_loop(target)
        return target

    def check_loop(self, target: Target) -> None:
        """Raise BadTarget when its address is ours: what we send would come back to us as events."""
        if is_ours(self._settings, target.get("url")):
            raise BadTarget(f"The address of {target.name} is errhouse's own; give it the one of the receiver.")

    def reseal(self, connection: Connection, name: str, with_key: Seal, now: datetime) -> bool:
        """Seal the secrets of a target with the newest key; say whether they were not. Raises SealError."""
        row = connection.execute(READ, {"name": name}).first()
        if row is None or row.sealed is None or with_key.is_newest(bytes(row.sealed)):
            return False
        again = with_key.close(with_key.open(bytes(row.sealed), place(name)), place(name))
        told = {"name": name, "before": bytes(row.sealed), "sealed": again, "now": now}
        return connection.execute(RESEAL, told).rowcount == 1

    def secrets(self, kept: Kept) -> dict[str, str]:
        """Open what is sealed. Raises SealError."""
        if kept.sealed is None:
            return {}
        opened = seal(self._keys, may_make=False).open(bytes(kept.sealed), place(kept.name))
        return msgspec.json.decode(opened, type=dict[str, str])

    def most_per_minute(self, connection: Connection, names: Sequence[str]) -> dict[str, int]:
        """Give how many messages targets are sent in a minute at most, whether they are there or not."""
        found = dict.fromkeys(names, MOST_PER_MINUTE)
        found |= {row.name: row.most_per_minute for row in connection.execute(MOST, {"names": list(names)})}
        try:
            of_file = self._of_file()
        except BadTarget:
            return found  # the file is told of where a target of it is used
        return {name: of_file[name].most_per_minute if name in of_file else most for name, most in found.items()}

    def keep(self, connection: Connection, target: Target, now: datetime, *, is_replaced: bool) -> None:
        """Write a target, its literal secrets sealed. Raises BadTarget when its name is taken; SealError."""
        if target.name in self._of_file():
            raise BadTarget(f"{target.name} is in {self._file}, which outranks the database; change it there.")
        secret = {option.name for option in channel_of(target.channel).OPTIONS if option.is_secret}
        hidden = {name: each for name, each in target.options.items() if name in secret and not is_reference(each)}
        row: dict[str, Any] = {
            "name": target.name,
            "channel": target.channel,
            "options": {name: value for name, value in target.options.items() if name not in hidden},
            "sealed": sealed(seal(self._keys, may_make=True), target.name, hidden) if hidden else None,
            "allow_private": target.allow_private,
            "most_per_minute": target.most_per_minute,
            "now": now,
            "is_replaced": is_replaced,
        }
        if connection.execute(KEEP, row).first() is None:
            raise BadTarget(f"There is a target {target.name} already; --replace puts this one in its place.")
        connection.execute(FORGET_STATE, {"name": target.name})

    def _of_file(self) -> dict[str, Kept]:
        if self._file is None:
            return {}
        return {
            each.name: Kept(each.name, each.channel, each.options, None, each.allow_private, each.most_per_minute, True)
            for each in targets_file.read(self._file)
        }


def remove(connection: Connection, name: str, now: datetime) -> None:
    """Remove a target; what waits for it is given up. Raises BadTarget when it is not there, or needed."""
    if users := list(connection.execute(USED_BY, {"name": name}).scalars()):
        raise BadTarget(f"{name} is a target of {', '.join(users)}; remove or change that first.")
    if connection.execute(REMOVE, {"name": name}).first() is None:
        raise BadTarget(f"There is no target {name} in the database; `errhouse target list` shows them.")
    connection.execute(GIVE_UP, {"name": name, "now": now})
    connection.execute(FORGET_STATE, {"name": name})


def is_reference(value: str) -> bool:
    """Say whether a value only tells where the value is."""
    return value.startswith(REFERENCES)


def place(name: str) -> str:
    """Name the place of a target's secrets, to which they are bound."""
    return f"target/sealed/{name}"


def sealed(with_key: Seal, name: str, secrets: Mapping[str, str]) -> bytes:
    """Seal secrets for the row of a target."""
    return with_key.close(msgspec.json.encode(dict(secrets)), place(name))


def _paths(kept: Kept) -> set[str]:
    return {"url"} if kept.channel == "file" else set()


def _read(kept: Kept, name: str, value: str) -> str:
    """Give what a value refers to, or itself."""
    kind, _, where = value.partition(":")
    if not is_reference(value):
        return value
    if kind == "env":
        found = os.environ.get(where, "")
        lacks = f"the environment variable {where} is not set"
    else:
        lacks = f"{where} cannot be read, or is empty"
        try:
            with Path(where).open("rb") as file:
                found = file.read(MOST_VALUE_BYTES).decode()
        except (OSError, ValueError):
            found = ""
    if not found.strip():
        raise BadTarget(f"The target {kept.name} cannot be used: for its {name}, {lacks}.")
    return found.strip()
