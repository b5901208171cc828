"""
Places at which tests have a process die, as a crash would: ERRHOUSE_FAILPOINT names one, and the time it is passed.

Without the variable, which nobody sets in production, passing one costs a comparison.
"""

import os
import signal

OUTBOX_READ = "outbox_read"
ACTION_SENT = "action_sent"
ACTION_MARKED = "action_marked"
TICKET_BEGUN = "ticket_begun"
TICKET_OPENED = "ticket_opened"
ALERTS_PUT = "alerts_put"
ALERTS_COMMITTED = "alerts_committed"

_NAME, _, _TIMES = os.environ.get("ERRHOUSE_FAILPOINT", "").partition(":")
_passed = 0


def passed(name: str) -> None:
    """Die here, if that is wanted: `action_sent:3` dies when it is passed for the third time."""
    global _passed  # noqa: PLW0603 - it counts for the process
    if name == _NAME:
        _passed += 1
        if _passed >= int(_TIMES or 1):
            os.kill(os.getpid(), signal.SIGKILL)
