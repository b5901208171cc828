"""
How much large bodies may hold together while they are read: what many senders send at once must not fill the memory.

For one event loop. Bodies up to FREE_BYTES are always read: events are small, and a flood of large bodies must not keep
them out.
"""

from ingest.errors import TooBusy
from models.settings import MIB

FREE_BYTES = MIB
MOST_BYTES = 96 * MIB  # a body is held twice for a moment when it is whole


class InFlight:
    """The bytes that large bodies hold now; `most` is what they may, and one body alone always may be read."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self.held = 0

    def has_room(self, more: int, own: int) -> bool:
        """Say whether a body that holds `own` may hold so many bytes more."""
        return self.held + more <= self._most or self.held == own


class Claim:
    """What one body holds; whoever makes it releases it."""

    def __init__(self, in_flight: InFlight) -> None:
        self._in_flight = in_flight
        self._held = 0

    def grow(self, size: int) -> None:
        """
        Hold so many bytes from now on.

        Raises: TooBusy.
        """
        more = size - self._held
        if size <= FREE_BYTES or more <= 0:
            return
        if not self._in_flight.has_room(more, self._held):
            raise TooBusy("so many large bodies are being read that this one has no room")
        self._in_flight.held += more
        self._held = size

    def release(self) -> None:
        """Hold nothing any more."""
        self._in_flight.held -= self._held
        self._held = 0
