"""
What this room adds to the command line.

What needs much memory is imported where it is used: the scheduler stays small.
"""

from collections.abc import Callable

from models.settings import Settings


def schedule(settings: Settings, should_stop: Callable[[], bool]) -> None:
    """Run the scheduler in this process until told to stop."""
    from reports.schedule import run  # noqa: PLC0415 - see above

    run(settings, should_stop)
