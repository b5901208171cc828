"""The server of a receiver, which says when it takes connections, and leaves without a loss when another takes them."""

import asyncio
import socket
from time import monotonic

import uvicorn

from ingest.supervise import FOLLOWED, begun
from ingest.wire import Wire

LAST_REQUEST_SECONDS = 3.0  # for what is on its way on connections that are open
LAST_ANSWER_SECONDS = 5  # for what is being asked then
HANDSHAKE_SECONDS = 1.0  # of connections that uvicorn does not know yet


class FollowedServer(uvicorn.Server):
    """
    uvicorn's server, for which there is a successor once FOLLOWED has come.

    To close its connections at once would cut off who is just sending; so each is closed with its next answer, which
    says so.
    """

    _followed_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take connections, and tell the parent."""
        await super().startup(sockets)
        asyncio.get_running_loop().add_signal_handler(FOLLOWED, self._leave)
        begun()

    async def on_tick(self, counter: int) -> bool:
        """Say whether to end, ten times a second."""
        return await super().on_tick(counter) or self._has_left()

    def _leave(self) -> None:
        self._followed_at = monotonic()
        self.config.timeout_graceful_shutdown = LAST_ANSWER_SECONDS
        Wire.is_leaving = True
        for listening in self.servers:
            listening.close()
        for connection in self.server_state.connections:
            if isinstance(connection, Wire):
                connection.end_with_answer()

    def _has_left(self) -> bool:
        if self._followed_at is None:
            return False
        passed = monotonic() - self._followed_at
        return passed >= (LAST_REQUEST_SECONDS if self.server_state.connections else HANDSHAKE_SECONDS)
