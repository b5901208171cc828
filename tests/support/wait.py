"""Waiting for a condition with a deadline; no test sleeps for time to pass."""

import time
from collections.abc import Callable
from typing import TypeVar

POLL_SECONDS = 0.02
T = TypeVar("T")


def until(condition: Callable[[], T], deadline_seconds: float, what: str) -> T:
    """Return the first true answer of `condition`; fail with `what` when the deadline passes."""
    deadline = time.monotonic() + deadline_seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {deadline_seconds:g} s: {what}")
        time.sleep(POLL_SECONDS)
    return answer
