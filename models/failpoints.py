"""
Places at which tests have a process die, fail or wait, as a crash, a broken disk or a stall would.

`ERRHOUSE_FAILPOINT=NAME[:TIMES[:ACTION]]` arms one: at the TIMES-th pass (the first unless told) the process does
ACTION: `kill` (unless told), `exit`, `raise` or `sleep`. `ERRHOUSE_FAILPOINT_SEEN` names a file that is made then;
where it is there already nothing happens, so that a process that was started again lives, and a test knows that the
place was met.

Without the variable, which nobody sets in production, `passed` is a function without a body.
"""

import errno
import os
import signal
import time
from collections.abc import Callable

HEADERS_READ = "headers_read"
BODY_HALF = "body_half"
BODY_READ = "body_read"
VERIFIED = "verified"
SPOOL_WRITE_BEGUN = "spool_write_begun"
SPOOL_WRITE_HALF = "spool_write_half"
SPOOL_WRITTEN = "spool_written"
SPOOL_SYNCED = "spool_synced"
REPLIED = "replied"
SEGMENT_CREATED = "segment_created"
FOLDER_SYNCED = "folder_synced"
SEGMENT_COUNTED = "segment_counted"
BATCH_READ = "batch_read"
DIMENSIONS_SENT = "dimensions_sent"
COPY_BEGUN = "copy_begun"
COPY_HALF = "copy_half"
COPY_DONE = "copy_done"
MERGED = "merged"
POSITION_MOVED = "position_moved"
LOAD_COMMITTED = "load_committed"
SEGMENT_UNLINKED = "segment_unlinked"
SPOOL_RELEASED = "spool_released"
PARTITION_LOCKED = "partition_locked"
PARTITION_MADE = "partition_made"
FOLD_BEGUN = "fold_begun"
FOLD_DONE = "fold_done"
SCHEDULE_CLAIMED = "schedule_claimed"
SCHEDULE_DONE = "schedule_done"
OUTBOX_READ = "outbox_read"
ACTION_SENT = "action_sent"
ACTION_MARKED = "action_marked"
TICKET_BEGUN = "ticket_begun"
TICKET_OPENED = "ticket_opened"
ALERTS_PUT = "alerts_put"
ALERTS_COMMITTED = "alerts_committed"

RECEIVING = {
    HEADERS_READ: "a request's headers are read",
    BODY_HALF: "a part of its body is read",
    BODY_READ: "its body is read and decoded",
    VERIFIED: "its sender has shown its right; nothing is written yet",
    SPOOL_WRITE_BEGUN: "a group of records is about to be written",
    SPOOL_WRITE_HALF: "half of the group's bytes are written",
    SPOOL_WRITTEN: "all are written, not synced",
    SPOOL_SYNCED: "they are synced, nobody is answered yet",
    REPLIED: "the answer is sent",
    SEGMENT_CREATED: "a segment's file is made, its name not durable",
    FOLDER_SYNCED: "its name is durable, no record is in it",
    SEGMENT_COUNTED: "the count of sealed segments is stored",
}
LOADING = {
    BATCH_READ: "a batch is read from the spool",
    DIMENSIONS_SENT: "its dimensions are sent, in the transaction",
    COPY_BEGUN: "the copy of its rows has begun",
    COPY_HALF: "half of its rows are copied",
    COPY_DONE: "all are copied",
    MERGED: "they are in the fact, in the transaction",
    POSITION_MOVED: "the spool's position is moved, in the transaction, which is about to be committed",
    LOAD_COMMITTED: "it is committed; the process has not taken note",
    SEGMENT_UNLINKED: "a loaded segment is removed, its folder not synced",
    SPOOL_RELEASED: "everything of the batch is done",
    PARTITION_LOCKED: "the lock of partitions is held",
    PARTITION_MADE: "partitions are made, not committed",
}
SCHEDULING = {
    FOLD_BEGUN: "the deltas to fold are chosen",
    FOLD_DONE: "they are folded, not committed",
    SCHEDULE_CLAIMED: "a scheduled run is claimed",
    SCHEDULE_DONE: "it is made and stored, not marked as done",
    OUTBOX_READ: "a message is claimed, not sent",
    ACTION_SENT: "it is sent, not marked",
    ACTION_MARKED: "it is marked as sent",
    TICKET_BEGUN: "that a ticket is being opened is committed",
    TICKET_OPENED: "the tracker has opened it, nothing is noted",
    ALERTS_PUT: "what rules tell is in the outbox, in the transaction",
    ALERTS_COMMITTED: "that is committed",
}
POINTS = {**RECEIVING, **LOADING, **SCHEDULING}
"""Every failpoint, with what has happened when it is passed; a test finds each in the code, once."""

SLEEP_SECONDS = 5.0
EXIT_STATUS = 70

_NAME, _TIMES, _ACTION = [*os.environ.get("ERRHOUSE_FAILPOINT", "").split(":"), "", ""][:3]
_SEEN = os.environ.get("ERRHOUSE_FAILPOINT_SEEN")
_passed = 0


def awaits(name: str) -> bool:
    """Say whether this one is armed: for what has to be done in two steps so that there is a middle to fail in."""
    return name == _NAME


def _unarmed(_name: str) -> None:
    pass


def _armed(name: str) -> None:
    global _passed  # noqa: PLW0603 - it counts for the process
    if name != _NAME:
        return
    _passed += 1
    if _passed == int(_TIMES or 1) and _is_first():
        _act(name)


def _is_first() -> bool:
    if _SEEN is None:
        return True
    try:
        os.close(os.open(_SEEN, os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True


def _act(name: str) -> None:
    if _ACTION == "raise":
        raise OSError(errno.EIO, f"failpoint {name}")
    if _ACTION == "sleep":
        time.sleep(SLEEP_SECONDS)
    elif _ACTION == "exit":
        os._exit(EXIT_STATUS)
    else:
        os.kill(os.getpid(), signal.SIGKILL)


passed: Callable[[str], None] = _armed if _NAME else _unarmed
"""Pass a failpoint, by its name."""
