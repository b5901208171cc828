"""
Answers 503 to connections that would wait too long to be taken: a late answer is none, and Sentry counts it against us.

uvloop takes one connection in each turn of its event loop, so where more comes than can be done, what is under way goes
on at full speed and the rest waits in the kernel. How long it waits is what is watched; those who would wait too long
are answered in some microseconds, without the work of a request. Only plain HTTP: with TLS there is no answer before a
handshake.

A turn answers all senders that have kept their connections, so where those are many, one new connection in each turn is
next to nothing. Some are not kept any longer when turns become long; and webhooks, which come by new connections and
once only, are taken by hand where others are refused.
"""

import asyncio
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable
from time import monotonic

import structlog

from ingest.answer import CORS, JSON, RETRY_AFTER, count, refusal
from ingest.errors import Reason
from ingest.inbound.log import InboundLog, Seen
from ingest.records import Door
from ingest.routes import doorway
from ingest.wire import Wire

BEAT_SECONDS = 0.05
LONG_SECONDS = 0.5  # from which a wait is too long: webhooks, which come once only, are given up after 1 s
SHORT_SECONDS = 0.3  # of a wait that is left to the others
TURN_SECONDS = 0.1  # of the event loop; a longer one has too many kept connections
MOST_ENDED = 0.5  # the part of them that is ended in a turn, at most
LASTING_SECONDS = 0.2  # for which it must be too long
MEMORY_SECONDS = 0.3  # over which the pace is taken
LEAST_PACE = 20.0  # connections a second
CLOSE_SECONDS = 1.0  # after which a refused connection is closed; closed at once, its answer could be lost
MOST_REFUSED = 500  # that are open; of more, the oldest are closed before
TOLD_SECONDS = 10.0  # between two lines in the log
WEBHOOKS = frozenset((Door.HOOK, Door.LEGACY))
HEAD_BYTES = 1024  # in which the path stands
TAKEN_BYTES = 256 * 1024
_WAITING_AT = 24  # of tcp_info: of a listening socket, how many connections wait to be taken

_BUSY = refusal(503, Reason.BUSY, "more comes than can be answered in time; send it again later", [RETRY_AFTER])
_HEADERS = [*CORS, *_BUSY.headers, JSON, (b"connection", b"close"), (b"content-length", b"%d" % len(_BUSY.body))]
_LINES = [b"HTTP/1.1 503 Service Unavailable", *(b"%s: %s" % header for header in _HEADERS)]
ANSWER = b"\r\n".join(_LINES) + b"\r\n\r\n" + _BUSY.body

log = structlog.get_logger()


class Pace:
    """How fast connections are taken, and how many of those that wait would wait too long."""

    def __init__(self) -> None:
        self._pace = 0.0
        self._answers = 0.0
        self._long_since: float | None = None

    def room(self, seconds: float, answered: int, turn: float) -> int:
        """
        Say how many webhooks to take by hand: as many as can be answered soon, were there nobody else.

        Takes: how many requests this process `answered` in the last `seconds`; the seconds of its last `turn`.
        """
        self._answers += (answered / seconds - self._answers) * min(1.0, seconds / MEMORY_SECONDS)
        return max(0, int((SHORT_SECONDS - turn) * self._answers))

    def excess(self, at: float, seconds: float, taken: int, waiting: int, turn: float) -> int:
        """
        Say how many to refuse.

        Takes: `taken`, by all processes that share the queue, in the `seconds` until `at`; `waiting` now; the seconds
               of the last `turn`, in which one is taken.
        """
        now = taken / seconds
        self._pace += (now - self._pace) * min(1.0, seconds / MEMORY_SECONDS)
        pace = max(now, self._pace, 1 / max(turn, 1 / LEAST_PACE))
        if waiting <= LONG_SECONDS * pace:
            self._long_since = None
        elif self._long_since is None:
            self._long_since = at + seconds - BEAT_SECONDS  # a pause has made work, and gets as long for it as it took
        elif at - self._long_since >= LASTING_SECONDS:
            return waiting - int(SHORT_SECONDS * pace)
        return 0


def ended_share(turn: float) -> float:
    """Give the part of the kept connections to end, so that the next turn is short enough; `turn` in seconds."""
    return min(MOST_ENDED, 1 - TURN_SECONDS / turn) if turn > TURN_SECONDS else 0.0


class Overload:
    """Watches the queue of one listening socket, which `processes` share, until the socket is closed."""

    def __init__(
        self, listening: socket.socket, processes: int, inbound: InboundLog, make: Callable[[], asyncio.Protocol]
    ) -> None:
        listening.setblocking(False)
        self._listening = listening
        self._processes = processes
        self._inbound = inbound
        self._make = make
        self._pace = Pace()
        self._refused: deque[tuple[float, socket.socket]] = deque()
        self._opening: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._room = 0
        Wire.taken = Wire.answered = 0
        self._at = self._due = monotonic()
        self._told_at = self._at - TOLD_SECONDS

    def start(self) -> None:
        """Begin to watch, in the running event loop; where it is Linux, which alone tells how many wait."""
        if sys.platform == "linux":
            self._timer = asyncio.get_running_loop().call_later(BEAT_SECONDS, self._look)

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._close(monotonic())

    def _look(self) -> None:
        at = monotonic()
        taken, Wire.taken = Wire.taken, 0
        answered, Wire.answered = Wire.answered, 0
        seconds, turn = at - self._at, max(0.0, at - self._due)
        self._room = self._pace.room(seconds, answered, turn)
        Wire.ended_share = ended_share(turn)
        self._close(at - CLOSE_SECONDS)
        try:
            told = self._listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 2 * _WAITING_AT)
        except OSError:
            return  # it is closed: this process takes no more
        if Wire.is_leaving:
            return
        (waiting,) = struct.unpack_from("I", told, _WAITING_AT)
        excess = self._pace.excess(at, seconds, taken * self._processes, waiting, turn)
        if excess and at - self._told_at >= TOLD_SECONDS:
            self._told_at = at
            log.warning("more comes than can be answered in time; some of it is refused")
        for _ in range(excess):
            if not self._take():
                break
        self._at = at
        self._due = monotonic() + BEAT_SECONDS
        self.start()

    def _close(self, until: float) -> None:
        while self._refused and (self._refused[0][0] <= until or len(self._refused) > MOST_REFUSED):
            self._refused.popleft()[1].close()

    def _take(self) -> bool:
        """Take one that waits and refuse it, unless it is none for a door or may pass; False when none waits."""
        try:
            connection, address = self._listening.accept()
        except OSError:
            return False
        connection.setblocking(False)
        try:
            head = connection.recv(HEAD_BYTES, socket.MSG_PEEK)
        except OSError:
            head = b""
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0].decode("latin-1")
        found = doorway(path) if method == b"POST" else None
        if found is None or (self._room > 0 and found.door in WEBHOOKS):
            self._room -= found is not None
            self._hand_on(connection)
            return True
        try:
            connection.recv(TAKEN_BYTES)
            connection.send(ANSWER, socket.MSG_MORE)  # its end goes with it: half the work of a refusal
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            connection.close()
            return True
        self._refused.append((monotonic(), connection))
        count(found.door, _BUSY, 0.0)
        self._inbound.answered(found.door, "POST", path, {}, address[0], _BUSY.status, _BUSY.reason, 0.0, Seen())
        return True

    def _hand_on(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        opening = loop.create_task(loop.connect_accepted_socket(self._make, connection))
        self._opening.add(opening)
        opening.add_done_callback(self._opened)

    def _opened(self, opening: asyncio.Task[object]) -> None:
        self._opening.discard(opening)
        if not opening.cancelled():
            opening.exception()  # one that is gone by now concerns nobody
