"""
How much SDKs may send to one project, so that one application that fails in a loop does not take the place of others.

For one receiver process. Webhooks are never counted: Sentry sends each of them once.
"""

from collections.abc import Callable
from time import monotonic

from ingest.errors import RateLimited

BURST_SECONDS = 10.0
"""What was not used of so many seconds may be used at once; and so long is the pause of an SDK that is refused."""


class Quota:
    """At most `rate` requests a second for each project, and those of BURST_SECONDS at once; 0 is no limit."""

    def __init__(self, rate: float, clock: Callable[[], float] = monotonic) -> None:
        self._seconds = 1 / rate if rate else 0.0
        self._clock = clock
        self._due: dict[int, float] = {}  # by project, when all that it has sent would have come at the rate

    def take(self, project_id: int) -> None:
        """
        Count a request.

        Raises: RateLimited.
        """
        if not self._seconds:
            return
        at = self._clock()
        due = max(self._due.get(project_id, at), at)
        if due - at > BURST_SECONDS:
            raise RateLimited(
                f"project {project_id} sends more than ERRHOUSE_PROJECT_MAX_REQUESTS_PER_SECOND; "
                f"send again in {BURST_SECONDS:g} s"
            )
        self._due[project_id] = due + self._seconds
