"""The URLs senders use; no logic."""

import re
from typing import NamedTuple

from ingest.records import Door

# DSNs may have a path before /api, senders double slashes or leave the last one out, and old ones name no project.
_API = re.compile(r"(?:/[^/]+)*?/api/(?:([0-9]{1,20})/)?(envelope|store)/?")
_HOOKS = "/hooks/sentry"


class Doorway(NamedTuple):
    """Which door a path is, and what it names: a project, a hook's key, or nothing."""

    door: Door
    argument: str


def doorway(path: str) -> Doorway | None:
    """Tell the door of a path, None for paths that are none."""
    if path.startswith(_HOOKS):
        rest = path[len(_HOOKS) :].rstrip("/")
        if not rest:
            return Doorway(Door.HOOK, "")
        return Doorway(Door.LEGACY, rest[1:]) if rest[0] == "/" and "/" not in rest[1:] else None
    if "/api/" not in path:
        return None
    while "//" in path:
        path = path.replace("//", "/")
    found = _API.fullmatch(path)
    if found is None or (found[1] is None and found[2] == "envelope"):
        return None
    return Doorway(Door(found[2]), found[1] or "")
