"""Slows down whoever guesses passwords: by name and by address, in the memory of the one console process."""

from collections import OrderedDict
from threading import Lock

FREE_TRIES = 5
FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 900.0
FORGOTTEN_SECONDS = 3600.0
MOST_KEPT = 10_000


class Throttle:
    """Counts failures; after some free tries each one doubles the pause."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lock = Lock()

    def pause(self, keys: tuple[str, ...], at: float) -> float:
        """Give for how many seconds nobody of these keys may try again; 0 when they may."""
        with self._lock:
            return max((self._left(key, at) for key in keys), default=0.0)

    def failed(self, keys: tuple[str, ...], at: float) -> None:
        """Note a failure."""
        with self._lock:
            for key in keys:
                count, last = self._failures.pop(key, (0, at))
                self._failures[key] = (1 if at - last > FORGOTTEN_SECONDS else count + 1, at)
            while len(self._failures) > MOST_KEPT:
                self._failures.popitem(last=False)

    def succeeded(self, keys: tuple[str, ...]) -> None:
        """Forget the failures of these keys."""
        with self._lock:
            for key in keys:
                self._failures.pop(key, None)

    def _left(self, key: str, at: float) -> float:
        count, last = self._failures.get(key, (0, 0.0))
        if count < FREE_TRIES:
            return 0.0
        pause = min(FIRST_PAUSE_SECONDS * 2.0 ** min(count - FREE_TRIES, 20), LONGEST_PAUSE_SECONDS)
        return max(0.0, last + pause - at)
