"""
What receivers were asked lately: a bounded log beside the spool, for `errhouse deliveries` and the console.

    DATA_DIR/deliveries/           0700, every file 0600
        <n>.ndjson                 one line a request of receiver n, never a body, a key or a signature
        <n>.1.ndjson               the lines before, once the file has reached its size
        <n>.hours.json             how many answers there were by the hour, see `models.answers`

It is written by a thread of the receiver, in batches, and never synced: it is for looking, and no answer waits for it.
"""

import re

import msgspec

FILE = ".ndjson"
OLDER_FILE = ".1.ndjson"
NO_DOOR = "none"  # the path is no door of ours
MAX_AGENT_CHARS = 80
MAX_PATH_CHARS = 120
MAX_RESOURCE_CHARS = 40

_TOKEN = re.compile(r"[^/]{20,}")  # longer than any word of our paths, shorter than any key


class Inbound(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    One request as it is written down.

    `at_us` is when it began, microseconds since 1970. `form` is what its headers say; `body_bytes` is its size once
    decoded. `left_out` is on lines that stand for so many requests of which nothing else is kept.
    """

    at_us: int
    method: str = ""
    door: str = NO_DOOR
    form: str = ""
    path: str = ""
    sender: str = ""
    agent: str = ""
    bytes: int = 0
    body_bytes: int = 0
    ms: float = 0.0
    status: int = 0
    reason: str = ""
    project_id: int | None = None
    event_id: str = ""
    sha256: str = ""
    receiver: str = ""
    left_out: int = 0

    @property
    def key(self) -> str:
        """Return the name by which the console asks for this request."""
        return f"{self.receiver}-{self.at_us}-{self.sha256 or 'none'}"


def masked(path: str) -> str:
    """Write a path without what may be a key in it: of long words, only the first four letters."""
    return _TOKEN.sub(lambda found: f"{found[0][:4]}…", path[: MAX_PATH_CHARS * 2])[:MAX_PATH_CHARS]
