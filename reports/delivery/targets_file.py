"""TARGETS_FILE: targets in TOML, a table of each name. What it does not know it refuses, with a sentence."""

import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from models.target import MOST_PER_MINUTE
from reports.channels import channel_of
from reports.delivery.targets import Target
from reports.errors import BadTarget

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)


def read(path: Path) -> list[Target]:
    """
    Give the targets of a file, their values as they are written.

    Raises: BadTarget when it is not there, no TOML, holds what no channel asks for, or secrets that all can read.
    """
    try:
        with path.open("rb") as file:
            is_open = bool(stat.S_IMODE(path.stat().st_mode) & 0o007)
            found = tomllib.load(file)
    except OSError as error:
        raise BadTarget(f"{path} cannot be read ({error.strerror}); see ERRHOUSE_TARGETS_FILE.") from None
    except ValueError as error:  # no line of the file is repeated: it may be a secret
        where = re.search(r"\(at [^)]*\)", str(error))
        raise BadTarget(f"{path} is not TOML{f' {where[0]}' if where else ''}; mend it.") from None
    return [_target(path, name, table, is_open=is_open) for name, table in found.items()]


def check_name(name: str) -> None:
    """Raise BadTarget when this can be no name of a target."""
    if not NAME.fullmatch(name):
        raise BadTarget(f"{name!r} is not a name; write a-z, 0-9, - and _, at most 63, such as ops-chat.")


def _target(path: Path, name: str, table: Any, *, is_open: bool) -> Target:
    check_name(name)
    if not isinstance(table, dict) or not isinstance(table.get("channel"), str):
        raise BadTarget(f'{path}: [{name}] needs a channel, such as channel = "slack".')
    more = {key: value for key, value in table.items() if key not in {"channel", "allow_private", "most_per_minute"}}
    most, may = table.get("most_per_minute", MOST_PER_MINUTE), table.get("allow_private", False)
    if type(most) is not int or most < 1 or type(may) is not bool:
        raise BadTarget(f"{path}: [{name}] takes most_per_minute = 1 or more, and allow_private = true or false.")
    way = channel_of(table["channel"])
    known = {option.name: option for option in way.OPTIONS}
    if strange := [key for key in more if key not in known]:
        raise BadTarget(f"{path}: [{name}] has {', '.join(strange)}; {way.NAME} has {', '.join(known)}.")
    if wrong := [key for key, value in more.items() if not isinstance(value, str | int | float)]:
        raise BadTarget(f"{path}: [{name}] takes words and numbers; {', '.join(wrong)} is neither.")
    options = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in more.items()}
    bare = [key for key, value in options.items() if known[key].is_secret and not value.startswith(("env:", "file:"))]
    if bare and is_open:
        raise BadTarget(
            f"{path} can be read by everybody and holds secrets ([{name}]); make it yours: chmod 600 {path}"
        )
    return Target(name, way.NAME, options, may, most)
